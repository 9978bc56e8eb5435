"""`labeleff reproduce report` as a process: interrupted, continued, rebuilt without torch."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from labeleff.commands.cli import app
from labeleff.commands.reproduce import measure2021
from labeleff.commands.reproduce.measure2021 import ReaderAnswer, read_answer, write_answer
from labeleff.commands.reproduce.report2021 import build
from labeleff.commands.reproduce.studies2021 import size
from labeleff.records.jsonl import read_records
from labeleff.scheduling.run_options import RunOptions

SMOKE = ("reproduce", "report", "--size", "smoke", "--offline", "--quiet", "--device", "cpu", "--jobs", "1")
SAYS_TORCH = """import sys
from labeleff.commands.cli import main
try:
    main()
finally:
    print("torch" in sys.modules)
"""


def interrupt(out, python_server):
    """Start the command, and end it with SIGTERM once a cell is recorded; returns its exit status."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*python_server.python(environment), "-m", "labeleff", *SMOKE, "--out", str(out)],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    records = out / "as-published" / "records.jsonl"
    while process.poll() is None and not (records.exists() and b'"type":"cell"' in records.read_bytes()):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    return process.wait()


def test_the_whole_path(command, python_server, tmp_path):
    out = tmp_path / "out"
    assert interrupt(out, python_server) == 143
    before = set(read_records(out / "as-published").cells)
    done = command(*SMOKE, "--out", out, timeout=600)
    assert done.returncode == 0, done.stderr
    lines = (out / "as-published" / "records.jsonl").read_text().splitlines()
    keys = [line for line in lines if '"type":"cell"' in line]
    assert len(keys) == len(read_records(out / "as-published").cells) == 6
    assert before < set(read_records(out / "as-published").cells)
    report = (out / "report.md").read_text()
    assert "Rehearsal" in report
    assert "no number yet" not in report
    for what in (
        "| C3 ",
        "epoch of the best rotation validation accuracy",
        "U(20) =",
        "bathroom",
        "### Utility against",
    ):
        assert what in report
    assert (out / "soundly" / "figures" / "utility-toy-classify-mobilenet-v2.png").exists()
    assert "(soundly/figures/utility-toy-classify-mobilenet-v2.png)" in report
    written = {name: (out / name).read_bytes() for name in ("report.md", "rows.csv")}
    for name in written:
        (out / name).unlink()
    call = [sys.executable, "-c", SAYS_TORCH, "reproduce", "report", "--from", str(out), "--out", str(tmp_path / "b")]
    rebuilt = subprocess.run(call, capture_output=True, text=True, timeout=600)
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert rebuilt.stdout.endswith("report.md\nFalse\n")
    assert {name: (tmp_path / "b" / name).read_bytes() for name in written} == written
    assert not any((out / name).exists() for name in written)
    shutil.rmtree(out / "soundly" / "models")  # as in a folder whose models weren't copied
    again = command(*SMOKE, "--out", out, timeout=600)
    assert again.returncode == 0, again.stderr
    assert {name: (out / name).read_bytes() for name in written} == written
    sound = out / "soundly" / "records.jsonl"
    sound.write_text(sound.read_text().replace('"--size","smoke"', '"--size","small"'))
    sizes = re.findall("^labeleff reproduce report --size (.*?) ", build(out, tmp_path / "c").read_text(), re.MULTILINE)
    assert sizes == ["smoke", "small"]
    assert report.count("\nlabeleff reproduce report --size smoke ") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--size", "smal"), "unknown size 'smal'; did you mean 'small'?"),
        (("--from", "nowhere"), "nowhere: no folder 'as-published' in it"),
    ],
)
def test_mistakes_exit_2(command, arguments, message):
    done = command("reproduce", "report", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_failed_cells_exit_1(tmp_path, monkeypatch):
    monkeypatch.setattr(measure2021, "measure_both", lambda *_: ["soundly: scratch/joint, n=20: out of memory"])
    monkeypatch.setattr("labeleff.commands.reproduce.report2021.build", lambda folder: folder / "report.md")
    done = CliRunner().invoke(app, [*SMOKE, "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "1 cells failed" in done.output
    assert "out of memory" in done.output


def test_both_studies_share_a_time_limit(tmp_path, monkeypatch):
    clock, limits = [100.0], []

    def measured(study, options):
        limits.append((options.folder.name, options.time_limit))
        clock[0] += 40
        return []

    monkeypatch.setattr(measure2021.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr("labeleff.execution.launch.measure", measured)
    monkeypatch.setattr(measure2021, "_ask", lambda _: None)
    for limit in (60.0, 30.0, None):
        options = RunOptions(folder=tmp_path, time_limit=limit)
        assert measure2021.measure_both(size("smoke"), options) == []
    assert limits == [
        *(("as-published", 60.0), ("soundly", 20.0), ("as-published", 30.0)),
        *(("as-published", None), ("soundly", None)),
    ]


def test_answers_are_kept_as_they_were(tmp_path):
    said = ReaderAnswer(story=["a ."], question="b ?", reader="r", answer="x", likeliest=[("x", 1 / 3)])
    assert read_answer(tmp_path) is None
    write_answer(tmp_path, said)
    assert read_answer(tmp_path) == said
