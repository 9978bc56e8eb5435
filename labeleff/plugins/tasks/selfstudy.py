"""Data of Newell & Deng (CVPR 2020) as their rendering code writes it, in HDF5.

There is one file of images per dataset. `data` is float16 (N, 3, R, R), normalised by constants that all datasets
share; `targets` is int64 (N,), the classes of single objects, or uint8 (N, 3, R, R), for scenes of several: object,
class and depth of every pixel (exact where R is what was rendered; smaller ones were resized like pictures, with mixed
labels at edges); `rot_mat` is float64 (N, 3, 3).

The first ten twelfths are for training, the eleventh for validation, the last for testing; a shape is in one of them
alone. As in the paper's code at most 5,000 images of the last two are used; where a twelfth has fewer, all of them.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import DataError
from labeleff.plugins.tasks import paper_tasks
from labeleff.plugins.tasks.scenes import poses
from labeleff.plugins.tasks.sources import arrays, selfstudy_hdf5
from labeleff.plugins.tasks.sources.selfstudy_hdf5 import LABELS, Column, images
from labeleff.training import cielab
from labeleff.training.examples import Source

FOLDER = "selfstudy"
TWELFTHS = 12
PIXELS = 1 << 20
"""Pixels converted at once."""


def _images(
    labels: str, options: Mapping[str, OptionValue], source: Source
) -> tuple[Callable[[str], paper_tasks.Columns], str]:
    path, column = source.place(str(options["path"])), LABELS[labels]
    colours = _colours(path) if options["colours"] == "auto" else str(options["colours"])
    both = (images(colours), column)
    count, side = _size(path, both)
    rows = _rows(count, str(options["scored"]), int(options["test"]))

    def columns(split: str) -> paper_tasks.Columns:
        found = {one.name: _column(path, one, colours, rows[split], side, split, source) for one in both}
        if split == "train" and labels == "poses":
            _check_poses(found[labels], f"{path}, {column.dataset}")
        return found

    return columns, f"{path.parent.name}/{path.name}, {colours.upper()}, scored on {options['scored']} images"


classify, pose, segment, depth = paper_tasks.tasks(FOLDER, _images)


def _check_poses(poses: Tensor, where: str) -> None:
    if int(poses.min()) == int(poses.max()):
        raise DataError(
            f"{where}: found one pose in all training images, expected several; choose a dataset whose viewpoint varies"
        )


def _colours(path: Path) -> str:
    """Guess the colours by a file's name, as the paper's code: RGB for data_64.h5 (or where it has `rgb`), else LAB."""
    stem = path.stem.lower()
    return "rgb" if re.fullmatch(r"data_\d+", stem) or re.search(r"(?<![a-z])rgb(?![a-z])", stem) else "lab"


def _size(path: Path, columns: Sequence[Column]) -> tuple[int, int]:
    """Read the number of images and pixels per side; raises DataError unless the columns' datasets are as expected."""
    count, _, side, _ = selfstudy_hdf5.shape(path, "data", "float16", (None, 3, None, None))
    for column in columns:
        selfstudy_hdf5.shape(path, column.dataset, column.kind, column.shape(count, side))
    if count < TWELFTHS:
        raise DataError(f"{path}, data: found {count} images, expected at least {TWELFTHS}, the last for testing")
    stride = paper_tasks.STRIDE if columns[-1].row(side) else 1
    if side < stride or side % stride:
        raise DataError(f"{path}, data: found images of {side} pixels a side, expected a multiple of {stride}")
    return count, side


def _rows(count: int, scored: str, most: int) -> dict[str, tuple[int, int]]:
    """Compute first row and the one after the last of each split; `test` is the one to be scored on."""
    train_end, twelfth = count * 5 // 6, count // TWELFTHS
    first = train_end if scored == "validation" else train_end + twelfth
    return {"train": (0, train_end), "test": (first, first + min(most, twelfth))}


def _column(
    path: Path, column: Column, colours: str, rows: tuple[int, int], side: int, split: str, source: Source
) -> Tensor:
    """Read rows of a column, from the first up to but not including the last, converted or out of the data folder."""
    (first, last), status, name = rows, path.stat(), column.name
    settings = f"{path.resolve()} {status.st_size} {status.st_mtime_ns} {name} {colours} {rows} {_source()}"
    folder = source.folder / FOLDER / f"{path.stem}-{split}-{name}-{hashlib.sha256(settings.encode()).hexdigest()[:12]}"

    def blocks() -> Iterator[NDArray[Any]]:
        for start, block in selfstudy_hdf5.blocks(path, column.dataset, first, last, max(1, PIXELS // side**2)):
            yield column.convert(block, functools.partial(_where, path, column.dataset, start))
            source.progress(start - first + len(block), last - first, f"converting {split} {name}")

    shape = (last - first, *column.row(side))
    return torch.from_numpy(
        arrays.load_or_make(folder, lambda: {name: arrays.Streamed(shape, column.made, blocks)})[name]
    )


def _where(path: Path, dataset: str, start: int, image: int) -> str:
    return f"{path}, {dataset}, image {start + image}"


@functools.cache
def _source() -> str:
    """Compute SHA-256 of the converting code: what other code converted is converted again."""
    code = b"".join(Path(str(of.__file__)).read_bytes() for of in (selfstudy_hdf5, cielab, poses))
    return hashlib.sha256(code).hexdigest()
