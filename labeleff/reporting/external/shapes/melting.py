"""Entries of a grid: one per value, whatever the table's shape."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from labeleff.reporting.external.grid import Grid, Row, cell_error, counted, quote
from labeleff.reporting.external.observations import SpreadKind
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.shapes import names
from labeleff.reporting.external.shapes.layout import NOT_MEASURED, Layout, ValueColumn, column_name

_WHOLE = re.compile(r"[0-9]{1,15}(?:\.0{1,6})?")
_NO_NAMES = NOT_MEASURED - {"none", "null"}
"""Cells without a name; a baseline may be called None."""
SUMMARIES = {"mean", "avg", "avg.", "average", "median", "std", "sd", "stdev", "sem", "total"}
"""Names of rows that summarise runs, in small letters."""
_WHOLE_WORDS = "a whole number from 0 to 10^15 - 1"


class Entry(NamedTuple):
    """One value, with what its row and its column say of it; fields 2 to 5 tell runs apart."""

    row: Row
    column: str
    task: str | None
    arm: str
    n: str
    run: tuple[str, ...]
    """Cells that number the run; empty where the table doesn't."""
    draw: int | None
    seed: int | None
    value: str
    spread: str | None
    tally: str | None
    kind: SpreadKind | None
    percent: bool
    """Whether the header says that values are in percent."""
    spread_percent: bool
    """Whether the header says that spreads are in percent."""
    spread_column: str | None
    tally_column: str | None


def melt(grid: Grid, layout: Layout, reading: Reading) -> tuple[list[Entry], list[str]]:
    """One entry per value in the order of the file, and sentences on cells without one. Raises RunsError."""
    entries = list(_entries(grid, layout, reading))
    cells = len(grid.rows) * len(layout.values)
    blank = cells - len(entries)
    if not entries:
        found = "no row after the header" if not grid.rows else "no value"
        place = grid.place if not grid.rows else grid.rows[0].place
        column = column_name(grid, layout.values[0].at)
        raise cell_error(grid.source, place, column, found, "one row per run")
    notes = [f"{blank} of {counted(cells, 'cell')} empty: not measured"] if blank else []
    return entries, [*notes, *_unmeasured(grid, layout, entries)]


def _unmeasured(grid: Grid, layout: Layout, entries: Sequence[Entry]) -> list[str]:
    """Sentence that names the arms of rows that have no value anywhere."""
    at = layout.rows.get("arm")
    measured = {entry.arm for entry in entries}
    left = [] if at is None else dict.fromkeys(row.cells[at] for row in grid.rows if row.cells[at] not in measured)
    listed = [name for name in left if name.casefold() not in NOT_MEASURED]
    return [f"arms without any value, left out: {', '.join(listed)}"] if listed else []


def _entries(grid: Grid, layout: Layout, reading: Reading) -> Iterator[Entry]:
    places = layout.rows
    arm_at, n_at, task_at, draw_at, seed_at = (places.get(name) for name in ("arm", "n", "task", "draw", "seed"))
    runs = layout.runs
    values = [
        (value, column_name(grid, value.at), (*_in_percent(grid, layout, value), *_names_beside(grid, value)))
        for value in layout.values
    ]
    allowed = reading.skip_empty or len(values) > 1
    for row in grid.rows:
        cells = row.cells
        for value, column, said in values:
            text = cells[value.at]
            if (allowed or not text) and text.casefold() in NOT_MEASURED:
                if not allowed:
                    raise _empty(grid, row, column)
                continue
            run = tuple([cells[at] for at in runs])
            yield Entry(
                row,
                column,
                value.task or (_label(grid, row, task_at) if task_at is not None else None),
                value.arm or (_label(grid, row, arm_at) if arm_at is not None else grid.arm or ""),
                value.n or _filled(grid, row, n_at),
                (*run, value.run) if value.run else run,
                _number(grid, row, draw_at) if draw_at is not None else None,
                _number(grid, row, seed_at) if seed_at is not None else None,
                text,
                _spread(cells, value),
                _tally(cells, value),
                value.kind,
                *said,
            )


def _in_percent(grid: Grid, layout: Layout, value: ValueColumn) -> tuple[bool, bool]:
    """Whether the header says percent of a column's values, and of their spreads; of label counts it may as well."""
    if value.n is not None:
        return names.in_percent(layout.value_name), False
    percent = names.in_percent(grid.fields[value.at]) or names.in_percent(layout.value_name)
    spreads = [at for at in (value.spread, *(value.ends or ())) if at is not None]
    return percent, any(names.in_percent(grid.fields[at]) for at in spreads)


def _spread(cells: Sequence[str], value: ValueColumn) -> str | None:
    if value.ends is not None:
        low, high = (cells[at] for at in value.ends)
        return f"[{low}, {high}]" if low and high else None
    return (cells[value.spread] or None) if value.spread is not None else None


def _tally(cells: Sequence[str], value: ValueColumn) -> str | None:
    """The number of runs behind a mean; a whole number without decimals, as pandas writes `3.0`."""
    cell = cells[value.tally] if value.tally is not None else ""
    number = whole(cell)
    return (cell or None) if number is None else str(number)


def _names_beside(grid: Grid, value: ValueColumn) -> tuple[str | None, str | None]:
    """The file's names of the columns of spreads and of numbers of runs."""
    spread = value.spread if value.ends is None else value.ends[0]
    return (
        None if spread is None else column_name(grid, spread),
        None if value.tally is None else column_name(grid, value.tally),
    )


def _empty(grid: Grid, row: Row, column: str) -> Exception:
    hint = "leave a run that wasn't measured out, or give --skip-empty"
    return cell_error(grid.source, row.place, column, "an empty cell", "a value", hint)


def _filled(grid: Grid, row: Row, at: int | None) -> str:
    cell = row.cells[at or 0]
    if not cell:
        hint = "write it in every row; leave a run that wasn't measured out"
        raise cell_error(grid.source, row.place, column_name(grid, at or 0), "an empty cell", "a value", hint)
    return cell


def _label(grid: Grid, row: Row, at: int) -> str:
    cell = _filled(grid, row, at)
    if not _is_name(cell):
        if cell.casefold() in _NO_NAMES:
            raise cell_error(grid.source, row.place, column_name(grid, at), quote(cell), "a name")
        hint = "is a quote missing?" if "\n" in cell or "\r" in cell else ""
        expected = "a name without line breaks and control characters"
        raise cell_error(grid.source, row.place, column_name(grid, at), quote(cell), expected, hint)
    return cell


@functools.cache
def _is_name(cell: str) -> bool:
    return cell.casefold() not in _NO_NAMES and not any(unicodedata.category(character) == "Cc" for character in cell)


def _number(grid: Grid, row: Row, at: int) -> int:
    cell = _filled(grid, row, at)
    number = whole(cell)
    if number is None:
        raise cell_error(grid.source, row.place, column_name(grid, at), quote(cell), _WHOLE_WORDS, whole_hint(cell))
    return number


@functools.cache
def whole(cell: str) -> int | None:
    """Whole number of a cell such as `3` or `3.0`; None for others."""
    return int(cell.partition(".")[0]) if _WHOLE.fullmatch(cell) else None


def whole_hint(cell: str) -> str:
    """Way out for a cell that should be a whole number."""
    if cell.casefold() in SUMMARIES:
        return "leave rows of means and spreads out where the runs are there"
    digits = re.fullmatch(r"[A-Za-z_#-]+([0-9]{1,15})", cell)
    return f"write {int(digits[1])}" if digits else ""
