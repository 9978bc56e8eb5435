"""Embeddings in numpy's `.npy`, mapped from the disk, and `.npz`, which numpy can't map and which is read once."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import DataError
from labeleff.plugins.tasks.embedding_files.columns import Columns, pickled
from labeleff.plugins.tasks.sources.arrays import Array, Streamed

BLOCK = 2**22
"""Bytes, about, that are decompressed at once."""
BESIDE = ("ids", "labels", "split", "group")
"""Columns that may lie beside `NAME.npy` as `NAME.ids.npy` and so on."""


def read_npy(path: Path) -> Columns:
    """Map the array of a `.npy` file, with those of its ids, labels, split and group from files beside it."""
    columns = {"features": _map(path)}
    for role in BESIDE:
        beside = path.with_name(f"{path.stem}.{role}.npy")
        if beside.exists():
            columns[role] = _map(beside)
    return columns


def _map(path: Path) -> Array:
    """Map one array; a file of objects is refused before anything is unpickled."""
    with path.open("rb") as file:
        _, _, dtype = _header(file)
    if dtype.hasobject:
        raise pickled(str(path))
    array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and type of the array that a file in numpy's format has."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    if version not in {(1, 0), (2, 0), (3, 0)}:
        raise ValueError(f"version {version} of numpy's format")
    shape, columns_first, dtype = read(file)
    return shape, columns_first, dtype


def read_npz(path: Path) -> Columns:
    """Find the arrays of a `.npz` file, each read block by block and only once."""
    columns: dict[str, Array | Streamed] = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.filename.endswith(".npy"):
                columns[info.filename.removesuffix(".npy")] = _column(path, archive, info)
    if not columns:
        raise DataError(f"{path}: found no array, expected one of embeddings (N, dim)")
    return columns


def _column(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array | Streamed:
    with archive.open(info) as file:
        shape, columns_first, dtype = _header(file)
        where = f"{path}, {info.filename.removesuffix('.npy')!r}"
        if dtype.hasobject:
            raise pickled(where)
        size = math.prod(shape) * dtype.itemsize
        if size != info.file_size - file.tell():
            found = f"{info.file_size - file.tell():,} bytes of numbers"
            raise DataError(f"{where}: found {found}, expected {size:,} for {dtype} {shape}")
        if columns_first or not shape or dtype.kind not in "fiu":
            rest = np.frombuffer(file.read(), dtype)
            return rest.reshape(shape, order="F" if columns_first else "C").copy()
    return Streamed(shape, dtype.type, lambda: _blocks(path, info.filename, shape, dtype))


def _blocks(path: Path, member: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Yield the rows of an array in blocks, decompressing it once; its checksum is verified at the end."""
    row = math.prod(shape[1:]) * dtype.itemsize
    rows = max(1, BLOCK // max(row, 1))
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        _header(file)
        for start in range(0, shape[0], rows):
            count = min(rows, shape[0] - start)
            yield np.frombuffer(file.read(count * row), dtype).reshape(count, *shape[1:])
        file.read(1)  # the end, where a wrong checksum is an error
