"""`cifar10-small` against the same cells by a plain loop, one after another: wall time, and accuracies in pairs.

    python benchmarks/plain_ladder.py OUT [--rungs 50,200,1000,2000] [--epochs 1] [--steps 100] [--jobs 2] [--draws 1]

Both sides measure every arm of the study at some of its rungs, with pretraining cut to `--epochs` and finetuning, where
options, to `--steps`. The plain loop is written as usual: the same network in float32 and NCHW, PIL transforms through
a DataLoader, torch's SGD, one process and one thread; its probes encode the labelled and the test images again in every
cell. CIFAR-10 is taken from LABELEFF_DATA. Writes `plain_ladder.csv` and `plain_ladder.json`, and prints what follows
from them.
"""

import argparse
import csv
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import stats
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision import transforms

from labeleff.catalogue.lookup import complete
from labeleff.execution.draws import LabelRule, choose_labels
from labeleff.files import data_folder
from labeleff.plugins.encoders.interface import build_encoder, linear_head
from labeleff.plugins.protocols import linear
from labeleff.plugins.protocols.interface import LabelledFeatures
from labeleff.records.jsonl import read_records
from labeleff.study.loading import load_study
from labeleff.training.examples import Source, load_task
from labeleff.training.images import Normalisation
from labeleff.training.slots import learning_rates

STUDY = "cifar10-small"
TEST_BLOCK = 500
PRETRAINED_ON = 49_000
"""Images per epoch: `rotation` holds 2 % of them out."""


class Pictures(Dataset):
    """A data set of images through torchvision's transforms; with `turned` the label is a random quarter turn."""

    def __init__(self, images, labels, statistics, augmented=False, turned=False):
        self.images, self.labels, self.turned = images.numpy(), labels, turned
        edge = tuple(statistics.mean.round().int().tolist())
        look = [transforms.RandomCrop(32, padding=4, fill=edge), transforms.RandomHorizontalFlip()] if augmented else []
        scale = transforms.Normalize((statistics.mean / 255).tolist(), (statistics.std / 255).tolist())
        self.look = transforms.Compose([*look, transforms.ToTensor(), scale])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.look(Image.fromarray(self.images[index]))
        if not self.turned:
            return image, int(self.labels[index])
        turn = int(torch.randint(4, ()))
        return torch.rot90(image, turn, (1, 2)), turn


class Endless(Sampler):
    """Whole batches cut from one permutation after the other."""

    def __init__(self, count, batch, steps):
        self.count, self.batch, self.steps = count, batch, steps

    def __iter__(self):
        epochs = math.ceil(self.steps * self.batch / self.count)
        order = torch.cat([torch.randperm(self.count) for _ in range(epochs)])
        return iter(order[: self.steps * self.batch].view(self.steps, self.batch).tolist())


