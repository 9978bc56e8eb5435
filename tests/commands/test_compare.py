"""`labeleff compare` as people and programs meet it: output, files, exit status."""

from __future__ import annotations

import csv
import functools
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import factories, run_pairs

from labeleff.records.entries import Conditions


@pytest.fixture
def called(called_here):
    """Call the command in this process; returns its exit status, output and error."""
    return functools.partial(called_here, "compare")


@pytest.fixture
def base():
    return run_pairs.folder(Path("base"), run_pairs.again(1), run_pairs.at_speed(1.0, 1))


@pytest.fixture
def worse():
    return run_pairs.folder(Path("worse"), run_pairs.again(2, -0.06), run_pairs.at_speed(1.0, 2))


def test_the_same_folder_as_a_process(command, base):
    done = command("compare", "base", "base", "--out", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "BASE base: commit –, 2026-01-02 03:04, a processor, 2 cores\n"
        "NEW  base: commit –, 2026-01-02 03:04, a processor, 2 cores\n"
        "same: of 41 numbers 41 same\n"
        "rule 'worse' holds\n"
        "report: out/compare.md\n"
    )
    assert sorted(path.name for path in Path("out").iterdir()) == ["compare.csv", "compare.json", "compare.md"]


def test_a_regression_as_a_process(command, base, worse):
    done = command("compare", "base", "worse")
    assert (done.returncode, done.stderr) == (3, "")
    assert "\nregression: of 41 numbers " in done.stdout
    assert "\n  worse: accuracy[scratch/finetune] " in done.stdout
    assert "\nrule 'worse' fails: accuracy" in done.stdout


def test_what_cant_be_evaluated_as_a_process(command, base):
    fields = factories.run_entry(factories.study()).conditions.model_dump() | {"torch": "2.16"}
    run_pairs.folder(Path("other"), run={"conditions": Conditions(**fields)})
    done = command("compare", "base", "other")
    assert (done.returncode, done.stderr) == (1, "")
    assert "can't be evaluated: no number" in done.stdout
    assert "18 cells refused: torch is 2.15 in BASE and 2.16 in NEW" in done.stdout


def test_help_documents_rules_and_exit_statuses(command):
    text = " ".join(command("compare", "--help").stdout.split())
    for words in ("0 same, better", "1 it can't be evaluated", "2 usage or input error", "3 regression", "point", "@*"):
        assert words in text
    assert "compare" in command("--help").stdout


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], 3),
        (["--fail-on", "accuracy < -0.03"], 3),
        (["--fail-on", "accuracy < -0.2", "--fail-on", "throughput < -5%"], 0),
        (["--fail-on", "accuracy@500[rotation/finetune] < -0.04 point"], 3),
        (["--margin", "accuracy=0.2", "--margin", "utility=50"], 0),
        (["--level", "0.99", "--fail-on", "accuracy worse"], 3),
    ],
)
def test_options_decide(called, base, worse, arguments, status):
    assert called("base", "worse", *arguments)[0] == status


def test_a_gate_of_the_study(called, base):
    of = factories.study(gate={"fail_on": ["accuracy < -0.2"], "margins": {"accuracy": 0.02}})
    run_pairs.folder(Path("gated"), run_pairs.again(2, -0.06), of=of)
    status, output, _ = called("base", "gated")
    assert status == 0
    assert "rule 'accuracy < -0.2' holds" in output
    assert "the studies differ: gate (NEW's counts)" in output
    assert called("base", "gated", "--fail-on", "worse")[0] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["base"], "Missing argument 'NEW'"),
        (
            ["base", "base", "--fail-on", "accuracy > 0"],
            "--fail-on 'accuracy > 0', character 10: found '>', expected <",
        ),
        (["base", "base", "--fail-on", "acc@50 worse"], "rule 'acc@50 worse': unknown quantity 'acc'; did you mean"),
        (
            ["base", "base", "--margin", "accuracy=5%"],
            "--margin, accuracy '5%', character 1: found '5%', expected a plain",
        ),
        (
            ["base", "base", "--noise", "accuracy=5%"],
            "--noise: unknown quantity 'accuracy' (known: memory, throughput, time)",
        ),
        (["base", "base", "--level", "90"], "--level: found 90, expected a probability"),
        (["base", "base", "--out", "base"], "--out: base holds a study's records.jsonl"),
        (["base", "nowhere"], "nowhere/records.jsonl: no run found"),
        (["empty", "base"], "empty/records.jsonl: no run found"),
        (["base", "corrupt"], "corrupt/records.jsonl, line 2: not a record"),
    ],
)
def test_mistakes_exit_2_and_write_nothing(called, base, arguments, message):
    Path("empty").mkdir()
    lines = (base / "records.jsonl").read_text().splitlines()
    Path("corrupt").mkdir()
    Path("corrupt/records.jsonl").write_text("\n".join([lines[0], lines[1][:-9], *lines[2:], ""]))
    before = sorted(map(str, Path().rglob("*")))
    status, output, error = called(*arguments)
    assert (status, output) == (2, "")
    assert message in " ".join(error.split())
    assert sorted(map(str, Path().rglob("*"))) == before


def test_a_torn_last_line_is_a_missing_cell(called, base):
    text = (base / "records.jsonl").read_text()
    Path("torn").mkdir()
    Path("torn/records.jsonl").write_text(text[:-20])
    status, output, _ = called("base", "torn")
    assert status == 1
    assert "not compared: rotation/linear (toy/classify" in output
    assert " at 1,000 labels: 1 cell missing in NEW" in output


def test_files_say_the_same(called, base, worse):
    assert called("base", "worse", "--out", "out")[0] == 3
    document = json.loads(Path("out/compare.json").read_text())
    rows = list(csv.DictReader(io.StringIO(Path("out/compare.csv").read_text())))
    text = Path("out/compare.md").read_text()
    assert (document["overall"], document["status"], document["schema_version"]) == ("regression", 3, 1)
    assert len(rows) == len(document["rows"]) == 41
    for row, item in zip(rows, document["rows"], strict=True):
        assert row["verdict"] == item["verdict"]
        assert float(row["difference"]) == pytest.approx(item["difference"])
        rung = "" if item["n"] is None else f"@{item['n']}"
        assert f"`{item['quantity']}{rung}[{item['arm']}]`" in text
    assert document["rules"][0]["state"] == "fails"
    assert document["rules"][0]["broken_by"]
    assert document["base"]["machine"] == "a processor, 2 cores"


def test_it_never_imports_torch(base):
    code = (
        "import sys; sys.argv = ['labeleff', 'compare', 'base', 'base', '--out', 'out']\n"
        "from labeleff.commands.cli import main\n"
        "try: main()\n"
        "except SystemExit as e: assert not e.code, e.code\n"
        "assert not {'torch', 'matplotlib'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_rehearsal_and_a_changed_study_are_named(called, base):
    run_pairs.folder(Path("smoke"), of=factories.study(smoke=True))
    output = called("base", "smoke")[1]
    assert "the studies differ: smoke False -> True" in output
    assert "rehearsal: the numbers of study known mean nothing" in output


def test_encoders_from_the_cache_are_named(called, base):
    run_pairs.folder(Path("cached"), pretrainings=factories.pretrainings(factories.study(), cached=True))
    line = "1 pretrained encoder of NEW came from the cache: what changed in pretraining doesn't show"
    assert f"not judged: {line}\n" in called("base", "cached", "--out", "out")[1]
    assert f"- {line}\n" in Path("out/compare.md").read_text()
    assert "came from the cache" not in called("cached", "base")[1]
