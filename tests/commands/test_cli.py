"""The command line as a process: its text and its exit status."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
from support import toy_study

from labeleff.commands.report import METHODS
from labeleff.curves.methods import methods


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["compare", "--help"], ["plan", "smoke"], ["list"], ["--version"]]
)
def test_what_only_reads_never_imports_torch(arguments, tmp_path):
    code = (
        f"import sys; sys.argv = ['labeleff', *{arguments!r}]\n"
        "from labeleff.commands.cli import main\n"
        "try: main()\n"
        "except SystemExit as e: assert not e.code, e.code\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_help_names_the_commands_and_exit_statuses(command):
    text = command("--help").stdout
    for word in ("run", "plan", "list", "report", "ask", "Exit status", "130"):
        assert word in text


def test_help_names_every_method_of_curves():
    named = re.findall(r"\w+", METHODS)
    assert [name for name in methods() if name not in named] == []


def test_plan_counts_cells_and_estimates_time(command):
    text = command("plan", "smoke", "--cells").stdout
    assert re.search(r"18 cells and 1 pretrainings, 0 cells measured; about .* on \d+ process", text)
    assert len(re.findall(r"^[0-9a-f]{20} toy/classify", text, re.MULTILINE)) == 18


def test_plan_exports_draws(command, tmp_path):
    done = command("plan", toy_study.write(tmp_path), "--export-draws", tmp_path / "draws")
    assert done.returncode == 0, done.stderr
    lists = sorted(path.name for path in (tmp_path / "draws").rglob("*.txt"))
    assert lists == ["draw0-n20.txt", "draw0-n40.txt", "draw1-n20.txt", "draw1-n40.txt"]


def test_plan_exports_the_lists_that_a_study_reads(called_here, tmp_path):
    """Drawn lists whose draws are exchanged stand for published ones: they come out as they went in."""
    study = toy_study.write(tmp_path)
    assert called_here("plan", study, "--export-draws", tmp_path / "drawn")[0] == 0
    [folder] = (tmp_path / "drawn").iterdir()
    (folder / "manifest.json").unlink()
    for n in (20, 40):
        one, other = (folder / f"draw{draw}-n{n}.txt" for draw in (0, 1))
        texts = one.read_text(), other.read_text()
        one.write_text(texts[1])
        other.write_text(texts[0])
    lists = f"draws_from='{tmp_path}/drawn'"
    assert called_here("plan", study, "--set", lists, "--export-draws", tmp_path / "again")[0] == 0
    for path in folder.glob("*.txt"):
        assert (tmp_path / "again" / folder.name / path.name).read_text() == path.read_text()


def test_list_shows_every_plugin(command):
    text = command("list").stdout
    for name in ("quick", "cifar10-small", "folder/classify", "mobilenet_v2", "rotation", "knn", "prior=10.0"):
        assert name in text
    assert "did you mean 'encoders'" in command("list", "encoder").stderr


def test_run_report_and_rebuild(command, tmp_path):
    study = toy_study.write(tmp_path)
    done = command("run", study, "--out", tmp_path / "out", "--offline")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("report.md")
    assert "rotation/finetune" in done.stdout
    kept = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert {"report.md", "summary.csv", "utility.csv", "throughput.csv"} <= {p.name for p in kept}
    for path in kept:
        if path.name != "records.jsonl":
            path.unlink()
    assert command("report", tmp_path / "out").returncode == 0
    assert {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()} == kept
    text = command("plan", study, "--out", tmp_path / "out").stdout
    assert "16 cells measured" in text


def test_failed_cells_exit_1_and_are_listed(command, tmp_path):
    done = command("run", toy_study.write(tmp_path), "--set", "budget.finetune.lr=1e30")
    assert done.returncode == 1
    assert "8 cells failed:" in done.stderr
    assert "scratch/finetune, n=20, draw 0, seed 0: diverged" in done.stderr
    assert "--retry-failed" in done.stderr
    assert done.stderr.count("diverged") < 8, "one cause is listed once"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "quik"], "did you mean 'quick'"),
        (["run", "smoke", "--set", "rungs=[20,9999]"], "9999 labels asked for"),
        (["run", "smoke", "--set", "encoders=['resnet10']"], "unknown encoder 'resnet10'; did you mean 'resnet"),
        (["run", "smoke", "--device", "tpu"], "expected auto, cpu, cuda"),
        (["run", "smoke", "--device", "cuda:77"], "CUDA devices"),
        (["run", "smoke", "--jobs", "0"], "--jobs"),
        (["run", "smoke", "--out", "FILE/x"], "can't be written"),
        (["run", "cifar10-small", "--offline", "--data-dir", "EMPTY"], "offline"),
        (["report", "EMPTY"], "records.jsonl"),
        (["report", "DAMAGED"], "records.jsonl, line 1: not a record"),
        (["report", "EMPTY", "--target", "140"], "--target: found 140, expected an accuracy in 0..1"),
        (["report", "EMPTY", "--cost-unit", "h"], "--cost-unit: found no --cost-per-label"),
        (["report", "EMPTY", "--metric", "mean_iou"], "--metric: found 'mean_iou', expected TASK=NAME"),
        (["report", "EMPTY", "--out", "FILE"], "--out: FILE is a file, expected a folder"),
        (["report", "EMPTY", "--level", "high"], "--level"),
        (["run", "smoke", "--out", "DAMAGED"], "records.jsonl, line 1: not a record"),
        (["plan", "missing.toml"], "missing.toml: can't be read"),
        (["rnu", "smoke"], "No such command 'rnu'"),
        (["run"], "Missing argument"),
    ],
)
def test_mistakes_exit_2_without_traceback(command, tmp_path, arguments, message):
    (tmp_path / "FILE").write_text("")
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "DAMAGED").mkdir()
    (tmp_path / "DAMAGED" / "records.jsonl").write_text("{broken\n{}\n")
    done = command(*arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_output_folder_is_named(command, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    done = command("run", "smoke", "--out", tmp_path / "locked" / "out")
    assert done.returncode == 2
    assert "locked/out: can't be written: Permission denied" in done.stderr


def processes_of(group):
    """List the processes of a group that still run; zombies don't."""
    listed = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [int(pid) for pid, of, state in rows if int(of) == group and not state.startswith("Z")]


