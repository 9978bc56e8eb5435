"""HDF5 files, read with suspicion by h5py, an extra: datasets of a known type and shape, a block at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import DataError, OptionError

Shape = tuple[int | None, ...]
"""Sizes that a dataset must have; None where any will do."""


def shape(path: Path, name: str, kind: str, expected: Shape) -> tuple[int, ...]:
    """The shape of a dataset; DataError unless its type is `kind`, such as `float16`, and it fits `expected`."""
    with _opened(path) as file, _reading(path, name):
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
    """Rows `first` up to `last`, without it, at most `rows` at once, each block with the number of its first row."""
    with _opened(path) as file:
        for start in range(first, last, rows):
            with _reading(path, name):
                block = file[name][start : min(start + rows, last)]
            yield start, block


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The open file; OptionError without h5py, DataError where it isn't a whole HDF5 file."""
    try:
        import h5py
    except ImportError as error:
        raise OptionError(
            f"{path}: HDF5 files are read by h5py, which isn't installed; pip install 'labeleff[hdf5]'"
        ) from error
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
def _reading(path: Path, name: str) -> Iterator[None]:
    """What h5py raises where a file's insides are broken, as DataError."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}, {name}: can't be read: {error}; is the file whole?") from error


def _words(kind: Any, sizes: Shape) -> str:
    return f"{kind} ({', '.join('any' if size is None else str(size) for size in sizes)})"
