"""Embeddings read from any of the formats, by the file's ending."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import DataError, UnknownNameError
from labeleff.plugins.tasks.embedding_files.arrow_formats import read_arrow, read_parquet
from labeleff.plugins.tasks.embedding_files.columns import (
    ROLES,
    Columns,
    Embeddings,
    Said,
    TableColumns,
    as_text,
    check_ids,
    check_numbers,
    dimensions,
    flat,
    guessed_ids,
    item_rank,
    reading,
    unique_texts,
    unused,
    whole,
)
from labeleff.plugins.tasks.embedding_files.item_files import MANIFEST, read_folder, read_manifest
from labeleff.plugins.tasks.embedding_files.numpy_formats import read_npy, read_npz
from labeleff.plugins.tasks.embedding_files.tensor_formats import read_hdf5, read_pt, read_safetensors
from labeleff.plugins.tasks.embedding_files.text_format import read_csv
from labeleff.plugins.tasks.sources.arrays import Array, Streamed

FORMATS: Mapping[str, tuple[str, Callable[[Path], Columns]]] = {
    ".npy": ("an array of numpy", read_npy),
    ".npz": ("arrays of numpy", read_npz),
    ".parquet": ("Parquet", read_parquet),
    ".arrow": ("Arrow", read_arrow),
    ".feather": ("Arrow (Feather 2)", read_arrow),
    ".h5": ("HDF5", read_hdf5),
    ".hdf5": ("HDF5", read_hdf5),
    ".safetensors": ("safetensors", read_safetensors),
    ".pt": ("tensors of torch", read_pt),
    ".pth": ("tensors of torch", read_pt),
    ".csv": ("CSV in UTF-8", read_csv),
    ".tsv": ("CSV in UTF-8", read_csv),
}
"""Formats by the ending of the file: words, and the function that finds the columns."""

_OBJECTS = "Python objects, which aren't unpickled, as that could run any code"
_TEXT = "text, such as word2vec's, which isn't read"
OTHERS = {".pkl": _OBJECTS, ".pickle": _OBJECTS, ".joblib": _OBJECTS, ".txt": _TEXT, ".vec": _TEXT}
"""Endings of files that users have and that aren't read, with what they are."""


def read_embeddings(path: Path, array: str | None = None, ids: str = "") -> Embeddings:
    """Read a file of embeddings, or a folder with one file per item; nothing is unpickled.

    `array` names the array or column of the embeddings where it can't be guessed, `ids` that of the ids in a file that
    has it. Raises DataError where the file is missing, damaged or not what it should be, naming file, array or column,
    row, what was found and expected; OptionError where the package that reads the format isn't installed.
    """
    path = path.expanduser()
    if path.is_dir():
        with reading(path, "a folder with one file per item"):
            return assemble(path, read_folder(path), array, ids)
    if found := OTHERS.get(path.suffix.lower()):
        hint = "save them in Python by numpy.savez('NAME.npz', features=rows, ids=names), rows of shape (N, dim)"
        raise DataError(f"{path}: found {found}; {hint}")
    form, read = FORMATS.get(path.suffix.lower(), (None, None))
    if form is None or read is None:
        raise DataError(f"{path}: {UnknownNameError('ending', path.suffix, FORMATS)}")
    with reading(path, f"{form} ({path.suffix})"):
        if path.name.lower().endswith(MANIFEST):
            read = read_manifest
        if read is read_hdf5 and array is not None:
            array = array.strip("/")
            return assemble(path, read_hdf5(path, array.rpartition("/")[0]), array, ids)
        return assemble(path, read(path), array, ids)


def assemble(path: Path, columns: Columns, array: str | None = None, ids: str = "") -> Embeddings:
    """Find the embeddings and what belongs to them among a file's columns.

    `array` names the embeddings where the file has several candidates, or is a pattern of the dimensions' names where
    each has a column; `ids` names the ids, else a column of ITEMS may have them. Raises DataError for columns that
    can't be told apart, have other shapes or types than they should, or differ in their numbers of rows.
    """
    names, notes = list[str](), list[str]()
    table = columns if isinstance(columns, TableColumns) else None
    said = {} if table is None else table.said
    column = ids if ids and (ids in columns or ids in said) else None
    if table is not None:
        column = column or guessed_ids(_not_asked_for(table, array))
        if array not in columns and (array or not any(isinstance(one, Streamed) for one in columns.values())):
            names, notes = dimensions(str(path), {n: kind for n, kind in table.numbers.items() if n != column}, array)
        if names:
            columns, array = {**columns, "features": table.stack(names)}, "features"
    roles = _roles(path, columns, array, column)
    rows = _check_rows(path, columns, roles)
    if table is None:
        said = _arrays_of_items(path, columns, {*roles.values()}, rows)
        column = column or (None if "ids" in roles else guessed_ids(said))
    arrays = {role: whole(path, "\n".join([of, *names]), columns[of]) for role, of in roles.items()}
    values, features = arrays.pop("ids", None), arrays.pop("features")
    if column is not None and values is None and (values := said[column]()) is None:
        raise DataError(f"{path}, column {column!r}: found empty or very long values, expected an id per row")
    checked = None if values is None else check_ids(f"{path}, {column or roles['ids']!r}", values)
    beside = {role: flat(f"{path}, {roles[role]!r}", one, role == "labels") for role, one in arrays.items()}
    guessed, taken = column is not None and column != ids, {*roles.values(), *names, column}
    notes += [f"{path}: its column {column!r} is taken for the ids"] if guessed else []
    notes += unused(str(path), _unread(columns, table, taken, rows), "group" in roles)
    texts = unique_texts({n: read for n, read in said.items() if n not in taken}) if checked is None else {}
    index = None if table is None else table.index
    known: dict[str, Any] = {**beside, "id_column": column or "", "guessed": guessed, "texts": texts}
    return Embeddings(str(path), features, checked, notes=tuple(notes), index=index, **known)


