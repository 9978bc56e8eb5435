"""Parquet, Arrow and Feather files to grids: every column as text, a row per element of a column of lists."""

from __future__ import annotations

import io
from typing import Any

from labeleff.errors import RunsError, optional, reason
from labeleff.reporting.external.formats.nesting import records_grid
from labeleff.reporting.external.formats.squaring import square
from labeleff.reporting.external.grid import Grid, Row

INDEX = "__index_level_"
"""Begin of the names that pandas gives to columns of an index without a name."""


def read(content: bytes, source: str) -> Grid:
    """Read a file's bytes. Raises RunsError for damaged files and for columns that aren't text, OptionError without
    pyarrow.
    """
    table = _table(content, source)
    names = tuple("" if name.startswith(INDEX) else name for name in table.column_names)
    columns = [_texts(table.column(at), source, name) for at, name in enumerate(table.column_names)]
    if any(isinstance(cell, list) for column in columns for cell in column):
        records = [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]
        return records_grid(source, [(f"row {at}", record) for at, record in enumerate(records, start=1)])
    rows = [Row(f"row {at}", cells) for at, cells in enumerate(zip(*columns, strict=True), start=1)]
    return square(source, [Row("the header", names), *rows])


def _table(content: bytes, source: str) -> Any:
    """The file's table, its columns of records made one column per field."""
    what = f"{source}: Parquet and Arrow files need"
    pa = optional("pyarrow", what, "tables")
    try:
        if content.startswith(b"PAR1"):
            table = optional("pyarrow.parquet", what, "tables").read_table(io.BytesIO(content))
        elif content.startswith(b"FEA1"):
            table = optional("pyarrow.feather", what, "tables").read_table(io.BytesIO(content))
        elif content.startswith(b"ARROW1"):
            table = pa.ipc.open_file(io.BytesIO(content)).read_all()
        else:
            table = pa.ipc.open_stream(io.BytesIO(content)).read_all()
    except (pa.ArrowException, OSError) as error:
        raise RunsError(f"{source}: can't be read ({reason(error)}), expected a whole file") from error
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table


def _texts(column: Any, source: str, name: str) -> list[Any]:
    """Cells of a column: text, or a list of text where it is one of lists; "" and [] where there is no value."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return _texts(column.cast(kind.value_type), source, name)
    try:
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            inner = [pa.array(cells or [], kind.value_type) for cells in column.to_pylist()]
            return [[text or "" for text in cells.cast(pa.string()).to_pylist()] for cells in inner]
        return [(text or "").strip() for text in column.cast(pa.string()).to_pylist()]
    except pa.ArrowException as error:
        expected = "text, numbers, or lists of them"
        raise RunsError(f"{source}, column {name!r}: found {kind}, expected {expected}") from error
