"""Columns of the reference project's HDF5 files: checks and conversion.

Constants and encodings are those of its preprocessing (Newell & Deng, CVPR 2020, rendering code): images are
(x - mean) / deviation of each channel, in float16; depths are hundredths of a scene unit, cut off at 2.55.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from labeleff.errors import DataError, optional
from labeleff.plugins.tasks.scenes.classes import CLASSES
from labeleff.plugins.tasks.scenes.poses import pose_bins
from labeleff.training import cielab
from labeleff.training.goals.depth import UNIT

Shape = tuple[int | None, ...]
"""Sizes that a dataset must have; None where any will do."""


def shape(path: Path, name: str, kind: str, expected: Shape) -> tuple[int, ...]:
    """Read the shape of a dataset; DataError unless its type is `kind`, such as `float16`, and it fits `expected`."""
    with _open(path) as file, _h5py_errors(path, name):
        if name not in file or not hasattr(file[name], "shape"):
            raise DataError(
                f"{path}: found no dataset {name!r} among {', '.join(sorted(file)) or 'nothing'}, "
                f"expected {name!r} of {_words(kind, expected)}"
            )
        dtype, found = file[name].dtype, tuple(file[name].shape or ())
    fits = len(found) == len(expected) and all(e in {None, f} for f, e in zip(found, expected, strict=True))
    if dtype != np.dtype(kind) or not fits:
        raise DataError(f"{path}, {name}: found {_words(dtype, found)}, expected {_words(kind, expected)}")
    return found


def blocks(path: Path, name: str, first: int, last: int, rows: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield rows `first` to `last` - 1, at most `rows` at once, each block with the number of its first row."""
    with _open(path) as file:
        for start in range(first, last, rows):
            with _h5py_errors(path, name):
                block = file[name][start : min(start + rows, last)]
            yield start, block


@contextlib.contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Open the file; OptionError without h5py, DataError where it isn't a whole HDF5 file."""
    h5py = optional("h5py", f"{path}: HDF5 files need", "hdf5")
    try:
        size = path.stat().st_size
        file = h5py.File(path, "r")
    except FileNotFoundError as error:
        raise DataError(f"{path}: not there; expected an HDF5 file") from error
    except (OSError, RuntimeError, ValueError) as error:
        found = "a folder" if path.is_dir() else f"{size:,} bytes"
        raise DataError(f"{path}: found {found}, expected a whole HDF5 file: {error}") from error
    with file:
        yield file


@contextlib.contextmanager
def _h5py_errors(path: Path, name: str) -> Iterator[None]:
    """Turn what h5py raises for a damaged file into DataError."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}, {name}: can't be read: {error}; is the file whole?") from error


def _words(kind: Any, sizes: Shape) -> str:
    return f"{kind} ({', '.join('any' if size is None else str(size) for size in sizes)})"


NORMALISED = {
    "lab": ((38.44, 3.03, 4.77), (17.42, 9.41, 11.37)),
    "rgb": ((98.12, 89.92, 84.36), (43.95, 42.66, 44.05)),
}
"""Mean and deviation of the channels, the same for all datasets."""
LEVEL = 0.1
"""Largest distance of a level of red, green or blue from an integer; float16 moves it by 0.05 at most."""
HUNDREDTH = round(0.01 / UNIT)
"""Steps of a depth map per hundredth of a scene unit."""
ROTATION = 1e-4
"""Largest distance of a rotation matrix times its transpose from the identity."""

Where = Callable[[int], str]
"""A function from an image's number in a block to its file, dataset and image, for errors."""
Block = NDArray[Any]


@dataclass(frozen=True)
class Column:
    """One column of a task, out of one dataset."""

    name: str
    """Name in `paper_tasks.Columns`."""
    dataset: str
    kind: str
    """Type of the dataset's numbers."""
    shape: Callable[[int, int], tuple[int, ...]]
    """Shape of the dataset, for N images of R pixels a side."""
    made: type[np.generic]
    """Type of the column's numbers."""
    row: Callable[[int], tuple[int, ...]]
    """Shape of one image's entry, for R pixels a side."""
    convert: Callable[[Block, Where], Block]
    """A function from a block of the dataset to one of the column; raises DataError for impossible values."""


def _refuse(wrong: Block, where: Where, say: Callable[[int], str]) -> None:
    """Raise DataError for the first image (N, ...) with something wrong; `say` gives what was found and expected."""
    for image in np.flatnonzero(wrong.reshape(len(wrong), -1).any(1))[:1]:
        raise DataError(f"{where(int(image))}: {say(int(image))}")