def _not_asked_for(table: TableColumns, pattern: str | None) -> dict[str, Said]:
    """Columns of a table that may have its ids: none where ROLES tell them, and no number that a pattern asks for."""
    if any(name.lower() in ROLES["ids"] for name in table):
        return {}
    asked = {n for n, number in table.numbers.items() if number and pattern and fnmatchcase(n, pattern)}
    return {name: read for name, read in table.said.items() if name not in asked}


def _arrays_of_items(path: Path, columns: Columns, taken: set[str], rows: int) -> dict[str, Said]:
    """Arrays (N,) that may have ids: of texts, or of whole numbers under a name of ITEMS."""

    def reads(name: str) -> Said:
        def read() -> NDArray[np.str_] | None:
            try:
                return as_text(name, whole(path, name, columns[name]))
            except DataError:  # bytes that are no texts
                return None

        return read

    kinds = {n: np.dtype(c.dtype).kind for n, c in columns.items() if tuple(c.shape) == (rows,) and n not in taken}
    return {n: reads(n) for n, kind in kinds.items() if kind in "US" or (kind in "iu" and item_rank(n) is not None)}


def _unread(columns: Columns, table: TableColumns | None, taken: set[str | None], rows: int) -> list[str]:
    """Name what is said of items and isn't used; numbers beside dimensions are said with those."""
    if table is None:
        return [name for name, column in columns.items() if tuple(column.shape) == (rows,) and name not in taken]
    counted = set(table.numbers) if taken & set(table.numbers) else set[str]()
    lists = {name for name, column in table.items() if len(column.shape) > 1}
    return [name for name in table.names if name not in taken | counted | lists]


def _check_rows(path: Path, columns: Columns, roles: Mapping[str, str]) -> int:
    """Check that all columns have a row per embedding; returns their number."""
    name = roles["features"]
    _check_features(f"{path}, {name!r}", columns[name])
    rows = int(columns[name].shape[0])
    for role, of in roles.items():
        shape = columns[of].shape
        if not shape or shape[0] != rows:
            found = f"{shape[0]:,} rows" if shape else "a single value"
            raise DataError(f"{path}, {of!r}: found {found}, expected {rows:,} as in {name!r} ({role} of every row)")
    return rows


def _roles(path: Path, columns: Columns, array: str | None, ids: str | None) -> dict[str, str]:
    """Names of the columns by role; the embeddings are always among them, and no other ids than `ids` where given.

    Beside an array `GROUP/NAME` the columns of that group have the names of roles.
    """
    roles: dict[str, str] = {}
    group = array[: array.rfind("/") + 1] if array else ""
    for role, names in ROLES.items():
        found = [name for name in columns if name.removeprefix(group).lower() in names]
        if role == "ids" and ids:
            found = [ids] if ids in columns else []
        if len(found) > 1 and not (role == "features" and array is not None):
            listed = ", ".join(map(repr, found))
            hint = ", named by --ids NAME" if role == "ids" else ""
            raise DataError(f"{path}: found {listed}, which could each be the {role}; expected one of them{hint}")
        if found:
            roles[role] = found[0]
    if array is not None:
        if array not in columns:
            raise DataError(f"{path}: found the arrays {_listed(columns)}, expected {array!r} among them")
        return {role: of for role, of in roles.items() if of != array} | {"features": array}
    if "features" not in roles:
        free = {n: c for n, c in columns.items() if n not in roles.values() and c.shape and len(c.shape) > 1}
        if len(free) != 1:
            hint = "name the array of the embeddings, as in 'FILE:ARRAY', or call it 'features'"
            raise DataError(f"{path}: found the arrays {_listed(columns)}, expected one of embeddings (N, dim); {hint}")
        roles["features"] = next(iter(free))
    return roles


def _listed(columns: Columns) -> str:
    described = [f"{name!r} {np.dtype(column.dtype)} {tuple(column.shape)}" for name, column in columns.items()]
    return ", ".join(described[:12]) + (f" and {len(described) - 12} more" if len(described) > 12 else "") or "none"


def _check_features(where: str, column: Array | Streamed) -> None:
    check_numbers(where, np.dtype(column.dtype))
    if len(column.shape) != 2:
        hint = "one row per item; pool or flatten what has more axes"
        raise DataError(f"{where}: found shape {tuple(column.shape)}, expected (N, dim): {hint}")
    if 0 in column.shape:
        raise DataError(f"{where}: found shape {tuple(column.shape)}, expected at least one row and one number per row")
