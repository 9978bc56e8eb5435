"""A task made of pictures and labels, wherever they come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from labeleff.catalogue.declaration import OptionValue
from labeleff.plugins.tasks.pictures.decoding import Picture
from labeleff.plugins.tasks.pictures.squares import Fitting, Squares
from labeleff.training.examples import Examples, Source, Task

Labels = NDArray[np.int64]
"""Classes of the pictures of a split, int64 (N,), 0 up to the number of classes - 1."""


@dataclass(frozen=True)
class Part:
    """Pictures of one split, read one by one, with their labels; pictures without labels have none."""

    count: int
    pictures: Iterable[Picture]
    labels: Labels | None = None


@dataclass(frozen=True)
class Origin:
    """A task's name, the classes, and where its pictures come from, in words; `title` is for progress."""

    name: str
    classes: Sequence[str]
    provenance: str
    title: str
    facts: Mapping[str, Any]
    notes: Sequence[str] = ()
    ids: Sequence[str] = ()
    """Names of the training pictures; empty where positions are their names."""


def make_task(origin: Origin, parts: Sequence[Part], options: Mapping[str, OptionValue], source: Source) -> Task:
    """Make a task of pictures: training, test and, where there is a third part, training images without labels.

    Raises DataError as reading does.
    """
    train, test, *more = parts
    squares = Squares(sum(part.count for part in parts), Fitting.of(options))
    for index, picture in enumerate(picture for part in parts for picture in part.pictures):
        squares.put(index, picture)
        source.progress(index + 1, len(squares), f"reading {origin.title}")
    assert train.labels is not None
    assert test.labels is not None
    images = torch.from_numpy(squares.images())
    ends = np.cumsum([part.count for part in parts]).tolist()
    telling = telling_modes(squares.modes[: train.count], train.labels, origin.classes)
    files = _files_in_both(squares.digests[: ends[0]], squares.digests[ends[0] : ends[1]])
    return Task(
        origin.name,
        Examples(images[: ends[0]], torch.from_numpy(train.labels)),
        Examples(images[ends[0] : ends[1]], torch.from_numpy(test.labels)),
        tuple(origin.classes),
        origin.provenance,
        unlabelled=images[ends[1] :] if more else None,
        facts={**squares.facts, **telling, **files, **origin.facts},
        notes=tuple(origin.notes),
        ids=tuple(origin.ids),
    )


def _files_in_both(train: Sequence[bytes], test: Sequence[bytes]) -> dict[str, int]:
    """Number of test pictures that are training pictures byte for byte; nothing for pictures that have no files."""
    known = {digest for digest in train if digest}
    return {"test files in training": sum(digest in known for digest in test)} if known else {}


def telling_modes(modes: Sequence[str], labels: Labels, classes: Sequence[str]) -> dict[str, Any]:
    """Classes by the modes that may tell them: of half of a class at least, and of half of the classes at most."""
    counts: dict[str, Labels] = {}
    for mode in sorted(set(modes)):
        counts[mode] = np.bincount(labels[[m == mode for m in modes]], minlength=len(classes))
    sizes = np.bincount(labels, minlength=len(classes))
    telling = {
        mode: [name for name, number in zip(classes, of, strict=True) if number]
        for mode, of in counts.items()
        if (of / np.maximum(sizes, 1)).max() >= 0.5 and (of > 0).sum() <= (sizes > 0).sum() / 2
    }
    return {"modes of some classes": telling} if telling else {}
