"""Made data of the right shapes and sizes, there in a moment: noise as images, simulated stories."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import OptionValue, Spec
from labeleff.errors import DataError
from labeleff.scheduling.job_seconds import pool_of, test_of
from labeleff.scheduling.speeds import SIZE, reads_stories
from labeleff.training.examples import Examples, Source, Task, load_task
from labeleff.training.goals.classification import CLASSES
from labeleff.training.goals.depth import Depth
from labeleff.training.goals.interface import Goal
from labeleff.training.goals.segmentation import PixelClasses

TESTED = 500
"""Test images that are made: a block that is scored at once."""
CLASS_COUNT = 10
"""Classes where the catalogue doesn't say how many."""
BLOCK = 500
"""Different images; more are repetitions of them, which are as fast to compute."""
MADE_STORIES = 3
"""Number of the last bAbI task whose stories can be made."""


def stand_in(spec: Spec) -> Task:
    """Made examples in the place of a task's, with as many training examples.

    Raises DataError for bAbI tasks of which there is no simulation.
    """
    return _simulated(spec) if reads_stories(spec) else _images(spec)


def missing_bytes(spec: Spec) -> int:
    """What the test images that aren't made would take: as they are stored, and as they lie on the device."""
    if reads_stories(spec):
        return 0
    return 2 * 3 * int(spec.options.get("size", SIZE)) ** 2 * max(test_of(spec) - TESTED, 0)


def _images(spec: Spec) -> Task:
    plugin = lookup.find("task", spec.name)
    side, classes = int(spec.options.get("size", SIZE)), plugin.classes or CLASS_COUNT
    dice = torch.Generator().manual_seed(0)
    goals: dict[str, Goal] = {"pixel_classes": PixelClasses(), "depth": Depth()}
    goal = goals.get(plugin.goal, CLASSES)

    def repeated(block: Tensor, count: int) -> Tensor:
        return block.repeat(-(-count // len(block)), *[1] * (block.ndim - 1))[:count]

    def made(count: int) -> Examples:
        return Examples(repeated(noise(BLOCK, side, dice), count), repeated(labels(), count))

    def labels() -> Tensor:
        if goal.name == "pixel_classes":
            return torch.randint(0, classes, (BLOCK, side, side), dtype=torch.uint8, generator=dice)
        if goal.name == "depth":
            return torch.randint(5_000, 20_000, (BLOCK, side, side), dtype=torch.int16, generator=dice)
        return torch.arange(BLOCK) % classes

    names = () if goal.name == "depth" else tuple(str(number) for number in range(classes))
    tested = min(test_of(spec), TESTED)
    return Task(spec.name, made(pool_of(spec)), made(tested), names, "made", goal=goal)


def _simulated(spec: Spec) -> Task:
    number = re.fullmatch(r"babi/qa(\d+)", spec.name)
    if number is None or int(number[1]) > MADE_STORIES:
        raise DataError(f"{spec.name}: can't be calibrated: no stories of it can be made, only of babi/qa1 to qa3")
    return stories(spec.name, spec.options)


def noise(count: int, side: int, dice: torch.Generator) -> Tensor:
    """Images uint8 (count, side, side, 3) of noise, as zeros would be computed faster."""
    return torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, generator=dice)


def images(train: int, test: int) -> Task:
    """Noise of CIFAR-10's shape, no two images alike, with random labels of as many classes."""
    dice = torch.Generator().manual_seed(0)

    def made(count: int) -> Examples:
        return Examples(noise(count, SIZE, dice), torch.randint(0, CLASS_COUNT, (count,), generator=dice))

    names = tuple(str(number) for number in range(CLASS_COUNT))
    return Task("made/classify", made(train), made(test), names, "generated")


def stories(name: str, options: Mapping[str, OptionValue]) -> Task:
    """The stories of a bAbI task from the package's own simulation."""
    spec = lookup.complete("task", name, {**options, "source": "generated"})
    return load_task(spec, Source(Path("unused"), offline=True))
