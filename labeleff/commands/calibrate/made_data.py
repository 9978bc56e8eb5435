"""Made data of the right shapes and sizes: noise as images, simulated stories."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import OptionValue, Spec
from labeleff.errors import DataError
from labeleff.scheduling.job_seconds import classes_of, pool_of, test_of
from labeleff.scheduling.speeds import SIZE, reads_stories
from labeleff.training.examples import Examples, Source, Task, load_task
from labeleff.training.goals.classification import CLASSES
from labeleff.training.goals.depth import Depth
from labeleff.training.goals.interface import Goal
from labeleff.training.goals.segmentation import PixelClasses

TESTED = 500
"""Most test images that are made: a block that is scored at once."""
CLASS_COUNT = 10
"""Number of classes where the catalogue doesn't give it."""
BLOCK = 500
"""Number of different images; more are repetitions of them, which take as long to compute."""
MADE_STORIES = 3
"""Number of the last bAbI task whose stories can be made."""


def stand_in(spec: Spec) -> Task:
    """Make a stand-in for a task, with as many training examples.

    Raises DataError for bAbI tasks that have no simulation.
    """
    return _simulate(spec) if reads_stories(spec) else _images(spec)


def missing_bytes(spec: Spec) -> int:
    """Bytes that the test images that aren't made would take, in main memory and on the device together."""
    if reads_stories(spec):
        return 0
    return 2 * 3 * int(spec.options.get("size", SIZE)) ** 2 * max(test_of(spec) - TESTED, 0)


def _images(spec: Spec) -> Task:
    plugin = lookup.find("task", spec.name)
    side, classes = int(spec.options.get("size", SIZE)), classes_of(spec) or CLASS_COUNT
    generator = torch.Generator().manual_seed(0)
    goals: dict[str, Goal] = {"pixel_classes": PixelClasses(), "depth": Depth()}
    goal = goals.get(plugin.goal, CLASSES)

    def repeat(block: Tensor, count: int) -> Tensor:
        return block.repeat(-(-count // len(block)), *[1] * (block.ndim - 1))[:count]

    def make(count: int) -> Examples:
        return Examples(repeat(noise(BLOCK, side, generator), count), repeat(labels(), count))

    def labels() -> Tensor:
        if goal.name == "pixel_classes":
            return torch.randint(0, classes, (BLOCK, side, side), dtype=torch.uint8, generator=generator)
        if goal.name == "depth":
            return torch.randint(5_000, 20_000, (BLOCK, side, side), dtype=torch.int16, generator=generator)
        return torch.arange(BLOCK) % classes

    names = () if goal.name == "depth" else tuple(str(number) for number in range(classes))
    tested = min(test_of(spec), TESTED)
    return Task(spec.name, make(pool_of(spec)), make(tested), names, "made", goal=goal)


def _simulate(spec: Spec) -> Task:
    number = re.fullmatch(r"babi/qa(\d+)", spec.name)
    if number is None or int(number[1]) > MADE_STORIES:
        raise DataError(f"{spec.name}: can't be calibrated: no stories of it can be made, only of babi/qa1 to qa3")
    return stories(spec.name, spec.options)


def noise(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Make images of noise, uint8 (count, side, side, 3); zeros would be computed faster."""
    return torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, generator=generator)


def images(train: int, test: int) -> Task:
    """Make images of noise in CIFAR-10's shape, all different, with random labels of ten classes."""
    generator = torch.Generator().manual_seed(0)

    def make(count: int) -> Examples:
        return Examples(noise(count, SIZE, generator), torch.randint(0, CLASS_COUNT, (count,), generator=generator))

    names = tuple(str(number) for number in range(CLASS_COUNT))
    return Task("made/classify", make(train), make(test), names, "generated")


def stories(name: str, options: Mapping[str, OptionValue]) -> Task:
    """Make the stories of a bAbI task by the package's own simulation."""
    spec = lookup.complete("task", name, {**options, "source": "generated"})
    return load_task(spec, Source(Path("unused"), offline=True))
