"""A study with selected labels as a process: planned, killed with -9, resumed, reported, its labels exported."""

import json
import os
import signal
import subprocess
import time

import pandas as pd

STUDY = """
name = "chosen"
tasks = [{ name = "toy/classify", train = 300, test = 100, size = 16 }]
encoders = [{ name = "resnet9", width = 0.0625, dim = 16 }]
arms = ["scratch/finetune", "rotation/linear"]
selection = ["random", "margin"]
rungs = [20, 40, 80]
draws = 2

[budget.rotation]
lr = 0.05
batch = 32
epochs = 1

[budget.finetune]
lr = 0.05
batch = 16
steps = { min = 8, max = 8 }
"""


def cells(out):
    """All whole cell lines of a folder, by key."""
    path = out / "records.jsonl"
    content = path.read_bytes() if path.exists() else b""
    lines = [json.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]
    return {line["key"]: line for line in lines if line["type"] == "cell"}


def content(out):
    """What must not depend on interruptions: number, labels and what was asked, by key."""
    found = {}
    for key, line in cells(out).items():
        asked = line["asked"]["indices"] if line["asked"] else None
        found[key] = line["status"], line["metrics"]["accuracy"], line["indices_sha256"], asked
    return found


def killed(python, study, out, environment, wanted):
    """Start a run and kill it once so many selected cells are recorded."""
    arguments = [*python, "-m", "labeleff", "run", str(study), "--out", str(out), "--jobs", "2", "--quiet"]
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while process.poll() is None and sum(bool(line["cell"]["selection"]) for line in cells(out).values()) < wanted:
        time.sleep(0.005)
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()  # until it and its workers are gone
    return running


def test_planned_killed_resumed_reported_and_exported(command, python_server, charts, tmp_path):
    study = tmp_path / "chosen.toml"
    study.write_text(STUDY)
    plan = command("plan", study)
    assert plan.returncode == 0, plan.stderr
    assert "rotation/linear@margin" in plan.stdout
    assert "24 cells and 1 pretrainings" in plan.stdout

    straight, out = tmp_path / "straight", tmp_path / "killed"
    run = command("run", study, "--out", straight, "--jobs", "1", "--quiet")
    assert run.returncode == 0, run.stderr
    expected = content(straight)
    assert {status for status, *_ in expected.values()} == {"ok"}

    environment = os.environ | {"LABELEFF_CACHE": str(tmp_path / "own-cache"), "OMP_NUM_THREADS": "1"}
    charts(tmp_path / "own-cache")
    python = python_server.python(environment)
    assert killed(python, study, out, environment, 1)
    assert killed(python, study, out, environment, 4)
    resumed = command("run", study, "--out", out, "--jobs", "2", "--quiet")
    assert resumed.returncode == 0, resumed.stderr
    assert content(out) == expected
    text = (out / "report.md").read_text()
    assert "## How labels were selected" in text
    assert "scratch/finetune@margin" in set(pd.read_csv(out / "summary.csv")["arm"])

    lists = command("plan", study, "--out", out, "--export-draws", tmp_path / "lists")
    assert "labels selected for rotation/linear@margin: 6 lists" in lists.stdout, lists.stdout + lists.stderr
    [folder] = (tmp_path / "lists").glob("*/*rotation-linear-margin-*")
    small, large = ({*(folder / f"draw1-n{n}-seed0.txt").read_text().split()} for n in (40, 80))
    assert len(large) == 80
    assert small < large
