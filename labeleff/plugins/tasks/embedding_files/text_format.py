"""Tables as text (CSV in UTF-8): one row per item, with a header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import DataError, RunsError
from labeleff.plugins.tasks.embedding_files.columns import (
    LONGEST,
    NAMELESS,
    ROLES,
    Columns,
    Said,
    TableColumns,
    is_number,
)
from labeleff.plugins.tasks.sources.arrays import Array, Streamed
from labeleff.reporting.external.csv_text import DELIMITERS, decode, records, sniff

BESIDE = {name for role, names in ROLES.items() if role != "features" for name in names}


@dataclass(frozen=True)
class TextTable:
    """A table's columns as texts, in the order of the file, with the line of every row."""

    source: str
    columns: Mapping[str, list[str]]
    lines: list[int]

    def role(self, role: str) -> tuple[str, list[str]] | None:
        """Find the column of a role, with its name; raises DataError where there are several."""
        found = [name for name in self.columns if name.lower() in ROLES[role]]
        if len(found) > 1:
            listed = ", ".join(map(repr, found))
            raise DataError(f"{self.source}, line 1: found {listed}, which could each be the {role}; expected one")
        return (found[0], self.columns[found[0]]) if found else None

    def said(self) -> dict[str, Said]:
        """Return readers of the columns that have no role."""

        def reads(cells: list[str]) -> Said:
            return lambda: np.array(cells, dtype=np.str_) if max(map(len, cells)) <= LONGEST else None

        free = (name for name in self.columns if name.lower() not in BESIDE and not NAMELESS.fullmatch(name))
        return {name: reads(self.columns[name]) for name in free}

    def index(self) -> NDArray[np.str_] | None:
        """Return the index that pandas wrote, the oldest where it wrote several: each time it puts one before them."""
        nameless = [name for name in self.columns if NAMELESS.fullmatch(name)]
        return np.array(self.columns[nameless[-1]], dtype=np.str_) if nameless else None


def read_table(path: Path) -> TextTable:
    """Read a table whose fields are separated by comma, semicolon or tab.

    Raises DataError with file and line for text that isn't UTF-8, quotes that are open, rows of another length,
    headers that repeat, and a table without rows.
    """
    try:
        text = decode(path.read_bytes(), str(path))
        delimiter = sniff(text, [name for names in ROLES.values() for name in names])
        rows = [*records(text, delimiter, str(path))]
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error
    except RunsError as error:
        raise DataError(str(error)) from error
    if len(rows) < 2:
        raise DataError(f"{path}: found {len(rows)} rows, expected a header and one row per item")
    (line, header), body = rows[0], rows[1:]
    _check_header(f"{path}, line {line}", header)
    for at, fields in body:
        if len(fields) != len(header):
            expected = f"{len(header)} as in the header, separated by {DELIMITERS[delimiter]}"
            raise DataError(f"{path}, line {at}: found {len(fields)} fields, expected {expected}")
    columns = {name: [fields[i] for _, fields in body] for i, name in enumerate(header)}
    return TextTable(str(path), columns, [at for at, _ in body])


def _check_header(where: str, header: Sequence[str]) -> None:
    if repeated := [name for i, name in enumerate(header) if name in header[:i]]:
        raise DataError(f"{where}: found the column {repeated[0]!r} twice, expected names that differ")
    if numbers := [name for name in header if is_number(name)]:
        hint = "write a header: id, label and a name for every number of the embedding, or save numbers alone as .npy"
        raise DataError(f"{where}: found the number {numbers[0]!r} in the header, expected names of columns; {hint}")


def read_csv(path: Path) -> Columns:
    """Read a table of embeddings: one column per number, float32; others are id, label, split and group."""
    table = read_table(path)
    columns: dict[str, Array | Streamed] = {
        name: np.array(cells, dtype=np.str_) for name, cells in table.columns.items() if name.lower() in BESIDE
    }
    numbers = {name: _whole(cells) for name, cells in table.columns.items() if name not in columns}
    if all(NAMELESS.fullmatch(name) for name in numbers):
        raise DataError(f"{path}: found the columns {', '.join(table.columns)}, expected columns of numbers too")

    def stack(names: list[str]) -> Array:
        return np.stack([_numbers(table, name, table.columns[name]) for name in names], 1)

    named = [name for name in table.columns if not NAMELESS.fullmatch(name)]
    return TableColumns(columns, numbers, stack, table.index(), table.said(), named)


def _whole(cells: Sequence[str]) -> bool | None:
    """Whether a column has whole numbers without a point; one number throughout says nothing."""
    digits = "".join(cells).replace("-", "").replace("+", "").replace(" ", "")
    return None if all(cell == cells[0] for cell in cells) else digits.isdecimal()


def _numbers(table: TextTable, name: str, cells: Sequence[str]) -> Array:
    """Convert a column to float32; raises DataError with line and column for a cell that is no number."""
    try:
        return np.array(cells, dtype=np.float64).astype(np.float32)
    except ValueError:
        row = next(i for i, cell in enumerate(cells) if not is_number(cell))
        where = f"{table.source}, line {table.lines[row]}, column {name!r}"
        raise DataError(f"{where}: found {cells[row][:40]!r}, expected a number") from None
