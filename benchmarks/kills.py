"""Records lost, doubled or changed by runs that are killed at any moment.

    python benchmarks/kills.py --kills 180 --out reports/faults
    python benchmarks/kills.py --kills 20 --workers 2 --out reports/faults

Runs of a tiny study are killed with SIGKILL, the whole process group at once, at moments spread uniformly over the time
that an undisturbed run takes; some runs have two worker processes. A killed run is started again, up to three times,
and killed again; then it is left to finish. Its records must be those of the undisturbed run: no cell lost, none twice,
every number the same to the last digit, every line readable, and records of one start never changed by the next. Runs
are forked from a process that has imported torch, and are a study's only shard, so that they end without a report: all
moments lie in the run itself. Adds to `kills.csv`: one row per kill; `moment` is its share of the run's time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import torch
import torch._dynamo
import torchvision  # noqa: F401
from csv_rows import append

import labeleff.execution.launch  # imported here, once, for all runs
import labeleff.reporting.study_report  # noqa: F401
from labeleff.commands.cli import main

STUDY = """
name = "killed"
tasks = [{ name = "toy/classify", train = 200, test = 100, size = 16 }]
encoders = [{ name = "resnet9", width = 0.0625, dim = 16 }]
arms = ["scratch/finetune", "rotation/finetune", "rotation/linear", "rotation/knn"]
rungs = [20, 40]
draws = 2
seeds = 2
pairing = "zipped"

[budget.rotation]
lr = 0.05
batch = 32
epochs = 2

[budget.finetune]
lr = 0.05
batch = 32
steps = { min = 8, max = 8 }
"""
STARTS = 3
"""Kills of one folder before it is left to finish."""

Row = dict[str, object]


class Run:
    """A run in a new process group, forked from this process, which has imported all that it needs."""

    def __init__(self, study: Path, place: Path, workers: int, options: Sequence[object] = ()) -> None:
        self._began, self._output, self.status = time.perf_counter(), place / "said.txt", None
        place.mkdir(exist_ok=True)
        words = ["run", study, "--out", place / "out", "--jobs", workers, "--shard", "1/1", "--offline", "--quiet"]
        self.pid = os.fork()
        if not self.pid:
            self._become([*words, *options], place)

    def _become(self, words: list[object], place: Path) -> NoReturn:
        os.setsid()
        output = os.open(self._output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ["LABELEFF_CACHE"] = str(place / "cache")
        sys.argv = ["labeleff", *map(str, words)]
        status = 1
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def wait(self, seconds: float = 600.0) -> bool:
        """Wait until the given number of seconds after its start; returns whether it ended by itself."""
        while self.status is None and time.perf_counter() - self._began < seconds:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.status = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(0.002)
        return self.status is not None

    def kill(self) -> None:
        """Send SIGKILL to all its processes."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has no group of its own yet
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def finish(self) -> tuple[str, float]:
        """Wait for its end; returns its error message, empty where it ended well, and the seconds that it took."""
        ended = self.wait()
        seconds = time.perf_counter() - self._began
        words = self._output.read_text(encoding="utf-8").splitlines()[-1:] or ["no message"]
        return "" if self.status == 0 else words[0] if ended else "no end", seconds


def lines(out: Path) -> tuple[list[bytes], bool]:
    """Read the whole lines of the records, and whether a torn one follows."""
    path = out / "records.jsonl"
    content = path.read_bytes() if path.exists() else b""
    end = content.rfind(b"\n") + 1
    return content[:end].splitlines(), end < len(content)


def numbers(rows: list[bytes]) -> list[tuple[str, str]]:
    """List (key, all numbers of the experiment) of every cell and pretraining, as often as it is recorded."""
    entries = [json.loads(line) for line in rows]
    names = ("status", "metrics", "indices_sha256", "encoder_sha256", "test_count")
    return [
        (entry["key"], json.dumps({name: entry.get(name) for name in names}))
        for entry in entries
        if entry["type"] in {"cell", "pretraining"}
    ]


def verdict(before: list[bytes], out: Path, expected: dict[str, str], complaint: str) -> str:
    """Judge a folder after its run was left to finish: `exact`, or what is wrong."""
    after, torn = lines(out)
    found = numbers(after)
    cells = [json.loads(line)["key"] for line in after if json.loads(line)["type"] == "cell"]
    if complaint:
        return f"the resumed run failed: {complaint}"
    if torn or after[: len(before)] != before:
        return "what was recorded has changed"
    if len(set(cells)) < len(cells):
        return f"{len(cells) - len(set(cells))} cells twice"
    if missing := expected.keys() - dict(found).keys():
        return f"{len(missing)} records lost"
    return "exact" if dict(found) == expected else "other numbers"


def chain(place: Path, study: Path, workers: int, seconds: float, chance: random.Random) -> Iterator[Row]:
    """Kill a folder's run up to three times, and yield a row per kill; the verdict comes later."""
    for attempt in range(1, STARTS + 1):
        moment = chance.uniform(0, seconds)
        run = Run(study, place, workers)
        if run.wait(moment):
            return  # it was faster than the kill
        run.kill()
        found, torn = lines(place / "out")
        cells = sum(b'"type":"cell"' in line for line in found)
        yield {
            "workers": workers,
            "start": attempt,
            "moment": f"{moment / seconds:.3f}",
            "records": len(found),
            "cells": cells,
            "torn": int(torn),
        }


def folders(study: Path, scratch: Path, kills: int, workers: int, chance: random.Random) -> Iterator[list[Row]]:
    """Kill runs the given number of times, and yield the rows of each folder, one per kill, with its verdict."""
    (scratch / "plain").mkdir(parents=True)
    complaint, seconds = Run(study, scratch / "plain", workers).finish()
    assert not complaint, complaint
    expected = dict(numbers(lines(scratch / "plain" / "out")[0]))
    durations, number = [seconds], 0
    while kills:
        number += 1
        place = scratch / str(number)
        rows = list(itertools.islice(chain(place, study, workers, statistics.median(durations[-5:]), chance), kills))
        before = lines(place / "out")[0]
        complaint, seconds = Run(study, place, workers).finish()
        outcome = verdict(before, place / "out", expected, complaint)
        if not rows:
            durations.append(seconds)
        kills -= len(rows)
        yield [row | {"verdict": outcome} for row in rows]
        shutil.rmtree(place)


def measure() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance, rows = random.Random(options.seed), list[Row]()
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "killed.toml"
        study.write_text(STUDY, encoding="utf-8")
        for found in folders(study, Path(folder), options.kills, options.workers, chance):
            rows += found
            append(options.out / "kills.csv", found)
            print(f"{len(rows)} kills, the last folder's:", *map(dict.values, found), flush=True)
    exact = sum(row["verdict"] == "exact" for row in rows)
    print(f"{len(rows)} kills, {exact} of them with exact records after the resume")
    return int(exact < len(rows))


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(measure())
