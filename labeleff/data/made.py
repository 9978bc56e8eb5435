"""Arrays that are made once and kept: `.npy` files beside a `SHA256SUMS` (as `sha256sum -c` reads it), checked on
every read, written in one step, shared by processes."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeleff.data import store
from labeleff.errors import DataError, UnwritableError

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


def kept(folder: Path, make: Callable[[], Arrays]) -> Mapping[str, Array]:
    """The arrays kept in `folder`; `make` is called where they aren't there, and again where a byte has changed.

    They are mapped into memory, copy on write. Where the folder can't be written they are made and not kept. Errors of
    `make` go to the caller, and then nothing is kept.
    """
    try:
        return _read(folder)
    except DataError as problem:
        if folder.exists():
            log.warning("%s; making it again", problem)
    made: Arrays | None = None
    try:
        with store.locked(folder):
            if folder.exists() and not _damaged(folder):  # another process made it while this one waited
                return _read(folder)
            made = make()
            store.replace_folder(folder, lambda new: _write(new, made or {}))
    except UnwritableError as problem:
        log.warning("%s; what was made is not kept", problem)
        return {name: _whole(array) for name, array in (make() if made is None else made).items()}
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
    """Every array that the list of sums names; DataError naming the first file that is missing or changed."""
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
