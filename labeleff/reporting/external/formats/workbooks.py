"""Excel workbooks (xlsx) to grids: cells as they are shown, merged cells filled, formulas by their last value."""

from __future__ import annotations

import contextlib
import datetime
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import NoneType
from typing import Any

from labeleff.errors import RunsError, optional, reason
from labeleff.reporting.external.formats.spans import Cell, SpannedRow, plain
from labeleff.reporting.external.formats.squaring import square
from labeleff.reporting.external.grid import Grid, Row, cell_error, counted
from labeleff.reporting.external.reading import Reading, choose

DATES = (datetime.date, datetime.time, datetime.timedelta)

DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, SyntaxError, OSError, EOFError, NotImplementedError, RuntimeError),
    *(KeyError, ValueError, TypeError, IndexError, AttributeError),
)
"""What openpyxl raises for a damaged workbook."""
_LITERAL = re.compile(r'"[^"]*"|\\.')
"""Text in a number's format: a % in it is shown behind the number as it is, not a hundred times it."""
Sheet = Any
"""A worksheet of openpyxl, which has no types."""


def read(content: bytes, source: str, options: Reading) -> Grid:
    """Read the sheet named `sheet`, or the only visible one that has cells.

    Raises RunsError naming the cell for a formula without a value (a program wrote it, and nothing computed it yet)
    and for dates that Excel made of other entries; OptionError where openpyxl is missing.
    """
    optional("openpyxl", f"{source}: Excel workbooks need", "tables")
    with _reading(source):
        book = _open(content, merged=_has_merged_cells(content), values=False)
        sheets = {sheet.title: sheet for sheet in book.worksheets if _has_cells(sheet)}
    visible = {name: "" for name, sheet in sheets.items() if sheet.sheet_state == "visible" or name == options.sheet}
    name, notes = choose(source, "sheet", visible, options.sheet)
    with _reading(source):
        rows, formulas = _rows(sheets[name])
        values = dict(enumerate(_open(content, merged=False, values=True)[name].iter_rows(), 1)) if formulas else {}
    if formulas:
        rows = _computed(rows, formulas, values, f"{source}, sheet {name!r}")
        notes.append(f"{counted(len(formulas), 'formula')} by the value that was last computed")
    shown = _shown(rows, name, source)
    merged = {(span.min_row, span.min_col): span for span in getattr(sheets[name], "merged_cells", ())}
    flat, left, sections = plain(list(_spanned(shown, merged))) if merged else (shown, [], {})
    return replace(square(source, flat, [*notes, *left]), stored=not _typed_percent(rows), sections=sections)


@contextlib.contextmanager
def _reading(source: str) -> Iterator[None]:
    """Make what openpyxl raises for a damaged workbook, an error of one line."""
    try:
        yield
    except DAMAGED as error:
        raise RunsError(
            f"{source}: found a damaged workbook ({reason(error)}), expected one that Excel opens"
        ) from error


def _open(content: bytes, *, merged: bool, values: bool) -> Any:
    """Open a workbook: whole where cells are merged, which reading row by row (half the time) doesn't tell."""
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(content), read_only=not merged, data_only=values)
    for sheet in () if merged else book.worksheets:
        sheet.reset_dimensions()  # Some programs write a smaller range than the sheet has.
    return book


