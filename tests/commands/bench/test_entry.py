"""`labeleff bench` as a process: its files and its exit status."""

import json
import os
import signal
import subprocess
import time

import pytest

TINY = "resnet9:width=0.0625,dim=16"


def test_all_parts_of_a_tiny_encoder(command, tmp_path):
    words = ("--quick", "--encoder", TINY, "--batch", 4, "--pack", 1, "--pack", 2, "--device", "cpu")
    done = command("bench", *words, "--precision", "fp32", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "first step" in done.stdout
    table = json.loads((tmp_path / "out" / "bench.json").read_text())
    outcomes = table["labeleff"]["outcomes"]
    parts = [(one["work"]["part"], one["work"]["pack"]) for one in outcomes]
    assert parts == [("rotation", 1), ("finetune", 1), ("finetune", 2), ("joint", 1), ("joint", 2), ("evaluation", 1)]
    assert {one["packing"] for one in outcomes if one["work"]["pack"] == 2} == {"grouped"}
    assert all(len(one["rates"]) == 2 and min(one["rates"]) > 0 for one in outcomes)
    assert all(0 < one["example_operations"] * one["rates"][0] / one["product"] < 1 for one in outcomes)
    [cold] = table["labeleff"]["cold"]
    assert 0.1 < cold["imported"][0] < cold["built"][0] < cold["stepped"][0]  # torch was never imported in less
    for name in ("bench.md", "bench.csv"):
        assert "evaluation" in (tmp_path / "out" / name).read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--encoder", "resnet_9"], "did you mean 'resnet9'"),
        (["--precision", "fp8"], "unknown precision 'fp8'"),
        (["--pack", "0"], "--pack 0: expected a number from 1 on"),
        (["--device", "tpu"], "expected auto, cpu, cuda"),
    ],
)
def test_mistakes_are_said_in_a_line(command, tmp_path, words, said):
    done = command("bench", *words, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_of_records_is_left_alone(command, tmp_path):
    (tmp_path / "records.jsonl").write_text("")
    done = command("bench", "--quick", "--out", tmp_path)
    assert done.returncode == 2
    assert "expected a folder for this report alone" in done.stderr


def test_what_was_timed_survives_an_interruption(python_server, tmp_path):
    words = ["--encoder", TINY, "--batch", "16", "--device", "cpu", "--quiet", "--out", str(tmp_path / "out")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*python_server.python(environment), "-m", "labeleff", "bench", *words],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    limit = time.monotonic() + 300  # a loaded machine takes a minute to import torch
    while not (tmp_path / "out" / "bench.json").exists():
        if process.poll() is not None or time.monotonic() > limit:
            process.kill()
            pytest.fail(f"no bench.json, exit status {process.poll()}: {process.communicate()[1]}")
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 143, told
    assert "of 4 timings are in" in told
    json.loads((tmp_path / "out" / "bench.json").read_text())
