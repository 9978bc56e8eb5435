"""Arrays on disk, checked on every read, written atomically, shared by processes."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import lock_descriptor
from numpy.typing import NDArray

from labeleff.errors import DataError, UnwritableError

ByteArray = NDArray[np.uint8]

ORIGIN = "ORIGIN.txt"
"""File beside the arrays with their provenance in words."""


@dataclass(frozen=True)
class ArrayFile:
    """One uint8 array of a data set, stored as `NAME.npy`: its shape and the SHA-256 of its bytes in C order."""

    name: str
    shape: tuple[int, ...]
    sha256: str


def check_array(array: ByteArray, expected: ArrayFile, where: str) -> None:
    """Raise DataError, beginning with `where`, unless type, shape and bytes are the expected ones."""
    if array.dtype != np.uint8 or array.shape != expected.shape:
        raise DataError(f"{where}: found {array.dtype} {array.shape}, expected uint8 {expected.shape}")
    found = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
    if found != expected.sha256:
        raise DataError(f"{where}: found SHA-256 {found}, expected {expected.sha256}")


def read_arrays(folder: Path, files: Sequence[ArrayFile]) -> tuple[dict[str, ByteArray], str]:
    """Read the arrays in `folder` by name, and their provenance; every byte is checked.

    They are mapped into memory, copy on write, so that processes share one copy. Raises DataError naming the
    first file that is missing, truncated or changed, with what was found and expected.
    """
    arrays = {file.name: _read_array(folder / f"{file.name}.npy", file) for file in files}
    try:
        return arrays, (folder / ORIGIN).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{folder / ORIGIN}: can't be read: {error}") from error


def _read_array(path: Path, expected: ArrayFile) -> ByteArray:
    try:
        array: ByteArray = np.load(path, mmap_mode="c", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: not there") from error
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        size = path.stat().st_size
        raise DataError(f"{path}: found {size:,} bytes, expected a .npy file of uint8 {expected.shape}") from error
    check_array(array, expected, str(path))
    return array


def write_arrays(folder: Path, files: Sequence[ArrayFile], arrays: Mapping[str, ByteArray], origin: str) -> None:
    """Write checked arrays to `folder` in one step, in place of its content. Hold `locked(folder)` meanwhile."""
    for file in files:
        check_array(arrays[file.name], file, f"{origin}, {file.name}")

    def fill(new: Path) -> None:
        for file in files:
            np.save(new / f"{file.name}.npy", np.ascontiguousarray(arrays[file.name]), allow_pickle=False)
        (new / ORIGIN).write_text(origin + "\n", encoding="utf-8")

    replace_folder(folder, fill)


def replace_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Replace `folder` in one step by a new one that `fill` writes. Hold `locked(folder)` meanwhile."""
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
    """Create an empty folder beside `folder`, removed at the end. Hold `locked(folder)` meanwhile.

    What a killed process left in it is removed first. An OSError inside counts as a failure to write.
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


SUMS = "SHA256SUMS"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Streamed:
    """An array that is made block by block, so that it is never whole in memory."""

    shape: tuple[int, ...]
    dtype: type[np.generic]
    blocks: Callable[[], Iterable[NDArray[Any]]]
    """Gives the blocks along the first axis, in order, each time it is called."""


Array = NDArray[Any]
Arrays = Mapping[str, Array | Streamed]


def load_or_make(folder: Path, make: Callable[[], Arrays]) -> Mapping[str, Array]:
    """Read the arrays stored in `folder`; `make` is called where they are missing or a byte has changed.

    They are mapped into memory, copy on write. Where the folder can't be written they are made and not stored. Errors
    of `make` go to the caller, and then nothing is stored.
    """
    try:
        return _read(folder)
    except DataError as problem:
        if folder.exists():
            log.warning("%s; making it again", problem)
    new_arrays: Arrays | None = None
    try:
        with locked(folder):
            if folder.exists() and not _damaged(folder):  # another process made it while this one waited
                return _read(folder)
            new_arrays = make()
            replace_folder(folder, lambda new: _write(new, new_arrays or {}))
    except UnwritableError as problem:
        log.warning("%s; what was made is not kept", problem)
        return {name: _whole(array) for name, array in (make() if new_arrays is None else new_arrays).items()}
    return _read(folder)


def _damaged(folder: Path) -> bool:
    try:
        _read(folder)
    except DataError:
        return True
    return False


def _write(folder: Path, arrays: Arrays) -> None:
    sums = []
    for name, array in arrays.items():
        path = folder / f"{name}.npy"
        if isinstance(array, Streamed):
            _stream(path, array)
        else:
            np.save(path, np.ascontiguousarray(array), allow_pickle=False)
        sums.append(f"{_digest(path)}  {path.name}\n")
    (folder / SUMS).write_text("".join(sums), encoding="ascii")


def _stream(path: Path, array: Streamed) -> None:
    header = {"descr": np.dtype(array.dtype).str, "fortran_order": False, "shape": array.shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in array.blocks():
            file.write(np.ascontiguousarray(block, array.dtype).data)


def _whole(array: Array | Streamed) -> Array:
    return np.concatenate([*array.blocks()]) if isinstance(array, Streamed) else array


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(folder: Path) -> dict[str, Array]:
    """Read every array in the list of sums; raises DataError naming the first file that is missing or changed."""
    try:
        lines = (folder / SUMS).read_text(encoding="ascii").splitlines()
        arrays = {}
        for line in lines:
            expected, _, name = line.partition("  ")
            path = folder / Path(name).name
            found = _digest(path)
            if found != expected:
                raise DataError(f"{path}: found SHA-256 {found}, expected {expected} as {SUMS} says")
            arrays[path.stem] = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{folder}: can't be read: {getattr(error, 'strerror', None) or error}") from error
    except (ValueError, EOFError) as error:
        raise DataError(f"{folder}: found a file that is no array: {error}") from error
    if not arrays:
        raise DataError(f"{folder / SUMS}: found no array, expected lines of a SHA-256 and a file's name")
    return arrays