def _has_merged_cells(content: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        return any(b"mergeCell" in archive.read(name) for name in sheets)


def _has_cells(sheet: Sheet) -> bool:
    return any(cell.value is not None for row in sheet.iter_rows() for cell in row)


Found = dict[tuple[int, int], Any]
"""Cells of openpyxl by row and column (from 1)."""


def _rows(sheet: Sheet) -> tuple[list[tuple[int, list[Any]]], Found]:
    """Rows with a value, by their numbers, and the formulas among their cells."""
    rows: list[tuple[int, list[Any]]] = []
    formulas: Found = {}
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        if any(cell.value is not None for cell in cells):
            rows.append((number, list(cells)))
            formulas.update({(number, at): cell for at, cell in enumerate(cells, start=1) if cell.data_type == "f"})
    return rows, formulas


def _computed(
    rows: Sequence[tuple[int, list[Any]]], formulas: Found, computed: Mapping[int, Sequence[Any]], source: str
) -> list[tuple[int, list[Any]]]:
    """Rows with the computed values in the places of formulas."""
    for (row, column), formula in formulas.items():
        if computed[row][column - 1].value is None:
            expected = "a formula whose value is in the file, or a number"
            hint = "open the file in Excel and save it, or paste the values"
            where = f"{source}, cell {formula.coordinate}"
            raise RunsError(f"{where}: found a formula without a value, expected {expected}; {hint}")
    return [
        (row, [computed[row][at - 1] if (row, at) in formulas else cell for at, cell in enumerate(cells, start=1)])
        for row, cells in rows
    ]


def _shown(rows: Sequence[tuple[int, list[Any]]], name: str, source: str) -> list[Row]:
    """Rows of text. A column of dates alone is one of dates; a date beside other cells was something else."""
    width = max(len(cells) for _, cells in rows)
    first, header = rows[0]
    others = {
        at for row, cells in rows[1:] for at, cell in enumerate(cells) if not isinstance(cell.value, (NoneType, *DATES))
    }
    shown = []
    for row, cells in rows:
        place = f"sheet {name!r}, row {row}"
        for at, cell in enumerate(cells):
            if isinstance(cell.value, DATES) and (at in others or row == first):
                column = str((header[at].value if at < len(header) else None) or at + 1)
                found = f"the date {cell.value} in cell {cell.coordinate}"
                hint = "Excel makes dates of entries such as 1/10: format the cell as text and type it again"
                raise cell_error(source, place, column, found, "text or a number like its neighbours", hint)
        texts = [_text(cell.value, getattr(cell, "number_format", None)) for cell in cells]
        shown.append(Row(place, (*texts, *[""] * (width - len(texts)))))
    return shown


def _typed_percent(rows: Sequence[tuple[int, list[Any]]]) -> bool:
    """Whether a percent sign below the first row is text: `41.2%` in a text, or behind a number stored as 41.2."""
    cells = [cell for _, row in rows[1:] for cell in row if cell.value is not None]
    texts = (cell.value for cell in cells if isinstance(cell.value, str))
    formats = {str(cell.number_format) for cell in cells if isinstance(cell.value, (int, float))}
    return any(re.match(r"\s*[+-]?[0-9.]+\s*%", text) for text in texts) or any(
        "%" in shown_as and "%" not in _LITERAL.sub("", shown_as) for shown_as in formats
    )


def _text(value: Any, shown_as: str | None) -> str:
    """A cell's text: all digits that it has, in percent where it is shown so."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, (int, float)):
        whole = float(value).is_integer() and abs(value) < 1e15
        if "%" in _LITERAL.sub("", shown_as or ""):
            return format((Decimal(repr(value)) * 100).normalize(), "f") + "%"
        return (str(int(value)) if whole else repr(value)) + ("%" if "%" in (shown_as or "") else "")
    return str(value).strip()


def _spanned(rows: Sequence[Row], merged: Found) -> Iterator[SpannedRow]:
    """Rows whose merged cells are one cell each, from the leftmost to the rightmost column that has text."""
    used = [at for row in rows for at, text in enumerate(row.cells) if text]
    first, last = min(used), max(used)
    for row in rows:
        number, at = int(row.place.rpartition(" ")[2]), first
        cells: list[Cell] = []
        while at <= last:
            span = merged.get((number, at + 1))
            columns = min(span.max_col - at, last + 1 - at) if span else 1
            cells.append(Cell(row.cells[at], columns, span.max_row - number + 1 if span else 1))
            at += columns
        yield SpannedRow(row.place, tuple(cells))