def train(model, pictures, budget, steps):
    """Train by plain SGD for `steps` steps, with decay for matrices alone; returns images per processor second."""
    matrices, vectors = ([p for p in model.parameters() if (p.ndim > 1) == of] for of in (True, False))
    groups = [{"params": matrices, "weight_decay": budget.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=budget.lr, momentum=budget.momentum, nesterov=True)
    loader = DataLoader(pictures, batch_sampler=Endless(len(pictures), budget.batch, steps))
    began = time.process_time()
    model.train()
    for (images, labels), rate in zip(loader, learning_rates(budget, steps), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return steps * budget.batch / (time.process_time() - began)


def outputs(model, pictures):
    """Compute a model's outputs for all pictures."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model(images) for images, _ in DataLoader(pictures, batch_size=TEST_BLOCK)])


class PlainLoop:
    """The cells of a study, one after another."""

    def __init__(self, study, task):
        self.study, self.task, self.spec = study, task, study.encoders[0]
        self.statistics = Normalisation.of(task.train.images)
        self.test = Pictures(task.test.images, task.test.labels, self.statistics)
        self.encoders = {}

    def network(self, pretext, seed):
        """Make a copy of the encoder that a cell starts from."""
        encoder = build_encoder(self.spec, seed)
        if pretext == "rotation":
            encoder.load_state_dict(self.encoders[seed])
        return encoder

    def pretrain(self, seed):
        """Pretrain by rotation on all training images; returns images/s."""
        torch.manual_seed(seed)
        encoder, budget = build_encoder(self.spec, seed), self.study.budget["rotation"]
        pictures = Pictures(self.task.train.images, self.task.train.labels, self.statistics, True, turned=True)
        speed = train(
            nn.Sequential(encoder, linear_head(encoder.dim, 4, seed)), pictures, budget, budget.steps_for(PRETRAINED_ON)
        )
        self.encoders[seed] = encoder.state_dict()
        return speed

    def cell(self, pretext, protocol, n, draw, seed):
        """Measure one cell; returns accuracy on the test split, and images/s of the training."""
        torch.manual_seed(seed)
        rule = LabelRule(self.study.subset)
        chosen = choose_labels(self.task, complete("task", "cifar10/classify", {}), rule, draw, n)
        places = torch.from_numpy(chosen.indices)
        images, labels = self.task.train.images[places], self.task.train.labels[places]
        encoder, speed = self.network(pretext, seed), None
        if protocol == "finetune":
            model = nn.Sequential(encoder, linear_head(encoder.dim, 10, seed))
            budget = self.study.budget["finetune"]
            pictures = Pictures(images, labels, self.statistics, True)
            speed = train(model, pictures, budget, budget.steps_for(n))
            scores = outputs(model, self.test)
        else:
            features = outputs(encoder, Pictures(images, labels, self.statistics))
            options = complete("protocol", "linear", {}).options
            [fitted] = linear.fit([LabelledFeatures(features, labels, 10)], options)
            scores = fitted.predictor(outputs(encoder, self.test))
        return float((scores.argmax(1) == self.task.test.labels).float().mean()), speed


def plain(study, task):
    """Measure all cells by the plain loop; returns accuracies by (pretext, protocol, n, draw, seed), and parts."""
    loop, found, parts = PlainLoop(study, task), {}, []
    for run in range(study.draws):
        began = time.process_time()
        speed = loop.pretrain(run)
        parts.append({"what": "rotation", "n": None, "seconds": time.process_time() - began, "images_s": speed})
        for n in study.rungs:
            for arm in study.arms:
                pretext, protocol = arm.pretext.name, arm.protocol.name
                began = time.process_time()
                accuracy, speed = loop.cell(pretext, protocol, n, run, run)
                found[pretext, protocol, n, run, run] = accuracy
                spent = time.process_time() - began
                parts.append({"what": f"{pretext}/{protocol}", "n": n, "seconds": spent, "images_s": speed})
                print(f"plain {pretext}/{protocol} {n}: {accuracy:.3f} in {spent:.0f} s of the processor", flush=True)
    return found, parts


def ours(words, jobs):
    """Measure the same cells by `labeleff run` with only the data cached; also seconds of wall time and processors."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "labeleff", "run", STUDY, "--out", folder, "--jobs", str(jobs), "--quiet"]
        fresh = {"LABELEFF_CACHE": f"{folder}/cache", "LABELEFF_DATA": str(data_folder(None))}
        began, worked = time.perf_counter(), child_seconds()
        subprocess.run([*command, *words], check=True, env=os.environ | fresh, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began, child_seconds() - worked
        records = read_records(Path(folder))
    found, parts = {}, []
    for one in [*records.pretrainings.values(), *records.cells.values()]:
        part = {"what": "rotation", "n": None, "images_s": None}
        if one.training:
            worked = sum(window.processor_seconds for window in one.training.windows)
            part |= {"seconds": worked, "images_s": one.training.images / worked}
        if one.key in records.cells:
            cell = one.cell
            found[cell.pretext.name, cell.protocol.name, cell.n, cell.draw, cell.seed] = one.metrics["accuracy"]
            part |= {"what": cell.arm, "n": cell.n, "seconds": one.processor_seconds}
        parts.append(part)
    return found, parts, seconds


def child_seconds():
    """Sum the processor seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def whole(parts, study, jobs):
    """Estimate the seconds of the whole study on a quiet machine, from images/s and the other cost per cell."""
    full = load_study(STUDY)
    rotation, finetune = full.budget["rotation"], full.budget["finetune"]
    speed = {what: [p["images_s"] for p in parts if p["what"] == what] for what in {p["what"] for p in parts}}
    frozen = [p["seconds"] for p in parts if p["images_s"] is None]
    total = rotation.steps_for(PRETRAINED_ON) * rotation.batch / np.mean(speed["rotation"])
    images = sum(finetune.steps_for(n) * finetune.batch for n in full.rungs)
    for arm in ("scratch/finetune", "rotation/finetune"):
        rest = [
            p["seconds"] - study.budget["finetune"].steps_for(p["n"]) * finetune.batch / p["images_s"]
            for p in parts
            if p["what"] == arm
        ]
        total += images / np.mean(speed[arm]) + len(full.rungs) * np.mean(rest)
    total += 2 * len(full.rungs) * np.mean(frozen)
    return float(total * full.draws / jobs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    for name, usual in {"rungs": "50,200,1000,2000", "epochs": "1", "jobs": "2", "draws": "1"}.items():
        parser.add_argument(f"--{name}", default=usual)
    parser.add_argument("--steps", help="of finetuning; as the study has them unless given")
    options = parser.parse_args()
    torch.set_num_threads(1)
    words = [f"rungs=[{options.rungs}]", f"draws={options.draws}", f"seeds={options.draws}"]
    words.append(f"budget.rotation.epochs={options.epochs}")
    if options.steps:
        words.append(f"budget.finetune.steps={{ min = {options.steps}, max = {options.steps} }}")
    study = load_study(STUDY, words)
    task = load_task(complete("task", "cifar10/classify", {}), Source(data_folder(None)))
    loads = [os.getloadavg()[0]]
    mine, my_parts, my_seconds = ours([w for word in words for w in ("--set", word)], options.jobs)
    loads.append(os.getloadavg()[0])
    began, worked = time.perf_counter(), time.process_time()
    theirs, their_parts = plain(study, task)
    their_seconds = time.perf_counter() - began, time.process_time() - worked
    loads.append(os.getloadavg()[0])
    write(
        options, study, {"plain": (theirs, their_parts, their_seconds), "labeleff": (mine, my_parts, my_seconds)}, loads
    )


def write(options, study, both, loads):
    """Write the table and the summary."""
    (theirs, their_parts, their_seconds), (mine, my_parts, my_seconds) = both["plain"], both["labeleff"]
    with (options.out / "plain_ladder.csv").open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["pretext", "protocol", "n", "draw", "seed", "labeleff_accuracy", "plain_accuracy"])
        lines.writerows([*key, mine[key], theirs[key]] for key in sorted(theirs))
    gaps = np.array([mine[key] - theirs[key] for key in sorted(theirs)])
    half = stats.t.ppf(0.95, len(gaps) - 1) * gaps.std(ddof=1) / math.sqrt(len(gaps))
    jobs = int(options.jobs)
    full = whole(their_parts, study, 1), whole(my_parts, study, jobs)
    summary = {
        "rungs": study.rungs,
        "draws": study.draws,
        "rotation_epochs": float(options.epochs),
        "finetune_steps": options.steps,
        "cells": len(gaps),
        "jobs": jobs,
        "load_average_before_between_after": loads,
        "plain_seconds": their_seconds[0],
        "labeleff_seconds": my_seconds[0],
        "ratio": their_seconds[0] / my_seconds[0],
        "processor_seconds": {"plain": their_seconds[1], "labeleff": my_seconds[1]},
        "processor_ratio": their_seconds[1] / my_seconds[1],
        "accuracy_difference": gaps.mean(),
        "interval_90": [gaps.mean() - half, gaps.mean() + half],
        "p_value": stats.ttest_1samp(gaps, 0).pvalue,
        "whole_study_extrapolated": {"plain_seconds": full[0], "labeleff_seconds": full[1], "ratio": full[0] / full[1]},
        "parts": {"plain": their_parts, "labeleff": my_parts},
    }
    (options.out / "plain_ladder.json").write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps({key: value for key, value in summary.items() if key != "parts"}, indent=1))


if __name__ == "__main__":
    main()
