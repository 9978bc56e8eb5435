"""Embeddings in Parquet and Arrow: a column of lists of one length, or one column per number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import DataError, optional
from labeleff.plugins.tasks.embedding_files.columns import LONGEST, NAMELESS, ROLES, Columns, TableColumns
from labeleff.plugins.tasks.sources.arrays import Array, Streamed

ROWS = 8192
"""Rows of Parquet that are read at once."""
BESIDE = {name for role, names in ROLES.items() if role != "features" for name in names}
INDEX = "__index_level_"
"""Begin of the name that pandas gives an index without one."""
TEXTS = {"string", "large_string", "string_view"}
Batches = Callable[[list[str]], Iterator[Any]]
"""Gives the record batches of some columns, in order, each time it is called."""


def _arrow(module: str) -> Any:
    return optional(module, "Parquet and Arrow files need", "embeddings")


def read_parquet(path: Path) -> Columns:
    """Find the columns of a Parquet file; lists are read block by block."""
    parquet = _arrow("pyarrow.parquet")
    with parquet.ParquetFile(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows

    def batches(names: list[str]) -> Iterator[Any]:
        with parquet.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=ROWS, columns=names)

    return _columns(path, schema, rows, batches)


def read_arrow(path: Path) -> Columns:
    """Find the columns of an Arrow file (Feather 2) or stream."""
    arrow = _arrow("pyarrow")
    ipc = _arrow("pyarrow.ipc")

    def batches(names: list[str]) -> Iterator[Any]:
        with arrow.memory_map(str(path)) as source, _opened(ipc, source) as reader:
            for batch in _batches(reader):
                batch.validate(full=True)  # offsets of a damaged file may lie outside it
                yield batch.select(names)

    with arrow.memory_map(str(path)) as source, _opened(ipc, source) as reader:
        schema, rows = reader.schema, sum(batch.num_rows for batch in _batches(reader))
    return _columns(path, schema, rows, batches)


def _opened(ipc: Any, source: Any) -> Any:
    """Open a file or, where it doesn't begin as files do, a stream."""
    begin = source.read(6)
    source.seek(0)
    return ipc.open_file(source) if begin == b"ARROW1" else ipc.open_stream(source)


def _batches(reader: Any) -> Iterator[Any]:
    if hasattr(reader, "num_record_batches"):
        return (reader.get_batch(i) for i in range(reader.num_record_batches))
    return iter(reader)


def _columns(path: Path, schema: Any, rows: int, batches: Batches) -> Columns:
    """Sort the columns: lists, numbers that together are the embeddings, and what is said of each row."""
    types = _arrow("pyarrow").types
    if len(set(schema.names)) < len(schema.names):
        raise DataError(f"{path}: found two columns of one name, expected names that differ")
    columns: dict[str, Array | Streamed] = {}
    numbers: dict[str, Any] = {}
    for field in schema:
        if field.name.lower() in BESIDE:
            columns[field.name] = _beside(path, field.name, batches)
        elif types.is_list(field.type) or types.is_large_list(field.type) or types.is_fixed_size_list(field.type):
            columns[field.name] = _lists(path, field, rows, batches)
        elif _is_number(field):
            numbers[field.name] = field.type
    known = any(name.lower() in ROLES["ids"] for name in columns)
    free = [
        f for f in schema if f.name not in columns and not f.name.startswith(INDEX) and not NAMELESS.fullmatch(f.name)
    ]
    return TableColumns(
        columns,
        {name: bool(types.is_integer(one)) for name, one in numbers.items()},
        lambda names: _wide(path, {name: numbers[name] for name in names}, rows, batches),
        None if known else _index(path, schema, rows, batches),
        {one.name: partial(_said, one.name, batches) for one in free if _is_said(one.type)},
        [*columns, *(one.name for one in free)],
    )


def _is_said(kind: Any) -> bool:
    """Whether a column of this type has a text or a whole number per row, as categories too."""
    types = _arrow("pyarrow").types
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_integer(kind)) or str(kind) in TEXTS


def _said(name: str, batches: Batches) -> NDArray[np.str_] | None:
    """Read a column as texts; None where a value is missing, or is a text too long for an id."""
    texts: list[str] = []
    for batch in batches([name]):
        values = batch.column(0).to_pylist()
        if any(value is None or len(str(value)) > LONGEST for value in values):
            return None
        texts += map(str, values)
    return np.array(texts, dtype=np.str_)


