"""Made data in the place of a task's: of its shapes and sizes, there in a moment, nothing to download or render."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from labeleff import catalogue
from labeleff.cell import Spec
from labeleff.data import load_task
from labeleff.errors import DataError
from labeleff.estimate import pool_of, test_of
from labeleff.goal import Goal
from labeleff.goals import CLASSES, Depth, PixelClasses
from labeleff.speeds import SIZE, reads_stories
from labeleff.tensors import Examples, Source, Task

TESTED = 500
"""Test images that are made: a block that is scored at once."""
CLASS_COUNT = 10
"""Classes where the catalogue doesn't say how many."""
BLOCK = 500
"""Different images; more are repetitions of them, which are as fast to compute."""
MADE_STORIES = 3
"""bAbI tasks 1 to so many can be made."""


def stand_in(spec: Spec) -> Task:
    """Made examples in the place of a task's, with as many training examples.

    Images are noise, as zeros would be computed faster, with random labels. Stories are simulated: raises DataError
    for bAbI tasks of which there is no simulation.
    """
    return _stories(spec) if reads_stories(spec) else _images(spec)


def missing_bytes(spec: Spec) -> int:
    """What the test images that aren't made would take: as they are stored, and as they lie on the device."""
    if reads_stories(spec):
        return 0
    return 2 * 3 * int(spec.options.get("size", SIZE)) ** 2 * max(test_of(spec) - TESTED, 0)


def _images(spec: Spec) -> Task:
    plugin = catalogue.lookup("task", spec.name)
    side, classes = int(spec.options.get("size", SIZE)), plugin.classes or CLASS_COUNT
    dice = torch.Generator().manual_seed(0)
    goals: dict[str, Goal] = {"pixel_classes": PixelClasses(), "depth": Depth()}
    goal = goals.get(plugin.goal, CLASSES)

    def repeated(block: Tensor, count: int) -> Tensor:
        return block.repeat(-(-count // len(block)), *[1] * (block.ndim - 1))[:count]

    def made(count: int) -> Examples:
        images = torch.randint(0, 256, (BLOCK, side, side, 3), dtype=torch.uint8, generator=dice)
        return Examples(repeated(images, count), repeated(labels(), count))

    def labels() -> Tensor:
        if goal.name == "pixel_classes":
            return torch.randint(0, classes, (BLOCK, side, side), dtype=torch.uint8, generator=dice)
        if goal.name == "depth":
            return torch.randint(5_000, 20_000, (BLOCK, side, side), dtype=torch.int16, generator=dice)
        return torch.arange(BLOCK) % classes

    names = () if goal.name == "depth" else tuple(str(number) for number in range(classes))
    tested = min(test_of(spec), TESTED)
    return Task(spec.name, made(pool_of(spec)), made(tested), names, "made", goal=goal)


def _stories(spec: Spec) -> Task:
    number = re.fullmatch(r"babi/qa(\d+)", spec.name)
    if number is None or int(number[1]) > MADE_STORIES:
        raise DataError(f"{spec.name}: can't be calibrated: no stories of it can be made, only of babi/qa1 to qa3")
    return load_task(
        catalogue.complete("task", spec.name, {**spec.options, "source": "generated"}),
        Source(Path("unused"), offline=True),
    )
