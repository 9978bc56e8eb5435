"""Scaling of studies on Ray: two nodes against one, and up to ten thousand cells.

    python benchmarks/ray_scaling.py speedup --repeats 3 --out reports/scaling
    python benchmarks/ray_scaling.py waiting --repeats 3 --out reports/scaling
    python benchmarks/ray_scaling.py growth --cells 100,300,1000,3000,10000 --out reports/scaling

Nodes of one processor each are started on this machine with `ray start`, each with a cache folder of its own, so that
encoders go from node to node. Cells are real ones of the toy task, trained for one step (`growth`) or for some.

`speedup` runs one study by the local engine in one process, on a cluster of one node and on one of two, in turns;
`speedup.csv` has a row per run. `waiting` does so with cells that wait, as if other machines computed them, and with
four nodes too; `cell_seconds` are what all cells after the first took by their records. `growth` runs studies of more
and more cells on two nodes and reports on them; `growth.csv` has a row per size, and `growth.png` shows it. Seconds are
from the first cell's record to the last one's; `start` is the time before. Memory is the peak of the resident set. All
add to existing files.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csv_rows import append
from ray_nodes import nodes, settle

AXES = """
name = "scaling"
tasks = [{ name = "toy/classify", train = 200, test = 20, size = 16 }]
encoders = [{ name = "resnet9", width = 0.0625, dim = 16 }]
rungs = [20, 30, 40, 60, 80]
draws = 2
seeds = 2
pairing = "zipped"
"""
ROW = """
lr = 0.05
batch = 16
steps = { min = 1, max = 1 }
"""
TRAINED = f"""{AXES}
arms = ["scratch/finetune", "rotation/finetune"]
[budget.rotation]{ROW}
[budget.finetune]{ROW}
"""
WAITING = f"""{AXES}
arms = ["scratch/waiting:fit"]
baseline = "scratch/waiting:fit"
[budget."waiting:fit"]{ROW}
"""
CELLS_A_SEED = 10
SPEEDUP_SEEDS = 8
LENGTHS = {"1 step": 1, "100 steps": 100}
"""Steps of the cells of `speedup`."""
WAIT = "0.5 s of waiting"
"""Name of the cells of waiting.py, which isn't imported: a program with torch starts others with a high memory peak."""
Row = dict[str, object]


@dataclass(frozen=True)
class Outcome:
    """Time and memory of a run, with the seconds before its first cell and from there to its last."""

    cells: int
    start: float
    seconds: float
    cell_seconds: float
    """Wall time of its cells after the first, summed over their records."""
    processor_seconds: float
    megabytes: float
    driver_seconds: float
    """Processor time of the driver, its start and end included."""


def run(words: list[object], folder: Path) -> Outcome:
    """Run a command of the package that measures into `folder`, and watch its records."""
    began, seen = time.perf_counter(), list[float]()
    process = subprocess.Popen([sys.executable, "-m", "labeleff", *map(str, words)], stdout=subprocess.DEVNULL)
    cells = _cells(folder / "records.jsonl")
    ended, clock, processor = False, list[float](), list[float]()
    while not ended:
        done, status, usage = os.wait4(process.pid, os.WNOHANG)
        ended = bool(done)
        for cell in cells:
            if cell is None:
                break
            assert cell["status"] == "ok", cell["reason"]
            seen.append(time.perf_counter() - began)
            clock.append(cell["seconds"])
            processor.append(cell["processor_seconds"])
        time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert not process.returncode, words
    return Outcome(
        cells=len(seen),
        start=seen[0],
        seconds=seen[-1] - seen[0],
        cell_seconds=sum(clock[1:]),
        processor_seconds=sum(processor),
        megabytes=usage.ru_maxrss / 1024,
        driver_seconds=usage.ru_utime + usage.ru_stime,
    )


def _cells(path: Path) -> Iterator[dict[str, Any] | None]:
    """Yield the cells of a file that grows; None where there are no more at the moment."""
    while not path.exists():
        yield None
    with path.open("rb") as file:
        rest = b""
        while True:
            *whole, rest = (rest + file.read()).split(b"\n")
            yield from (json.loads(line) for line in whole if b'"type":"cell"' in line)
            yield None


def command(study: Path, folder: Path, sizes: list[str]) -> list[object]:
    return ["run", study, "--out", folder, "--shard", "1/1", "--quiet", *sizes]


def size_options(seeds: int, steps: int = 1) -> list[str]:
    """Options for a study of `seeds` seeds, whose cells are finetuned for `steps` steps."""
    sizes = [f"seeds={seeds}", f"draws={seeds}"]
    if steps > 1:
        sizes.append(f"budget.finetune.steps={{min={steps}, max={steps}}}")
    return [word for size in sizes for word in ("--set", size)]


