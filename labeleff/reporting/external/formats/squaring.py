"""Rows of a file made rectangular: empty rows, nameless empty columns and R's row names; anything else is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from labeleff.errors import RunsError
from labeleff.reporting.external.grid import Grid, Row, cell_error, counted, quote
from labeleff.reporting.external.label_counts import parse
from labeleff.reporting.external.shapes import names

SURE = 10
"""Number of rows from which row names 1, 2, 3 ... are taken for R's, whatever follows them."""
_COUNT = re.compile(r"[0-9][0-9.,]*\s*[kKmM%x]?|full|all")
_CORNER = re.compile(r"|.*(label|method|model|algorithm|arm|#|shot).*", re.IGNORECASE)
Ragged = Callable[[tuple[str, ...], Row], RunsError]
"""Builds the error for a row that isn't as long as the header."""


def ragged(source: str, fields: tuple[str, ...], row: Row, hint: str = "") -> RunsError:
    """Build the error for a row that isn't as long as the header; it names the first column at fault."""
    here, expected = len(row.cells), f"{len(fields)} as in the header"
    column = (fields[here] if here < len(fields) else "") or str(min(here, len(fields)) + 1)
    return cell_error(source, row.place, column, counted(here, "field"), expected, hint)


def square(
    source: str,
    rows: Sequence[Row],
    notes: Sequence[str] = (),
    *,
    unequal: Ragged | None = None,
    delimiter: str = "",
) -> Grid:
    """Grid of a file's rows, the first of them its header, but for titles above it.

    Rows without a value are left out and counted, columns without name and value are left out. Lines with one empty
    field too many, and headers that lack R's column of row names, are made as long as the others. A `delimiter` may
    have split numbers (decimal commas) or names (spaces), which looks like row names: such rows are refused. Raises
    RunsError for rows of any other length, by `unequal`, and for a table without rows.
    """
    error = unequal or (lambda fields, row: ragged(source, fields, row))
    if not rows:
        raise RunsError(f"{source}: found no row with cells of its own, expected a header and rows below it")
    rows, titles = untitled(rows)
    notes = [*notes, *titles]
    head, *body = rows
    kept = [row for row in body if any(row[1])]
    if not kept:
        raise cell_error(source, _below(head.place), head.cells[0] or "1", "no row after the header", "one row per run")
    if len(kept) < len(body):
        notes = [*notes, f"{counted(len(body) - len(kept), 'empty row')} left out"]
    fields = head.cells
    if {len(cells) for _, cells in kept} != {len(fields)}:
        fields, kept = _level(source, head, kept, delimiter)
        for row in kept:
            if len(row.cells) != len(fields):
                raise error(fields, row)
    fields, kept = _without_empty_columns(fields, kept)
    if len(kept) > 1 and _is_divided(fields, kept[0].cells):
        notes = [*notes, "2 header rows were joined"]
        fields, head, kept = _joined(fields, kept[0].cells), kept[0], kept[1:]
    return Grid(source, head.place, fields, tuple(kept), tuple(notes))


def untitled(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Rows from the header on, and a sentence on the titles above it: rows of one cell, at the table's left edge."""
    filled = [[at for at, cell in enumerate(row.cells) if cell] for row in rows]
    begin = next((at for at, places in enumerate(filled) if len(places) > 1), 0)
    titles = [row for row in rows[:begin] if any(row.cells)]
    left = min(places[0] for places in filled if places) if titles else 0
    texts = [cell for row in titles for cell in row.cells if cell]
    if not titles or any(not row.cells[left] for row in titles) or not _is_header(rows[begin].cells, texts):
        return list(rows), []
    first = f"{titles[0].place}: {quote(texts[0])}"
    return list(rows[begin:]), [f"{counted(len(titles), 'row')} of one cell above the header left out ({first})"]


def _is_header(cells: Sequence[str], above: Sequence[str]) -> bool:
    """Whether a row of several cells is a header below titles: by a known name, or by label counts after a name."""
    _, *others = filled = [cell for cell in cells if cell]
    if any(map(names.is_known, filled)):
        return True
    counts = others if cells[0] else filled
    return len(counts) > 1 and all(map(parse, counts)) and not parse(cells[0]) and not any(map(names.is_known, above))


def _below(place: str) -> str:
    """The place one line or row further down."""
    return re.sub(r"\d+$", lambda number: str(int(number[0]) + 1), place)


def _level(source: str, head: Row, rows: list[Row], delimiter: str) -> tuple[tuple[str, ...], list[Row]]:
    """Header and rows without a trailing empty field that only one of them has, or with R's column of row names."""
    fields, width = head.cells, len(head.cells)
    named = max((at for at, field in enumerate(fields, start=1) if field), default=width)
    surplus = {len(row.cells) - named for row in rows}
    if (named < width or surplus == {1}) and min(surplus) >= 0 and not any(any(row.cells[named:]) for row in rows):
        return fields[:named], [Row(place, cells[:named]) for place, cells in rows]
    if any(len(row.cells) != width + 1 for row in rows) or not fields[0]:
        return fields, rows
    firsts = [row.cells[0] for row in rows]
    if len(set(firsts)) < len(firsts) or "" in firsts:
        return fields, rows
    numbered = firsts == [str(at) for at in range(1, len(firsts) + 1)]
    if delimiter == " " and not numbered:
        return fields, rows
    if delimiter == "," and not (numbered and len(firsts) >= SURE) and _may_be_decimals(rows, numbered=numbered):
        found = "one field more than in the header in every row"
        hint = "quote numbers with decimal commas, or write R's row names with a header (write.csv)"
        raise cell_error(source, rows[0].place, str(width + 1), found, "as many fields as in the header", hint)
    return ("", *fields), rows


def _may_be_decimals(rows: Sequence[Row], *, numbered: bool) -> bool:
    """Whether a decimal comma in every row may be why it has one field too many; not by R's numbers of rows alone."""
    columns = list(zip(*(row.cells for row in rows), strict=True))
    whole = [all(re.fullmatch(r"[+-]?\d{1,2}", cell) for cell in column) for column in columns]
    digits = [all(re.fullmatch(r"\d+", cell) for cell in column) for column in columns]
    return any(whole[at] and digits[at + 1] for at in range(1 if numbered else 0, len(columns) - 1))


def _without_empty_columns(fields: tuple[str, ...], rows: list[Row]) -> tuple[tuple[str, ...], list[Row]]:
    nameless = [at for at, field in enumerate(fields) if not field]
    empty = {at for at in nameless if not any(row.cells[at] for row in rows)}
    if not empty:
        return fields, rows
    kept = [at for at in range(len(fields)) if at not in empty]
    return tuple(fields[at] for at in kept), [Row(place, tuple(cells[at] for at in kept)) for place, cells in rows]


def _is_divided(fields: tuple[str, ...], below: tuple[str, ...]) -> bool:
    """Whether the row below a header is one too: label counts below names that stand at the first of their columns."""
    named = len(fields) > 2 and fields[1] != "" and "" in fields[2:]
    return named and _CORNER.fullmatch(below[0]) is not None and all(map(_COUNT.fullmatch, below[1:]))


def _joined(fields: tuple[str, ...], below: tuple[str, ...]) -> tuple[str, ...]:
    """Header of two rows: a name holds for the nameless columns right of it."""
    joined = ["_".join(dict.fromkeys(name for name in (fields[0], below[0]) if name))]
    group = ""
    for name, count in zip(fields[1:], below[1:], strict=True):
        group = name or group
        joined.append(f"{group}_{count}")
    return tuple(joined)
