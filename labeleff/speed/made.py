"""Tasks of the right shapes, made in a moment: random images and labels, stories of bAbI task 1 from a simulation."""

from __future__ import annotations

from pathlib import Path

import torch

from labeleff import catalogue
from labeleff.data import load_task
from labeleff.device import Compute
from labeleff.loaded import LoadedTask
from labeleff.tensors import Examples, Source, Task

SIDE = 32
"""Pixels a side, as in CIFAR-10."""
CLASSES = tuple(str(number) for number in range(10))


def images(train: int, test: int, compute: Compute) -> LoadedTask:
    """So many images with ten classes; noise, as zeros would be computed faster."""
    dice = torch.Generator().manual_seed(0)

    def made(count: int) -> Examples:
        return Examples(
            torch.randint(0, 256, (count, SIDE, SIDE, 3), dtype=torch.uint8, generator=dice),
            torch.randint(0, len(CLASSES), (count,), generator=dice),
        )

    return LoadedTask(Task("made/classify", made(train), made(test), CLASSES, "generated"), compute.device)


def stories(size: str, compute: Compute) -> LoadedTask:
    """The 10,000 or 1,000 training stories of task 1, from the package's own simulation."""
    spec = catalogue.complete("task", "babi/qa1", {"source": "generated", "size": size})
    return LoadedTask(load_task(spec, Source(Path("unused"), offline=True)), compute.device)
