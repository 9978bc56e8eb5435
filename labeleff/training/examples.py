"""Examples, tasks and data sources: the types that plug-ins exchange.

Images are uint8, NHWC, as they are stored; stories int16; labels as the goal says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import PluginError
from labeleff.training import overlap
from labeleff.training.goals.classification import CLASSES
from labeleff.training.goals.interface import Goal
from labeleff.training.vocabulary import TextShape


@dataclass(frozen=True)
class Examples:
    """Labelled images, stories, or items with stored features.

    `inputs`: images uint8 (N, H, W, 3) in 0..255, or stories int16 (N, sentences + 1, length) of word numbers, the
    question in the last row (see `vocabulary.TextShape`). `labels`: classes int64 (N,) in 0..classes-1, or maps as
    large as the images, whose type the task's goal gives (see `goals`).
    """

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return int(self.labels.shape[0])

    @property
    def images(self) -> Tensor:
        """Images (N, H, W, 3), under the name that tasks of images use for `inputs`."""
        return self.inputs


@dataclass(frozen=True)
class StoredFeatures:
    """Features of items in a file: `features` (M, dim) as stored, mapped where possible, and each item's row (N,)."""

    features: NDArray[Any]
    rows: NDArray[np.int64]
    sha256: str
    """SHA-256 of the items' rows in their order."""


@dataclass(frozen=True)
class Task:
    """A data set with its splits. Only the runner sees `test`; pretexts see `train.inputs` alone."""

    name: str
    train: Examples
    test: Examples
    classes: tuple[str, ...]
    """Classes of images or pixels, or the answers of stories; empty for depths. A test story whose answer is none of
    them has a label beyond."""
    provenance: str
    """Where the examples came from, in words for the report, e.g. `generated` or `official archive`."""
    text: TextShape | None = None
    """Vocabulary and sizes of the stories; None for images."""
    goal: Goal = CLASSES
    """Kind of label that a head predicts, and how it is scored."""
    ids: tuple[str, ...] | None = None
    """Ids of the training examples (N,), by which draws are published; None where they have none."""
    features: Mapping[str, StoredFeatures] | None = None
    """Stored features by the name of the encoder that made them; then an input is an item's position, (N, 1)."""
    unlabelled: Tensor | None = None
    """More training images, without labels, for pretexts alone: uint8 (M, H, W, 3); None for none."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What was done to the examples, for the records: numbers, texts, and lists and tables of them."""
    notes: tuple[str, ...] = ()
    """What a user should know before a run starts, such as files that aren't read, as sentences."""

    weak_points: tuple[str, ...] = ()
    """Clauses in Markdown on what weakens numbers measured on these data, each with its kind in bold, no full stop."""

    @property
    def pretext_images(self) -> Tensor:
        """All images that pretexts see: the training images, then those without labels."""
        return self.train.inputs if self.unlabelled is None else torch.cat((self.train.inputs, self.unlabelled))

    @property
    def chance(self) -> float:
        """The headline metric of the best constant answer on the test split, in 0..1."""
        return self.goal.chance(self.test.labels)

    @property
    def outputs(self) -> int:
        """Number of scores that a head gives per image or grid cell."""
        return self.goal.outputs(len(self.classes))

    @property
    def strata(self) -> Tensor:
        """Strata that draws of training labels are balanced over: int64 (N,)."""
        return self.goal.strata(self.train.labels)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over shapes and bytes of the four arrays, the vocabulary of stories, and an unusual goal."""
        digest = hashlib.sha256()
        for array in (self.train.inputs, self.train.labels, self.test.inputs, self.test.labels):
            digest.update(str(tuple(array.shape)).encode())
            digest.update(array.contiguous().numpy().data)
        if self.unlabelled is not None:
            digest.update(f"unlabelled {tuple(self.unlabelled.shape)}".encode())
            digest.update(self.unlabelled.contiguous().numpy().data)
        if self.text is not None:
            digest.update("\n".join((*self.text.vocabulary.words, *self.classes)).encode())
        for name, stored in (self.features or {}).items():
            digest.update(f"{name} {stored.sha256}".encode())
        if self.goal != CLASSES:
            digest.update(repr(self.goal).encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class Source:
    """Context of loading data: folder, network access, progress and device.

    `folder` is the data directory (created when needed); with `offline` nothing may touch the network;
    `progress(done, total, what)` is called with bytes or items done while something long goes on. Rendered data
    are computed on `device`. Relative paths in a study's options are below `base` (see `place`). Without `make` nothing
    is rendered: data that aren't kept from earlier are a DataError.
    """

    folder: Path
    offline: bool = False
    progress: Callable[[int, int, str], None] = lambda *_: None
    device: str = "cpu"
    base: Path = Path()
    """Folder of the study's file; the working directory for studies that come from none."""
    make: bool = True

    def place(self, path: str) -> Path:
        """The whole path of an option's value: `~` is the user's folder, and a relative path is below `base`."""
        return (self.base / Path(path).expanduser()).absolute()


def load_task(spec: Spec, source: Source) -> Task:
    """Load the task named by `spec`, with its images in memory; raises DataError where they can't be had.

    Test examples with a near-duplicate among the training examples are left out where the option says so.
    Grey images (N, H, W, 1) of a plug-in become RGB. Raises PluginError where the task's goal isn't the one in the
    catalogue, and for images of other channels.
    """
    options = lookup.options("task", spec)
    task: Task = lookup.resolve("task", spec.name)(options, source)
    if task.goal.name != (expected := lookup.find("task", spec.name).goal):
        raise PluginError(f"task {spec.label}: its goal is {task.goal.name!r}, but the catalogue says {expected!r}")
    images = task.text is None and task.features is None
    return overlap.handled(_as_rgb(task, spec) if images else task, options)


def _as_rgb(task: Task, spec: Spec) -> Task:
    """The task with three channels; raises PluginError naming it where it has neither one nor three."""
    channels = {int(part.inputs.shape[-1]) for part in (task.train, task.test)}
    if channels == {3}:
        return task
    if channels != {1}:
        found = " and ".join(map(str, sorted(channels)))
        raise PluginError(f"task {spec.label}: found images of {found} channels, expected 3, or 1 for grey")

    def grey(inputs: Tensor) -> Tensor:
        return inputs.expand(-1, -1, -1, 3).contiguous()

    train, test = (replace(part, inputs=grey(part.inputs)) for part in (task.train, task.test))
    return replace(task, train=train, test=test, unlabelled=None if task.unlabelled is None else grey(task.unlabelled))
