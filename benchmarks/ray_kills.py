"""Records lost, doubled or changed by studies on Ray whose workers or driver are killed.

    python benchmarks/ray_kills.py --workers 25 --drivers 25 --out reports/faults
    python benchmarks/ray_kills.py --workers 40 --drivers 25 --busy --out reports/faults

A tiny study runs with `--engine ray` and two places. Either a random worker process is killed with SIGKILL, two in each
run, at moments spread uniformly over the time in which workers have work: the run must finish by itself. With `--busy`
only workers with a job are killed, neither idle ones, which Ray keeps, nor the one that passes on progress. Or the
driver is, at moments spread uniformly over the whole run, and started again, up to three times in one folder; then it
is left to finish. Half of all runs have a cluster of their own, which must end with its driver; half join one, which
stays. The records must be those of the local engine: no cell or pretraining lost, none twice, every number the same to
the last digit, and no earlier line changed. Adds to `ray_kills.csv`, one row per kill, and goes on from its rows:
`moment` is in seconds, `doing` what the killed worker did, and `left` counts processes of a killed driver's own cluster
that were alive after the resumed run.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import csv
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from csv_rows import append
from kills import STARTS, STUDY, Row, Run, lines, numbers, verdict
from ray_nodes import below, lives, nodes, settle, workers

LARGER = ["--set", "draws=4", "--set", "seeds=4", "--set", "budget.finetune.steps={min=100, max=100}"]
"""Options that make work take about as long as Ray's start."""
IDLE = {"starting", "IDLE"}
"""Titles of workers without a job."""
NEWS = {"Board", "Board.take"}
"""Titles of the worker that passes on progress."""
IN_A_RUN = 2
"""Workers killed in one run: a cell may lose two, and is given up at the third."""


@dataclass(frozen=True)
class Usual:
    """Records and times of an undisturbed run."""

    expected: dict[str, str]
    began: float
    """Seconds until a worker has a job."""
    seconds: float


class Place:
    """A folder of runs, and the cluster that they use."""

    def __init__(self, study: Path, folder: Path, address: str | None, head: int) -> None:
        self.folder, self.out = folder, folder / "out"
        self._study, self.address, self._head = study, address, head

    def start(self) -> Run:
        joined = ["--ray-address", self.address] if self.address else []
        return Run(self._study, self.folder, 2, ["--engine", "ray", *joined, *LARGER])

    def workers(self, run: Run) -> dict[int, str]:
        return workers(self._head if self.address else run.pid)

    def row(self, killed: str, start: int, moment: float, doing: str) -> Row:
        found, torn = lines(self.out)
        return {
            "killed": killed,
            "cluster": "joined" if self.address else "own",
            "start": start,
            "moment": f"{moment:.2f}",
            "doing": doing,
            "records": len(found),
            "cells": sum(b'"type":"cell"' in line for line in found),
            "torn": int(torn),
        }

    def verdict(self, before: list[bytes], expected: dict[str, str], complaint: str) -> str:
        outcome = verdict(before, self.out, expected, complaint)
        twice = [
            key for key, times in collections.Counter(k for k, _ in numbers(lines(self.out)[0])).items() if times > 1
        ]
        return outcome if outcome != "exact" or not twice else f"{len(twice)} records twice"


def local(study: Path, folder: Path) -> dict[str, str]:
    """Run the study by the local engine, and return its numbers by key."""
    run = Run(study, folder, 1, LARGER)
    complaint, _ = run.finish()
    assert not complaint, complaint
    return dict(numbers(lines(folder / "out")[0]))


def undisturbed(place: Place, expected: dict[str, str]) -> Usual:
    run, began = place.start(), time.perf_counter()
    while not run.wait(0) and not set(place.workers(run).values()) - IDLE:
        time.sleep(0.05)
    first = time.perf_counter() - began
    complaint, seconds = run.finish()
    assert place.verdict([], expected, complaint) == "exact", complaint
    return Usual(expected, first, seconds)


def worker_kills(place: Place, usual: Usual, kills: int, chance: random.Random, spared: set[str]) -> list[Row]:
    """Kill workers of one run, which is left to finish."""
    moments = sorted(chance.uniform(usual.began, usual.seconds) for _ in range(kills))
    run, rows, before = place.start(), list[Row](), list[bytes]()
    for moment in moments:
        candidates: list[tuple[int, str]] = []
        while not run.wait(moment) and not candidates:
            candidates = sorted(one for one in place.workers(run).items() if one[1] not in spared)
            moment += 0.05
        if not candidates:
            break
        pid, doing = chance.choice(candidates)
        before = lines(place.out)[0]
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            rows.append(place.row("worker", 1, moment, doing))
    complaint, _ = run.finish()
    outcome = place.verdict(before, usual.expected, complaint)
    return [row | {"left": 0, "verdict": outcome} for row in rows]


def driver_kills(place: Place, usual: Usual, kills: int, chance: random.Random) -> list[Row]:
    """Kill the driver up to `kills` times in one folder, and then let it finish."""
    rows, orphans = list[Row](), set[int]()
    for start in range(1, kills + 1):
        moment, run = chance.uniform(0, usual.seconds), place.start()
        if run.wait(moment):
            break  # it was faster than the kill
        orphans |= below(run.pid).keys()
        os.kill(run.pid, signal.SIGKILL)
        os.waitpid(run.pid, 0)
        rows.append(place.row("driver", start, moment, ""))
    before = lines(place.out)[0]
    complaint, _ = place.start().finish()
    outcome, left = place.verdict(before, usual.expected, complaint), sum(map(lives, orphans))
    return [row | {"left": left, "verdict": outcome} for row in rows]


def recorded_kills(path: Path) -> collections.Counter[str]:
    """Count the kills of workers and of drivers in the table."""
    if not path.exists():
        return collections.Counter()
    with path.open(encoding="utf-8", newline="") as file:
        return collections.Counter(row["killed"] for row in csv.DictReader(file))


def measure() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--drivers", type=int, required=True)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    spared = IDLE | NEWS if options.busy else set[str]()
    table = options.out / "ray_kills.csv"
    done, wrong = recorded_kills(table), 0
    chance = random.Random(f"{options.seed}, {done.total()}")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settle(folder)
        study = folder / "killed.toml"
        study.write_text(STUDY, encoding="utf-8")
        expected = local(study, folder / "local")
        address = stack.enter_context(nodes(1, 2))
        usual = {
            one: undisturbed(Place(study, folder / f"plain{one}", one, os.getpid()), expected)
            for one in (None, address)
        }
        print({one: (round(u.began, 1), round(u.seconds, 1)) for one, u in usual.items()}, flush=True)
        for number in range(10_000):
            left = {"worker": options.workers - done["worker"], "driver": options.drivers - done["driver"]}
            if max(left.values()) <= 0:
                break
            joined = address if number % 4 >= 2 else None
            kind = max(left, key=left.__getitem__) if min(left.values()) <= 0 else ("worker", "driver")[number % 2]
            place = Place(study, folder / str(number), joined, os.getpid())
            if kind == "worker":
                rows = worker_kills(place, usual[joined], min(IN_A_RUN, left[kind]), chance, spared)
            else:
                rows = driver_kills(place, usual[joined], min(STARTS, left[kind]), chance)
            done[kind] += len(rows)
            wrong += sum(row["verdict"] != "exact" for row in rows)
            append(table, rows)
            print(f"{done.total()} kills, the last run's:", *(tuple(row.values()) for row in rows), flush=True)
            shutil.rmtree(place.folder)
    return int(wrong > 0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # end the cluster as well
    sys.exit(measure())
