"""The numbers of the course report of December 2021, and why ours may differ.

The report used Keras on a free Colab GPU. Parts: A from scratch on 200 labels of CIFAR-10, B1 rotation pretraining on
49,800 images, B2 finetuning of B1 on the 200 labels, C1 to C3 both heads together with three weightings, bAbI the
memory network on task 1. The backbone of A to C is Keras's MobileNetV2 at 32 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from labeleff.reporting.sections.stories import EPOCHS, NAMES

Unit = Literal["", "epoch", "ms", "s", "min"]

LABELS = 200
CREDITED = 0.1925
"""Test accuracy of B2, which the report takes for the worth of pretraining."""
PRETRAINED_ON = 49_800
"""Images that B1 learned from: all except the labelled ones."""
IMAGES = 50_000
TESTED = 10_000
STORIES = 10_000
RECIPES = {
    "A": "from scratch on 200 labels; batch 64, rate 0.01, 100 epochs",
    "B1": "rotation on the other 49,800 images, each turned once; batch 64, rate 0.01, 50 epochs",
    "B2": "B1 with a new last layer, on 200 labels; batch 64, rate 0.001, 100 epochs",
    "C1": "classes (weight 1) and turns (5) together on all 50,000 images; batch 128, rate 0.01, 20 epochs",
    "C2": "the same, classes 4, turns 1",
    "C3": "the same, both 1",
}
"""Recipes of the parts on images, all with Adam."""
WANTED_EPOCHS = {"A": 100, "B1": 50, "B2": 100, "C1": 20, "C2": 20, "C3": 20, "bAbI": len(EPOCHS)}
"""Epochs that the report trained."""
WEIGHTS = {"C1": (1.0, 5.0), "C2": (4.0, 1.0), "C3": (1.0, 1.0)}
"""Weights of the class loss and the rotation loss. (C3 is headed "3 and 5"; its sums and its text say equal.)"""


@dataclass(frozen=True)
class Printed:
    """One printed number, or a range of them; `ours` names the number to set beside it (see `rows2021.VALUES`)."""

    part: str
    what: str
    value: float | tuple[float, float]
    ours: str
    unit: Unit = ""
    """Unit of the number; empty for shares and losses."""
    why: str = ""
    """Differences of the recipes that are certain, whatever the numbers are."""

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest number printed; equal where one was."""
        return self.value if isinstance(self.value, tuple) else (self.value, self.value)


STEPS = (
    "400 steps here are of 64 images each, while an epoch of the report ends in a step of 8; with such steps part B2 "
    "learns less here, and part A far less than in the report"
)
BATCH_NORM = (
    "Keras's batch-norm keeps 0.999 of its moving statistics a step, so after 400 steps two thirds of them are still "
    "those of the start, and test images are normalised by them"
)
MOVED = (
    "at 0.999 kept a step, two thirds of the batch-norm statistics are still those of the pretraining, of turned "
    "images and of weights that have changed since"
)
HELD_OUT = (
    "theirs is of the 10,000 test images after every epoch; here of training images that were set aside, as test "
    "images are scored once, at the end"
)
ONCE = "theirs is of the test images after every epoch, turned; here of the upright ones, scored once, at the end"
CLASS_0 = "49,800 images without a label are taught to be class 0: 1 - 0.9 * 200 / 50,000 = 0.9964"
CONTINUED = (
    "the report's run went on from weights already trained (its first epoch has 0.7216), it doesn't say which; "
    "here from those of B1"
)
KERAS = (
    "another order of images, and one run each; Keras's start, its Adam and its shorter last step of an epoch were "
    "tested and make no such difference"
)


