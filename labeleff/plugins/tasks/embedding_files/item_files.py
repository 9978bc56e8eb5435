"""Embeddings with one file per item: those in a folder, or those that a `manifest.csv` lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import DataError
from labeleff.plugins.tasks.embedding_files.columns import Columns, reading, whole
from labeleff.plugins.tasks.embedding_files.numpy_formats import read_npy
from labeleff.plugins.tasks.embedding_files.tensor_formats import check_vector, read_pt
from labeleff.plugins.tasks.embedding_files.text_format import read_table
from labeleff.plugins.tasks.sources.arrays import Array, Streamed

MANIFEST = "manifest.csv"
PATHS = ("embeddings", "embedding", "path")
"""Names of the column of a manifest with the path of each item's file."""
ITEMS: dict[str, Callable[[Path], Columns]] = {".npy": read_npy, ".pt": read_pt, ".pth": read_pt}
ROWS = 1024
"""Items that are put together at once."""


def read_folder(folder: Path) -> Columns:
    """Find the items of a folder and its subfolders; the id is the path below the folder, without its ending.

    Where the folder has a `manifest.csv`, that says which files there are.
    """
    if (folder / MANIFEST).exists():
        return read_manifest(folder / MANIFEST)
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in ITEMS and path.name[0] != "."]
    if not files:
        raise DataError(f"{folder}: found no file ending in {' or '.join(ITEMS)}, expected one per item")
    ids = [path.relative_to(folder).with_suffix("").as_posix() for path in files]
    return {"features": _stack(files), "ids": np.array(ids, dtype=np.str_)}


def read_manifest(path: Path) -> Columns:
    """Read a table with the columns embeddings (path of the item's file), target, split and, if wanted, id and group.

    Paths are relative to the manifest; without ids a path is the id.
    """
    table = read_table(path)
    name = next((name for name in table.columns if name.lower() in PATHS), None)
    if name is None:
        raise DataError(f"{path}, line 1: found the columns {', '.join(table.columns)}, expected 'embeddings' too")
    cells = table.columns[name]
    for line, cell in zip(table.lines, cells, strict=True):
        file = path.parent / cell
        if not cell or file.suffix.lower() not in ITEMS or not file.is_file():
            expected = f"the path of a file ending in {' or '.join(ITEMS)}"
            raise DataError(f"{path}, line {line}, column {name!r}: found {cell!r}, expected {expected}")
    columns: dict[str, Array | Streamed] = {"features": _stack([path.parent / cell for cell in cells])}
    ids = table.role("ids") if name != "path" else None
    columns["ids"] = np.array(ids[1] if ids else cells, dtype=np.str_)
    for role in ("labels", "split", "group"):
        if found := table.role(role):
            columns[role] = np.array(found[1], dtype=np.str_)
    return columns


def _stack(files: Sequence[Path]) -> Streamed:
    """Stack the items' embeddings as rows; type and length are the first one's."""
    first = _item(files[0])

    def blocks() -> Iterator[NDArray[Any]]:
        for part in _parts(files):
            rows = [_item(file) for file in part]
            for file, row in zip(part, rows, strict=True):
                if row.shape != first.shape or row.dtype != first.dtype:
                    found, expected = f"{row.dtype} {row.shape}", f"{first.dtype} {first.shape} as in {files[0].name}"
                    raise DataError(f"{file}: found {found}, expected {expected}")
            yield np.stack(rows)

    return Streamed((len(files), *first.shape), first.dtype.type, blocks)


def _parts(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    return (files[start : start + ROWS] for start in range(0, len(files), ROWS))


def _item(file: Path) -> Array:
    """Read the embedding of one item: (dim,)."""
    with reading(file, f"the embedding of one item in {file.suffix}"):
        column = ITEMS[file.suffix.lower()](file).get("features")
        if column is None:
            raise DataError(f"{file}: found no tensor or 'features', expected the embedding of one item (dim,)")
        return np.array(check_vector(str(file), whole(file, "features", column)))
