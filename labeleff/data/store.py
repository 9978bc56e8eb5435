"""Data sets on disk: arrays of known content, checked on every read, written atomically, shared by processes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import lock_descriptor
from numpy.typing import NDArray

from labeleff.errors import DataError, UnwritableError

Array = NDArray[np.uint8]

ORIGIN = "ORIGIN.txt"
"""Beside the arrays: where they came from, in words."""


@dataclass(frozen=True)
class ArrayFile:
    """One uint8 array of a data set, kept as `NAME.npy`: its shape and the SHA-256 of its bytes in C order."""

    name: str
    shape: tuple[int, ...]
    sha256: str


def check_array(array: Array, expected: ArrayFile, where: str) -> None:
    """Raise DataError, beginning with `where`, unless type, shape and bytes are the expected ones."""
    if array.dtype != np.uint8 or array.shape != expected.shape:
        raise DataError(f"{where}: found {array.dtype} {array.shape}, expected uint8 {expected.shape}")
    found = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
    if found != expected.sha256:
        raise DataError(f"{where}: found SHA-256 {found}, expected {expected.sha256}")


def read_arrays(folder: Path, files: Sequence[ArrayFile]) -> tuple[dict[str, Array], str]:
    """The arrays kept in `folder` by name, and where they came from; every byte is checked.

    They are mapped into memory, copy on write, so that processes share one copy. Raises DataError naming the
    first file that is missing, truncated or changed, with what was found and expected.
    """
    arrays = {file.name: _read_array(folder / f"{file.name}.npy", file) for file in files}
    try:
        return arrays, (folder / ORIGIN).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{folder / ORIGIN}: can't be read: {error}") from error


def _read_array(path: Path, expected: ArrayFile) -> Array:
    try:
        array: Array = np.load(path, mmap_mode="c", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: not there") from error
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        size = path.stat().st_size
        raise DataError(f"{path}: found {size:,} bytes, expected a .npy file of uint8 {expected.shape}") from error
    check_array(array, expected, str(path))
    return array


def write_arrays(folder: Path, files: Sequence[ArrayFile], arrays: Mapping[str, Array], origin: str) -> None:
    """Put checked arrays in `folder` in one step, in place of what is there. Hold `locked(folder)` meanwhile."""
    for file in files:
        check_array(arrays[file.name], file, f"{origin}, {file.name}")

    def fill(new: Path) -> None:
        for file in files:
            np.save(new / f"{file.name}.npy", np.ascontiguousarray(arrays[file.name]), allow_pickle=False)
        (new / ORIGIN).write_text(origin + "\n", encoding="utf-8")

    replace_folder(folder, fill)


def replace_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Put what `fill` writes into a new folder in place of `folder`, in one step. Hold `locked(folder)` meanwhile."""
    with scratch_folder(folder) as scratch:
        new = scratch / "new"
        new.mkdir()
        fill(new)
        _sync(new)
        if folder.exists():
            folder.rename(scratch / "old")
        new.rename(folder)


def _sync(folder: Path) -> None:
    """Bring every file of a folder to the disk before the folder gets its name."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until no other process holds `folder`, and hold it. The lock goes with the process that dies."""
    with _writable(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = (folder.parent / f".{folder.name}.lock").open("a")
    with lock:
        with _writable(folder.parent):
            lock_descriptor(lock.fileno())
        yield


@contextlib.contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder`, removed at the end. Hold `locked(folder)` meanwhile.

    What a killed process left there is removed first. An OSError inside counts as a failure to write.
    """
    scratch = folder.parent / f".{folder.name}.unfinished"
    with _writable(folder.parent):
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Turn a failure to write below `folder` into an UnwritableError that says what to do."""
    try:
        yield
    except OSError as error:
        raise UnwritableError(
            f"{folder}: can't be written: {error.strerror or error}; make room or give the folder's owner write "
            "permission, or choose another with --data-dir or LABELEFF_DATA"
        ) from error