def _joint(
    part: str,
    rotation: tuple[float, float, float, int],
    losses: tuple[float, float],
    why: str,
) -> tuple[Printed, ...]:
    """Make the rows of part C: rotation accuracies (training, validation, best, its epoch) and validation losses."""
    training, last, best, epoch = rotation
    return (
        Printed(part, "rotation train accuracy", training, "rotation_accuracy", why=why),
        Printed(part, "rotation validation accuracy, last epoch", last, "heldout_rotation_accuracy", why=HELD_OUT),
        Printed(part, "rotation validation accuracy, best epoch", best, "best_rotation_accuracy", why=HELD_OUT),
        Printed(part, "epoch of the best rotation validation accuracy", epoch, "best_rotation_epoch", "epoch"),
        Printed(part, "class train accuracy", 0.9964, "accuracy", why=CLASS_0),
        Printed(part, "class validation accuracy", 0.1, "test_accuracy", why=ONCE),
        Printed(part, "validation rotation loss", losses[0], "heldout_rotation_loss", why=HELD_OUT),
        Printed(part, "validation class loss", losses[1], "test_loss", why=ONCE),
    )


PARTS: Sequence[Printed] = (
    Printed("A", "train accuracy", (0.92, 0.95), "accuracy", why=STEPS),
    Printed("A", "test accuracy", 0.1, "test_accuracy", why=BATCH_NORM),
    Printed("A", "test loss", 2.3085, "test_loss", why=BATCH_NORM),
    Printed("B1", "rotation train accuracy", 0.8729, "accuracy", why=KERAS),
    Printed("B1", "rotation train loss", 0.3379, "loss", why=KERAS),
    Printed("B2", "train accuracy", 0.735, "accuracy", why=STEPS),
    Printed("B2", "train loss", 1.0666, "loss", why=STEPS),
    Printed("B2", "test accuracy", CREDITED, "test_accuracy", why=MOVED),
    Printed("B2", "test loss", 2.7833, "test_loss", why=MOVED),
    *_joint("C1", (0.8487, 0.5758, 0.6615, 19), (3.1002, 10.7449), CONTINUED),
    *_joint("C2", (0.6266, 0.3913, 0.5368, 17), (4.2122, 12.1514), KERAS),
    *_joint("C3", (0.7157, 0.5030, 0.5884, 15), (6.0250, 20.4647), KERAS),
)

_STORIES = {
    "loss": "",
    "accuracy": "",
    "validation_loss": "theirs is of the 1,000 test stories; here of training stories that were set aside",
    "validation_accuracy": "theirs is of the 1,000 test stories; here of training stories that were set aside",
}

BABI: Sequence[Printed] = tuple(
    Printed("bAbI", f"epoch {number}: {name.replace('_', ' ')}", value, f"{name}@{number}", why=_STORIES[name])
    for number, values in enumerate(EPOCHS, start=1)
    for name, value in zip(NAMES, values, strict=True)
)

THROUGHPUT: Sequence[Printed] = (
    Printed("A", "time a step of 64 images", 38, "step_ms", "ms"),
    Printed("A", "scoring 10,000 test images", 5, "test_s", "s"),
    Printed("B1", "time a step of 64 images", (40, 41), "step_ms", "ms"),
    Printed("B1", "an epoch of 49,800 images", 31, "epoch_s", "s"),
    Printed("B2", "time a step of 64 images", (39, 40), "step_ms", "ms"),
    Printed("B2", "scoring 10,000 test images", 6, "test_s", "s"),
    Printed("C2", "time a step of 128 images", 61, "step_ms", "ms"),
    Printed("C2", "an epoch of 50,000 images", 24, "epoch_s", "s"),
    Printed("bAbI", "time a step of 32 stories", (51, 52), "step_ms", "ms"),
    Printed("bAbI", "an epoch of 10,000 stories", 16, "epoch_s", "s", "Keras ran functions eagerly"),
    Printed("all", "all of it together", 54, "minutes", "min"),
)
EPOCH_OF = {"B1": PRETRAINED_ON, "C2": IMAGES, "bAbI": STORIES}
"""Examples per epoch in the report."""

STORY = ("Mary went to the bathroom .", "Sandra moved to the garden .")
QUESTION = "Where is Mary ?"
ANSWER = "garden"
"""Answer of the report's reader, which the report calls correct."""
CORRECT = "bathroom"
