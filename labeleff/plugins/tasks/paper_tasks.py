"""The four tasks of Newell & Deng (CVPR 2020, section 3) on images of any source."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from labeleff.catalogue.declaration import OptionValue
from labeleff.plugins.tasks.scenes.classes import CLASSES
from labeleff.plugins.tasks.scenes.poses import MIRRORED, POSES
from labeleff.training.examples import Examples, Source, Task
from labeleff.training.goals.classification import Classes
from labeleff.training.goals.depth import Depth
from labeleff.training.goals.interface import Goal
from labeleff.training.goals.segmentation import PixelClasses

STRIDE = 8
"""Pixels per side of a label's cell in dense tasks, labelled by its middle (16x16 labels per 128-px image, as in the
paper)."""

Columns = Mapping[str, Tensor]
"""Columns of a split's images (N): `images`, and by need `classes` and `poses` (N,) or (N, 1) of the one object
that each shows, `masks` and `depths` (N, S, S)."""

Images = Callable[[str, Mapping[str, OptionValue], Source], tuple[Callable[[str], Columns], str]]
"""A source of images: (column of labels that a task needs, options, source) to the columns of a split by its name, and
their provenance in words."""
Load = Callable[[Mapping[str, OptionValue], Source], Task]
"""A loader of a task, (options, source) to the task, as the catalogue names it."""


@dataclass(frozen=True)
class Kind:
    """One of the tasks: its column of labels, their meaning, and the goal for a number of labels per side."""

    labels: str
    classes: tuple[str, ...]
    goal: Callable[[int], Goal]


KINDS = {
    # which of the ten classes a single object is of
    "classify": Kind("classes", tuple(CLASSES), lambda _: Classes()),
    # whether that object is upright or to which of four sides it is tipped, on the same images
    "pose": Kind("poses", POSES, lambda _: Classes(mirror=MIRRORED)),
    # the class of the object that a pixel shows, or background
    "segment": Kind("masks", ("background", *CLASSES), PixelClasses),
    # how far away a pixel is, along the camera's axis, on the images of `segment`
    "depth": Kind("depths", ("depth",), Depth),
}


def tasks(name: str, images: Images) -> tuple[Load, Load, Load, Load]:
    """Build the loaders of the four tasks of `KINDS`, in order, on images of one source: `name/classify` etc."""
    classify, pose, segment, depth = (functools.partial(_task, name, kind, images) for kind in KINDS)
    return classify, pose, segment, depth


def _task(name: str, kind: str, images: Images, options: Mapping[str, OptionValue], source: Source) -> Task:
    about = KINDS[kind]
    columns, provenance = images(about.labels, options, source)
    train, test = (_examples(columns(split), about.labels) for split in ("train", "test"))
    goal = about.goal(train.images.shape[1] // STRIDE)
    return Task(f"{name}/{kind}", train, test, about.classes, provenance, goal=goal)


def _examples(columns: Columns, name: str) -> Examples:
    labels = columns[name]
    return Examples(columns["images"], labels[:, 0] if labels.ndim == 2 else labels)