def _images(colours: str, block: Block, where: Where) -> Block:
    """Convert normalised channels (N, 3, R, R) to levels (N, R, R, 3) uint8."""
    _refuse(~np.isfinite(block), where, lambda _: "found a number that isn't finite")
    _refuse((block == 0).all((1, 2, 3)), where, lambda _: "found nothing but 0; was the file's making cut short?")
    mean, deviation = (np.array(numbers)[:, None, None] for numbers in NORMALISED[colours])
    channels = block.astype(np.float64) * deviation + mean
    levels = _levels_of_lab(channels, where) if colours == "lab" else _levels_of_rgb(channels, where)
    return np.ascontiguousarray(levels.transpose(0, 2, 3, 1))


def _levels_of_lab(channels: Block, where: Where) -> Block:
    light = torch.stack(cielab.linear(*torch.from_numpy(channels).unbind(1)), dim=1)
    beyond = ((light < -cielab.GAMUT) | (light > 1 + cielab.GAMUT)).any(1).numpy()

    def say(image: int) -> str:
        colour = channels[image][:, beyond[image]][:, 0]
        found = ", ".join(f"{number:.1f}" for number in colour)
        return f"found the colour ({found}) as L, a, b, which no screen has; is the file in RGB (colours = 'rgb')?"

    _refuse(beyond, where, say)
    levels: Block = cielab.levels(light).numpy()
    return levels


def _levels_of_rgb(channels: Block, where: Where) -> Block:
    levels = np.rint(channels)
    wrong = (np.abs(channels - levels) > LEVEL) | (levels < 0) | (levels > 255)

    def say(image: int) -> str:
        found = channels[image][wrong[image]][0]
        return f"found the level {found:.2f}, expected whole ones in 0..255; is the file in LAB (colours = 'lab')?"

    _refuse(wrong, where, say)
    return levels.astype(np.uint8)


def _classes(block: Block, where: Where) -> Block:
    wrong = (block < 0) | (block >= len(CLASSES))
    _refuse(wrong, where, lambda image: f"found class {block[image]}, expected 0..{len(CLASSES) - 1}")
    return block


def _poses(block: Block, where: Where) -> Block:
    """Convert rotations (N, 3, 3) to pose bins (N,)."""
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(block @ block.transpose(0, 2, 1) - np.eye(3))
        wrong = ~(off < ROTATION).all((1, 2)) | ~(np.linalg.det(block) > 0)
    _refuse(wrong, where, lambda image: f"found {block[image].tolist()}, expected a rotation matrix")
    return pose_bins(torch.from_numpy(block)).numpy()


def _masks(block: Block, where: Where) -> Block:
    """Extract classes (N, R, R) from targets (N, 3, R, R), 0 being the background."""
    _refuse((block == 0).all((1, 2, 3)), where, lambda _: "found nothing but 0; was the file's making cut short?")
    masks = block[:, 1]
    say = f"expected classes 0..{len(CLASSES)} in the second channel"
    _refuse(masks > len(CLASSES), where, lambda image: f"found class {masks[image].max()}, {say}")
    return masks


def _depths(block: Block, where: Where) -> Block:
    """Extract depths (N, R, R) in steps of `UNIT` from targets (N, 3, R, R); 0 is no depth and isn't counted."""
    depths = block[:, 2]
    _refuse((depths == 0).all((1, 2)), where, lambda _: "found no depth over 0 in the third channel")
    return depths.astype(np.int16) * HUNDREDTH


def images(colours: str) -> Column:
    """Return the column of images of a file in `lab` or `rgb`."""
    return Column(
        name="images",
        dataset="data",
        kind="float16",
        shape=lambda count, side: (count, 3, side, side),
        made=np.uint8,
        row=lambda side: (side, side, 3),
        convert=functools.partial(_images, colours),
    )


def _maps(name: str, made: type[np.generic], convert: Callable[[Block, Where], Block]) -> Column:
    return Column(
        name=name,
        dataset="targets",
        kind="uint8",
        shape=lambda count, side: (count, 3, side, side),
        made=made,
        row=lambda side: (side, side),
        convert=convert,
    )


LABELS = {
    "classes": Column("classes", "targets", "int64", lambda count, _: (count,), np.int64, lambda _: (), _classes),
    "poses": Column("poses", "rot_mat", "float64", lambda count, _: (count, 3, 3), np.int64, lambda _: (), _poses),
    "masks": _maps("masks", np.uint8, _masks),
    "depths": _maps("depths", np.int16, _depths),
}
"""Columns of labels by name."""
