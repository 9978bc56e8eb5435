"""Records with nested values and lists to grids: names of columns joined by dots, a row per element of a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.squaring import square
from labeleff.reporting.external.grid import Grid, Row, cell_error

RUN = "run"
"""Name of the column that numbers the elements of lists, from 0; "repeat" where the records have a field `run`."""

Record = Mapping[str, Any]
"""Values by name: text, a list of text, or records in turn."""


def flat(record: Record, before: str = "") -> dict[str, Any]:
    """Values of a record by their paths: {"test": {"acc": "0.6"}} becomes {"test.acc": "0.6"}."""
    values: dict[str, Any] = {}
    for name, value in record.items():
        values.update(flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value})
    return values


def records_grid(
    source: str, records: Sequence[tuple[str, Record]], notes: Sequence[str] = (), arm: str | None = None
) -> Grid:
    """Grid of records with their places; a name that a record lacks is an empty cell.

    A list is one row per element, numbered; several lists of one record are read side by side. Raises RunsError where
    those aren't of one length, or where a list holds more than text.
    """
    flattened = [(place, flat(record)) for place, record in records]
    names = dict.fromkeys(name for _, record in flattened for name in record)
    lists = [sum(isinstance(value, list) for value in record.values()) for _, record in flattened]
    run = ("repeat" if RUN in names else RUN,) if max(lists, default=0) == 1 else ()
    rows = [
        Row(inner, tuple(row.get(name, "").strip() for name in (*names, *run)))
        for place, record in flattened
        for inner, row in _rows(source, place, record, run)
    ]
    grid = square(source, [Row("the names", tuple(name.strip() for name in (*names, *run))), *rows], notes)
    return Grid(grid.source, grid.place, grid.fields, grid.rows, grid.notes, arm)


def _rows(source: str, place: str, record: Record, run: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of one record with their places: as many as its lists have elements."""
    lists = {name: value for name, value in record.items() if isinstance(value, list)}
    if not lists:
        yield place, dict(record)
        return
    lengths = {len(values) for values in lists.values()}
    if len(lengths) > 1:
        found = " and ".join(f"{len(values)} in {name!r}" for name, values in lists.items())
        raise RunsError(f"{source}, {place}: found lists of different lengths ({found}), expected one length")
    for name, values in lists.items():
        if any(not isinstance(value, str) for value in values):
            raise cell_error(source, place, name, "a list of lists or records", "a list of numbers or text")
    scalars = {name: value for name, value in record.items() if name not in lists}
    for at in range(lengths.pop()):
        numbered = dict.fromkeys(run, str(at))
        elements = {name: values[at] for name, values in lists.items()}
        yield f"{place}, value {at + 1}", {**scalars, **elements, **numbered}
