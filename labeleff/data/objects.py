"""The four tasks of Newell & Deng (CVPR 2020, section 3) on images of objects, whatever the images were made by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from labeleff.goal import Goal
from labeleff.goals import Classes, Depth, PixelClasses
from labeleff.scenes.classes import CLASSES
from labeleff.scenes.poses import MIRRORED, POSES
from labeleff.tensors import Examples, Task

STRIDE = 8
"""Pixels a side that one label of a dense task stands for, at whose middle it is taken (16x16 labels of a 128-px image,
as in the paper)."""

Columns = Mapping[str, Tensor]
"""What is known of a split's images (N): `images`, and by need `classes` and `poses` (N,) or (N, 1) of the one object
that each shows, `masks` and `depths` (N, S, S)."""


@dataclass(frozen=True)
class Kind:
    """One of the tasks: which column has its labels, what they mean, and the goal for a number of labels a side."""

    labels: str
    classes: tuple[str, ...]
    goal: Callable[[int], Goal]


KINDS = {
    "classify": Kind("classes", tuple(CLASSES), lambda _: Classes()),
    "pose": Kind("poses", POSES, lambda _: Classes(mirror=MIRRORED)),
    "segment": Kind("masks", ("background", *CLASSES), PixelClasses),
    "depth": Kind("depths", ("depth",), Depth),
}


def task(name: str, columns: Callable[[str], Columns], provenance: str) -> Task:
    """The task called `name`, such as `shapes/pose`, on the images that `columns` gives for `train` and `test`."""
    kind = KINDS[name.partition("/")[2]]
    train, test = (_examples(columns(split), kind.labels) for split in ("train", "test"))
    goal = kind.goal(train.images.shape[1] // STRIDE)
    return Task(name, train, test, kind.classes, provenance, goal=goal)


def _examples(columns: Columns, name: str) -> Examples:
    labels = columns[name]
    return Examples(columns["images"], labels[:, 0] if labels.ndim == 2 else labels)