def speedup(options: argparse.Namespace, scratch: Path, study: Path) -> None:
    for repeat, (name, steps), count in itertools.product(range(1, options.repeats + 1), LENGTHS.items(), (0, 1, 2)):
        add_run(options.out, scratch, study, name, repeat, count, size_options(SPEEDUP_SEEDS, steps))


def waiting(options: argparse.Namespace, scratch: Path, study: Path) -> None:
    study.write_text(WAITING, encoding="utf-8")
    for repeat, count in itertools.product(range(1, options.repeats + 1), (0, 1, 2, 4)):
        add_run(options.out, scratch, study, WAIT, repeat, count, size_options(2 * SPEEDUP_SEEDS))


def add_run(out: Path, scratch: Path, study: Path, name: str, repeat: int, count: int, sizes: list[str]) -> None:
    """Run a study by the local engine (0 nodes) or on `count` nodes, and add a row to `speedup.csv`."""
    place = scratch / f"{repeat}-{count}-{name}"
    os.environ["LABELEFF_CACHE"] = str(place / "cache")
    if count:
        with nodes(count, 1, place) as address:
            outcome = run([*command(study, place, sizes), *ray_options(address)], place)
    else:
        outcome = run([*command(study, place, sizes), "--jobs", 1], place)
    cells = SPEEDUP_SEEDS * CELLS_A_SEED
    row = {"cell": name, "engine": "ray" if count else "local", "nodes": count or "", "repeat": repeat}
    add(out / "speedup.csv", row | {"cells": cells} | columns(outcome, cells))


def ray_options(address: str) -> list[object]:
    return ["--engine", "ray", "--ray-address", address]


def columns(outcome: Outcome, cells: int) -> Row:
    assert outcome.cells == cells, f"{outcome.cells} of {cells} cells are recorded"
    return {
        "start": f"{outcome.start:.2f}",
        "seconds": f"{outcome.seconds:.2f}",
        "cells_per_second": f"{(cells - 1) / outcome.seconds:.2f}",
        "cell_seconds": f"{outcome.cell_seconds:.2f}",
        "processor_seconds": f"{outcome.processor_seconds:.2f}",
        "driver_processor_seconds": f"{outcome.driver_seconds:.2f}",
        "driver_megabytes": f"{outcome.megabytes:.0f}",
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def growth(options: argparse.Namespace, scratch: Path, study: Path) -> None:
    for cells in options.cells:
        place = scratch / str(cells)
        os.environ["LABELEFF_CACHE"] = str(place / "cache")
        with nodes(2, 1, place) as address:
            outcome = run(
                [*command(study, place, size_options(cells // CELLS_A_SEED, 1)), *ray_options(address)], place
            )
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "labeleff", "report", str(place)], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert not process.returncode
        report: Row = {
            "report_seconds": f"{time.perf_counter() - began:.2f}",
            "report_megabytes": f"{usage.ru_maxrss / 1024:.0f}",
            "records_megabytes": f"{(place / 'records.jsonl').stat().st_size / 1e6:.2f}",
        }
        add(options.out / "growth.csv", {"cells": cells} | columns(outcome, cells) | report)
    draw(options.out)


def add(path: Path, row: Row) -> None:
    print(*row.values(), flush=True)
    append(path, [row])


def draw(folder: Path) -> None:
    """Draw the figure from the table."""
    import matplotlib.pyplot as plt

    with (folder / "growth.csv").open(encoding="utf-8", newline="") as file:
        rows = [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]
    cells = [row["cells"] for row in rows]
    panels = {
        "seconds, from first to last cell": [
            ("clock", [row["seconds"] for row in rows]),
            ("processors, cells", [row["processor_seconds"] for row in rows]),
            ("processor, driver", [row["driver_processor_seconds"] for row in rows]),
        ],
        "seconds": [
            ("start, pretrainings too", [r["start"] for r in rows]),
            ("report", [r["report_seconds"] for r in rows]),
        ],
        "peak memory, MB": [
            ("driver", [row["driver_megabytes"] for row in rows]),
            ("report", [row["report_megabytes"] for row in rows]),
        ],
    }
    figure, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained")
    for axis, (label, series) in zip(axes, panels.items(), strict=True):
        for name, values in series:
            axis.plot(cells, values, "o-", label=name)
        axis.set(xlabel="cells", ylabel=label, ylim=(0, None))
        axis.legend(frameon=False)
    figure.savefig(folder / "growth.png", dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("speedup", "waiting", "growth", "draw"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cells", type=lambda text: [int(one) for one in text.split(",")], default=[100])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.what == "draw":
        return draw(options.out)
    with tempfile.TemporaryDirectory() as folder:
        settle(Path(folder))
        study = Path(folder) / "scaling.toml"
        study.write_text(TRAINED, encoding="utf-8")
        os.environ["PYTHONPATH"] = f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        {"speedup": speedup, "waiting": waiting, "growth": growth}[options.what](options, Path(folder), study)
    return None


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # end the nodes as well
    main()