def _is_number(field: Any) -> bool:
    """Whether a column may be one number of the embeddings; an index that pandas has written isn't."""
    types = _arrow("pyarrow").types
    index = field.name.startswith(INDEX)
    return not index and bool(types.is_floating(field.type) or types.is_integer(field.type))


def _index(path: Path, schema: Any, rows: int, batches: Batches) -> NDArray[np.str_] | None:
    """Read the index that pandas wrote, its oldest as of a text table, or count it where it is a range."""
    nameless = [name for name in schema.names if name.startswith(INDEX) or NAMELESS.fullmatch(name)]
    if nameless:
        return _beside(path, max(nameless, key=lambda name: not name.startswith(INDEX)), batches).astype(np.str_)
    for level in (schema.pandas_metadata or {}).get("index_columns", []):
        if isinstance(level, dict) and level.get("kind") == "range":
            index = np.arange(level["start"], level["stop"], level["step"])
            return index.astype(np.str_) if len(index) == rows else None
    return None


def _beside(path: Path, name: str, batches: Batches) -> Array:
    """Read a column of one value per row; raises DataError for an empty one, with its row."""
    parts, done = [], 0
    for batch in batches([name]):
        column = batch.column(0)
        _check_full(f"{path}, column {name!r}", column, done)
        if hasattr(column.type, "value_type") and not hasattr(column, "flatten"):
            column = column.dictionary_decode()  # categories of pandas
        parts.append(_listed(f"{path}, column {name!r}", column, done))
        done += len(column)
    return np.concatenate(parts) if parts else np.empty(0, np.str_)


def _listed(where: str, column: Any, done: int) -> Array:
    """Convert values to numbers, truths or texts; lists of one length to rows."""
    if hasattr(column, "flatten") and hasattr(column.type, "value_type"):
        return _rows(where, column, None, done)
    if str(column.type) in TEXTS:
        return np.array(column.to_pylist(), dtype=np.str_)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _check_full(where: str, column: Any, done: int) -> None:
    if column.null_count:
        row = done + int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise DataError(f"{where}, row {row}: found {column.null_count:,} empty values from here on, expected none")


def _lists(path: Path, field: Any, rows: int, batches: Batches) -> Streamed:
    """Read lists of one length as rows; the first list's length is that of all."""
    where = f"{path}, column {field.name!r}"
    inner = field.type.value_type
    try:
        dtype = np.dtype(inner.to_pandas_dtype())
    except (NotImplementedError, TypeError) as error:
        raise DataError(f"{where}: found lists of {inner}, expected lists of numbers") from error
    if dtype.kind not in "fiu":
        raise DataError(f"{where}: found lists of {inner}, expected lists of numbers")
    first = next((batch.column(0)[0] for batch in batches([field.name]) if batch.num_rows), None)
    dim = 0 if first is None or not first.is_valid else len(first)

    def blocks() -> Iterator[NDArray[Any]]:
        done = 0
        for batch in batches([field.name]):
            _check_full(where, batch.column(0), done)
            yield _rows(where, batch.column(0), dim, done)
            done += batch.num_rows

    return Streamed((rows, dim), dtype.type, blocks)


def _rows(where: str, column: Any, dim: int | None, done: int) -> NDArray[Any]:
    """Convert an array of lists to (rows, dim). `flatten` respects slices, as `values` doesn't."""
    lengths = np.asarray(column.value_lengths().to_numpy(zero_copy_only=False))
    expected = dim if dim is not None else int(lengths[0]) if len(lengths) else 0
    if wrong := np.flatnonzero(lengths != expected).tolist():
        found = f"{int(lengths[wrong[0]]):,} numbers"
        raise DataError(f"{where}, row {done + wrong[0]}: found {found}, expected {expected:,} as in the first row")
    values = column.flatten()
    if values.null_count:
        place = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
        raise DataError(f"{where}, row {done + place // max(expected, 1)}: found an empty number, expected none")
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(len(lengths), expected)


def _wide(path: Path, types: Mapping[str, Any], rows: int, batches: Batches) -> Streamed:
    """Put columns of numbers side by side, in their order."""
    dtype = np.result_type(*(np.dtype(one.to_pandas_dtype()) for one in types.values()))

    def blocks() -> Iterator[NDArray[Any]]:
        done = 0
        for batch in batches(list(types)):
            for name in types:
                _check_full(f"{path}, column {name!r}", batch.column(name), done)
            yield np.stack([batch.column(name).to_numpy(zero_copy_only=False) for name in types], 1).astype(dtype)
            done += batch.num_rows

    return Streamed((rows, len(types)), dtype.type, blocks)