@pytest.mark.parametrize(
    ("number", "whole_group", "status"),
    [(signal.SIGINT, False, 130), (signal.SIGTERM, False, 143), (signal.SIGTERM, True, 143)],
)
def test_interruption_keeps_what_is_finished(command, tmp_path, number, whole_group, status):
    """Schedulers send SIGTERM to the first process alone or to all; no worker stays, no cell is recorded as failed."""
    study = toy_study.write(tmp_path)
    out = tmp_path / "out"
    long = ["--set", "budget.finetune.steps={min=4000, max=4000}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "labeleff", "run", str(study), "--out", str(out), "--jobs", "2", *long],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_interrupts,
        start_new_session=True,
    )
    try:
        wait_for_pretraining(out, process)
        (os.killpg if whole_group else os.kill)(process.pid, number)
        assert process.wait(300) == status
        assert "run the same command to go on" in process.stderr.read()
        for _ in range(3000):  # Python's own resource tracker ends a moment after it
            if not (left := processes_of(process.pid)):
                break
            time.sleep(0.1)
        assert not left
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    content = (out / "records.jsonl").read_bytes()
    assert content.endswith(b"\n")
    assert b'"status":"failed"' not in content


def listen_to_interrupts():
    """A shell's background job ignores SIGINT, and its children inherit that; the tests may run in one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for_pretraining(out, process):
    for _ in range(3000):
        path = out / "records.jsonl"
        if path.exists() and b'"type":"pretraining"' in path.read_bytes():
            return
        assert process.poll() is None
        time.sleep(0.1)
    raise AssertionError("no record came")


def test_a_reader_that_has_enough_is_no_error(tmp_path):
    command = [sys.executable, "-m", "labeleff", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (0, b"")


def test_short_help(called_here):
    assert called_here("run", "-h")[:2] == called_here("run", "--help")[:2]


STUDY = """
name = "x"
tasks = ["toy/classify"]
encoders = ["resnet9"]
arms = ["scratch/finetune", "simclr/linear"]
rungs = [50, 100]
[budget.simclr]
[budget.finetune]
lr = 0.1
batch = 32
steps = { min = 8, max = 8 }
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("", "", "budget.simclr: found an empty table, expected lr, batch and epochs or steps, or a preset: simclr = "),
        ("rungs", "draw = 2\nrungs", "unknown key 'draw'; did you mean 'draws'?"),
        ('"resnet9"', "{ name = 3 }", "found {name = 3}, expected a name or a table"),
        ("[50, 100]", '"50"', "rungs: expected a list, as [50, 200]; found '50'"),
        ("lr = 0.1", "", "budget.finetune.lr: is missing"),
    ],
)
def test_a_study_is_refused_in_its_own_words(called_here, tmp_path, old, new, message):
    text = STUDY.replace(old, new) if old else STUDY
    if "empty" not in message:
        text = text.replace("[budget.simclr]", '[budget]\nsimclr = "short"')
    (tmp_path / "x.toml").write_text(text)
    status, _, errors = called_here("plan", "x.toml")
    assert status == 2
    assert message in errors
    assert "{'" not in errors


def test_a_byte_order_mark_and_a_list_without_brackets(called_here, tmp_path):
    text = STUDY.replace("[budget.simclr]", '[budget]\nsimclr = "short"')
    (tmp_path / "x.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    status, printed, errors = called_here("plan", "x.toml", "--set", "rungs=50, 200")
    assert status == 0, errors
    assert "rungs [50, 200];" in printed


def test_a_limit_that_leaves_too_little_has_a_status_of_its_own(called_here, tmp_path):
    study = toy_study.write(tmp_path)
    status, printed, errors = called_here("run", study, "--jobs", "1", "--time-limit", "0.01s", "--quiet")
    assert status == 4
    assert "stopped by the time limit" in printed
    assert "left too little for any utility" in errors
