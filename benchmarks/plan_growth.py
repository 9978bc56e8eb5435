"""Growth of the cost of a plan, and of a run before it trains, with the number of cells.

    python benchmarks/plan_growth.py OUT [--cells 360,720,1440,2880,5760,11520] [--rounds 3]

Studies of two tasks on the same images, four arms and three label counts differ in the number of runs, and so in cells
and pretrainings alike; each is planned with a probe and without. In processor seconds, medians of the rounds, the sizes
in turns: `plan_seconds` are those of `labeleff plan` as a process; the others are those of a run before it trains, in
this process: `jobs_seconds` of the jobs and their order under a time limit, `estimate_seconds` of the estimate of all
jobs, `shards_seconds` of the division into eight parts. Adds rows to `plan_growth.csv`, and draws
`figures/plan_growth.png`.
"""

import argparse
import csv
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from csv_rows import append

from labeleff.execution.pending import cost
from labeleff.scheduling.forecast import estimate_run
from labeleff.scheduling.jobs import jobs_for
from labeleff.scheduling.priority import cell_priorities, jobs_by_turn, order_jobs
from labeleff.scheduling.shards import loads
from labeleff.scheduling.speeds import Speeds
from labeleff.study.loading import load_study

mpl.use("Agg")


BLOCK = 2 * 4 * 3
"""Cells per run."""
STUDY = """
name = "grown"
tasks = ["shapes/classify", "shapes/pose"]
encoders = [{{ name = "resnet9", width = 0.25 }}]
arms = ["scratch/finetune", "rotation/finetune", "vae/finetune", "simclr/finetune"]
rungs = [100, 500, 2000]
draws = {runs}
seeds = {runs}
pairing = "zipped"
{probe}
[budget]
rotation = {{ lr = 0.1, batch = 128, epochs = 10 }}
vae = {{ lr = 0.1, batch = 128, epochs = 10 }}
simclr = {{ lr = 0.1, batch = 128, epochs = 10 }}
finetune = {{ lr = 0.05, batch = 32, steps = {{ min = 100, per_label = 1, max = 400 }} }}
"""
KINDS = ("plan_seconds", "jobs_seconds", "estimate_seconds", "shards_seconds")


def write_study(folder, cells, probe):
    """Write a study of the given number of cells, and return its path."""
    runs, remainder = divmod(cells, BLOCK)
    assert not remainder, f"{cells} isn't a multiple of {BLOCK}"
    path = folder / f"{cells}-{'probe' if probe else 'plain'}.toml"
    path.write_text(STUDY.format(runs=runs, probe="[probe]" if probe else ""))
    return path


def plan_seconds(path, folder):
    """Measure the processor seconds of a whole `labeleff plan`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "labeleff", "plan", str(path), "--out", str(folder / "none")]
    env = os.environ | {"LABELEFF_CACHE": str(folder)}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def start_seconds(path):
    """Measure the processor seconds of a run before it trains, by kind."""
    clocks = [time.process_time()]
    study = load_study(str(path))
    cells = list(study.cells())
    priorities = cell_priorities(cells, lambda _: False, study.arm_of, study.baseline)
    jobs = jobs_by_turn(cells, priorities, lambda some: jobs_for(some, lambda _: False))
    jobs = order_jobs(jobs, priorities, lambda job: cost(job, study, Speeds({})))
    clocks.append(time.process_time())
    estimate_run(jobs, Speeds({}), 8, study)
    clocks.append(time.process_time())
    loads(cells, 8)
    clocks.append(time.process_time())
    return dict(zip(KINDS[1:], np.diff(clocks), strict=True))


def all_seconds(path, folder):
    """Measure all kinds of one study, once."""
    return {"plan_seconds": plan_seconds(path, folder)} | start_seconds(path)


def rows(sizes, rounds, folder):
    """Yield a row per size and per use of a probe, the sizes in turns after a round that doesn't count."""
    paths = {(cells, probe): write_study(folder, cells, probe) for cells in sizes for probe in (False, True)}
    results = {what: [] for what in paths}
    for number in range(rounds + 1):
        for what, path in paths.items():
            seconds = all_seconds(path, folder)
            results[what] += [seconds] if number else []
    for (cells, probe), rounds_of in results.items():
        medians = {kind: f"{statistics.median(one[kind] for one in rounds_of):.4f}" for kind in KINDS}
        pretrainings = len(load_study(str(paths[cells, probe])).pretrainings)
        yield {"cells": cells, "pretrainings": pretrainings, "probe": str(probe).lower()} | medians


def draw(out):
    """Draw the table: seconds against cells, with a line in proportion."""
    with (out / "plan_growth.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    figure, panels = plt.subplots(1, len(KINDS), figsize=(3.2 * len(KINDS), 3.2), layout="constrained")
    for panel, kind in zip(panels, KINDS, strict=True):
        for probe, label in (("false", "no probe"), ("true", "with a probe")):
            points = sorted((int(row["cells"]), float(row[kind])) for row in table if row["probe"] == probe)
            panel.plot(*zip(*points, strict=True), "o-", label=label, markersize=4)
        cells, seconds = points[-1]
        few = points[0][0]
        panel.plot([few, cells], [seconds * few / cells, seconds], ":", color="0.5", label="in proportion")
        panel.set(xscale="log", yscale="log", xlabel="cells", title=kind.removesuffix("_seconds"))
    panels[0].set_ylabel("processor seconds")
    panels[0].legend(fontsize=8)
    (out / "figures").mkdir(exist_ok=True)
    figure.savefig(out / "figures" / "plan_growth.png", dpi=110)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--cells", default="360,720,1440,2880,5760,11520")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sizes = [int(size) for size in options.cells.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        append(options.out / "plan_growth.csv", list(rows(sizes, options.rounds, Path(folder))))
    draw(options.out)


if __name__ == "__main__":
    main()
