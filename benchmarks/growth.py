"""Growth of cost with the work, over three decades: does anything cost more than in proportion?

    python benchmarks/growth.py OUT [--rounds 3]

Measured in processor seconds, the sizes in turns: one step of a cell against its labels n; a cell's whole training
against its steps; a run's jobs against its cells; a report against its records. A line is fitted to logarithms: its
slope is 1 where cost is in proportion and 0 where it doesn't depend. At small sizes the fixed cost dominates, so the
last four sizes are fitted by themselves too. Writes `growth.csv`, `growth.json` and `growth.png`.
"""

import argparse
import csv
import json
import math
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy import stats
from torch import nn

from labeleff.catalogue.lookup import complete
from labeleff.execution.draws import LabelRule
from labeleff.execution.job_runner import JobRunner
from labeleff.execution.run_facts import Settings
from labeleff.plugins.encoders.interface import build_encoder, linear_head
from labeleff.plugins.protocols.supervised import Supervised
from labeleff.records.jsonl import read_records
from labeleff.reporting.study_report import build
from labeleff.scheduling.jobs import jobs_for
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.cell import Augment, Budget
from labeleff.study.loading import load_study
from labeleff.training.device import Compute
from labeleff.training.examples import Examples
from labeleff.training.goals.classification import CLASSES
from labeleff.training.images import Normalisation
from labeleff.training.labelled_examples import LabelledExamples
from labeleff.training.loop import train_alone
from labeleff.training.slots import Slot

mpl.use("Agg")
sys.path.append(str(Path(__file__).parent.parent / "tests"))
from support import factories

CPU = Compute(torch.device("cpu"), "fp32")
LEVEL = 0.90
TINY = """
name = "tiny"
tasks = [{ name = "toy/classify", train = 200, test = 100, size = 16 }]
encoders = [{ name = "resnet9", width = 0.0625, dim = 16 }]
arms = ["scratch/finetune"]
baseline = "scratch/finetune"
allow_one_rung = true
rungs = [20]
[budget.finetune]
lr = 0.05
batch = 8
steps = { min = 2, max = 2 }
"""


def silent(*_):
    pass


def training(n, steps):
    """Make a function that trains on n labels for the given number of steps of 16 images, preparation included."""
    random = torch.Generator().manual_seed(n)
    images = torch.randint(0, 256, (n, 16, 16, 3), dtype=torch.uint8, generator=random)
    table = Budget(lr=0.01, batch=16, epochs=1, augment=Augment(crop=2, flip=True))
    encoder = build_encoder(complete("encoder", "resnet9", {"width": 0.0625, "dim": 16}), 0)
    model = nn.Sequential(encoder, linear_head(16, 10, 0))
    examples = Examples(images, torch.arange(n) % 10)
    statistics = Normalisation.of(images[:50])

    def run():
        data = LabelledExamples(examples, CLASSES, statistics, CPU.device, augment=table.augment, seed=0)
        train_alone(Slot(model, data, Supervised(CLASSES), 0), table, steps, CPU, silent)

    return run


def cells(count, folder):
    """Make a function that measures the given number of tiny cells in one process."""
    path = folder / "tiny.toml"
    path.write_text(TINY)
    study = load_study(str(path), [f"draws={count}", f"seeds={count}", "pairing=zipped"])
    options = RunOptions(folder, device="cpu", data=folder, cache=folder / "cache", offline=True)
    runner = JobRunner(Settings(options, "run", LabelRule(study.subset)))
    all_cells = list(study.cells())
    assert len(all_cells) == count
    runner.load(all_cells[0].task)

    def run():
        for job in jobs_for(all_cells, lambda _: False):
            for record in runner.perform(job, silent):
                assert record.status == "ok", record.reason

    return run


def report(records, folder):
    """Write about the given number of records; returns their exact count and a function that reports on them."""
    arms = [f"{pretext}/{protocol}" for pretext in ("scratch", "rotation") for protocol in ("finetune", "linear")]
    rungs = [20, 50, 100, 200, 300, 500, 700, 1000, 1500, 2000][: max(2, math.ceil(records / 40))]
    runs = max(2, round(records / len(arms) / len(rungs)))
    where = folder / f"{records}"
    where.mkdir()
    factories.folder(where, arms=arms, rungs=rungs, draws=runs, seeds=runs, pairing="zipped")
    return len(read_records(where).cells), lambda: build(where)


def timings(sizes, rounds):
    """Measure processor seconds of every size, `rounds` times, the sizes in turns, after a round that doesn't count."""
    times = {size: [] for size in sizes}
    for number in range(rounds + 1):
        for size, run in sizes.items():
            began = time.process_time()
            run()
            if number:
                times[size].append(time.process_time() - began)
    return times


def slope(sizes, seconds):
    """Fit ln seconds against ln size: the slope, and its interval by Student's t."""
    fit = stats.linregress(np.log(sizes), np.log(seconds))
    half = stats.t.ppf((1 + LEVEL) / 2, len(sizes) - 2) * fit.stderr
    return float(fit.slope), [float(fit.slope - half), float(fit.slope + half)]


def questions(folder):
    """Yield what is measured: its name, the axis, and the functions by size."""
    yield "time of 64 steps", "labels n", {n: training(n, 64) for n in (50, 150, 500, 1500, 5000, 15000, 50000)}
    yield "time of a cell", "steps", {steps: training(500, steps) for steps in (2, 6, 20, 60, 200, 600, 2000)}
    yield "time of a run", "cells", {count: cells(count, folder) for count in (1, 3, 10, 30, 100, 300, 1000)}
    yield "time of a report", "records", dict(report(count, folder) for count in (16, 40, 160, 400, 1600, 4000, 16000))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for what, against, sizes in questions(Path(folder)):
            times = timings(sizes, options.rounds)
            middles = [statistics.median(times[size]) for size in sizes]
            over, interval = slope(list(sizes), middles)
            upper, upper_interval = slope(list(sizes)[-4:], middles[-4:])
            row = {"what": what, "against": against, "slope": over, "interval": interval}
            row |= {"upper_slope": upper, "upper_interval": upper_interval, "load_average": os.getloadavg()[0]}
            results.append(row | {"seconds": {str(size): times[size] for size in sizes}})
            print({key: value for key, value in results[-1].items() if key != "seconds"}, flush=True)
            write(options.out, results)


def write(out, results):
    """Write the table, the raw values and the figure."""
    (out / "growth.json").write_text(json.dumps(results, indent=1) + "\n")
    with (out / "growth.csv").open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["what", "against", "size", "processor_seconds"])
        for row in results:
            for size, times in row["seconds"].items():
                lines.writerow([row["what"], row["against"], size, statistics.median(times)])
    figure, panels = plt.subplots(
        1, len(results), figsize=(3.6 * len(results), 3.4), squeeze=False, layout="constrained"
    )
    for panel, row in zip(panels[0], results, strict=True):
        sizes = [int(size) for size in row["seconds"]]
        for number in range(len(next(iter(row["seconds"].values())))):
            panel.plot(sizes, [times[number] for times in row["seconds"].values()], ".", color="0.6")
        panel.plot(sizes, [statistics.median(times) for times in row["seconds"].values()], "o-", color="C0")
        panel.set(xscale="log", yscale="log", xlabel=row["against"], ylabel="processor seconds")
        panel.set_title(
            f"{row['what']}\nslope {row['slope']:.2f}, last four sizes {row['upper_slope']:.2f}", fontsize=9
        )
    figure.savefig(out / "growth.png", dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
