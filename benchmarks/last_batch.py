"""Whether Keras's last batch of an epoch, of the images that are left, explains why the report of 2021 learns less.

    python benchmarks/last_batch.py [--data-dir DIR] [--epochs 50] [--seed 0] [--last kept|dropped] >> FILE

Trains part B1 of `reproduce report` (turns of 49,800 images) with epochs of 778 steps of 64 images, and with `--last
kept` one more of the 8 images that are left; then A and B2 on the other 200 images, where an epoch is 64, 64, 64 and 8
images, or without the 8. Orders, starts and turns of both are the same. Prints one JSON line an epoch of B1, one for A
and one for B2; accuracies are in 0..1, those in training over the images of one epoch, as Keras shows them.
"""

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn

from labeleff.catalogue import lookup
from labeleff.commands.reproduce.studies2021 import KERAS, TURNED_ONCE
from labeleff.files import data_folder
from labeleff.plugins.encoders.interface import build_encoder, linear_head
from labeleff.plugins.pretexts.interface import PretextRun, Unlabelled
from labeleff.seeding import stream_seed
from labeleff.study.cell import Budget
from labeleff.training import hashed_random
from labeleff.training.device import choose, one_core
from labeleff.training.examples import Source, load_task
from labeleff.training.images import Normalisation, ResidentImages
from labeleff.training.loop import train
from labeleff.training.slots import Slot

BATCH, BLOCK = 64, 500
SMALL_EPOCHS = 100
"""Epochs of A and B2."""
NONE = -1
"""Position of no image, in a step that has fewer than others."""


@dataclass
class Epochs:
    """Order of images whose every epoch is whole: its last step has the images that are left, or isn't taken."""

    count: int
    kept: bool

    @property
    def steps(self):
        """Steps of an epoch."""
        return math.ceil(self.count / BATCH) if self.kept else self.count // BATCH

    @property
    def images(self):
        """Images of an epoch."""
        return self.count if self.kept else self.steps * BATCH

    def __call__(self, seed, start, count, device):
        """List samples, NONE where there is none, and epoch 0 for all: every image keeps its turn."""
        width, found = self.steps * BATCH, []
        for epoch in range(start // width, (start + count - 1) // width + 1):
            whole = hashed_random.order(seed, self.count, epoch * self.count, self.count, device)[0][: self.images]
            padded = F.pad(whole, (0, width - self.images), value=NONE)
            found.append(padded[max(start - epoch * width, 0) : start + count - epoch * width])
        samples = torch.cat(found)
        return samples, torch.zeros_like(samples)


@dataclass
class Images:
    """Images of which a step may have fewer than the batch."""

    images: ResidentImages
    count: int = field(init=False)

    def __post_init__(self):
        """Count the images."""
        self.count = self.images.count

    def batch(self, samples, epochs):
        """Make the batch of those samples that are images."""
        there = samples != NONE
        return self.images.batch(samples[there], epochs[there])


@dataclass
class Counted:
    """Cross-entropy of a batch; `told` is called with the number of every epoch that ends and its share correct."""

    order: Epochs
    told: Callable[[int, float], None]
    labels: torch.Tensor | None = None
    """Classes by image; None for turns."""
    correct: list = field(default_factory=list)

    def __call__(self, model, batch):
        """Compute mean loss and number correct."""
        scores = model(batch.images)
        wanted = batch.turns if self.labels is None else self.labels[batch.samples]
        right = (scores.argmax(1) == wanted).sum()
        self.correct.append(int(right))
        epoch, left = divmod(len(self.correct), self.order.steps)
        if not left:
            self.told(epoch, sum(self.correct[-self.order.steps :]) / self.order.images)
        return F.cross_entropy(scores, wanted), right


def fit(run, model, images, objective, lr, epochs):
    """Train a model by the report's budget at a rate."""
    budget = run.budget.model_copy(update={"lr": lr})
    slot = Slot(model, Images(images), objective, run.seed, order=objective.order)
    train([slot], budget, epochs * objective.order.steps, run.compute, run.progress)


def score(run, model, images, labels):
    """Share of images classified correctly, by the moving statistics."""
    model.eval()
    with torch.no_grad():
        batches = images.plain_batches(BLOCK)
        right = sum(int((model(run.compute.arrange(b.images)).argmax(1) == labels[b.samples]).sum()) for b in batches)
    return right / images.count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir")
    parser.add_argument("--epochs", type=int, default=50, help="Epochs of B1; 0: part A alone.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keras", action="store_true", help="Take Keras's start and its Adam as well.")
    parser.add_argument("--last", choices=("kept", "dropped"), default="kept")
    options = parser.parse_args()
    one_core()
    described = {key: value for key, value in KERAS.items() if key != "name"}
    keras = lookup.complete("encoder", "mobilenet_v2", described | ({"init": "glorot"} if options.keras else {}))
    task = load_task(lookup.complete("task", "cifar10/classify", {}), Source(data_folder(options.data_dir)))
    data = Unlabelled(task.train.inputs, Normalisation.of(task.train.inputs))
    how = {"optimizer": "adam", "warmup": 0.0, "schedule": "constant", "eps_hat": 1e-7 if options.keras else None}
    adam = Budget(lr=0.01, batch=BATCH, epochs=options.epochs or 1, **how)
    compute = choose("mobilenet_v2", "fp32", torch.device("cpu"))

    def network(outputs, encoder=None):
        encoder = encoder or build_encoder(keras, options.seed)
        return nn.Sequential(encoder, linear_head(encoder.dim, outputs, stream_seed("head", options.seed)))

    run = PretextRun(
        *("rotation", data, network(4)[0], options.seed, adam),
        *({"holdout": TURNED_ONCE["holdout"]}, compute, lambda *_: None),
    )
    share, what = TURNED_ONCE["holdout"], "{held} of {count} images would be held out"
    trained, held = hashed_random.hold_out(len(data.images), share, run.stream("holdout"), what)
    pictures, small, chosen = data.images[trained], run.resident(data.images[held]), task.train.labels[held]
    test = run.resident(task.test.inputs)
    kept = options.last == "kept"

    def say(part, epoch, accuracy, **more):
        found = {
            "last": options.last,
            "keras": options.keras,
            "seed": options.seed,
            "part": part,
            "epoch": epoch,
            "train_accuracy": accuracy,
        }
        print(json.dumps(found | more), flush=True)

    def classes(part, model, lr):
        shown = []
        fit(
            run,
            model,
            small,
            Counted(Epochs(small.count, kept), lambda *each: shown.append(each), chosen),
            lr,
            SMALL_EPOCHS,
        )
        say(part, *shown[-1], test_accuracy=score(run, model, test, task.test.labels))

    classes("A", network(10), 0.01)
    if options.epochs:
        counted = Counted(Epochs(len(pictures), kept), lambda *each: say("B1", *each))
        fit(run, network(4, run.encoder), run.resident(pictures, rotate=True), counted, 0.01, options.epochs)
        classes("B2", network(10, run.encoder), 0.001)


if __name__ == "__main__":
    main()
