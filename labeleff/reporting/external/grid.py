"""Grids: a table's cells as text with their places, whatever file they are from, and the error of one cell."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from labeleff.errors import RunsError

LONGEST = 40
"""Largest number of characters of a cell that an error shows."""
_SPACES = re.compile(r"[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_NOTE = re.compile(r"[*†‡§¶∗⋆★¹²³]|(?:notes?|n\.b\.|nb|sources?|legend|remarks?)\b\W", re.IGNORECASE)


class Row(NamedTuple):
    """One row of a grid (a named tuple: a hundred thousand are made within a tenth of a second)."""

    place: str
    """Where it is, for errors: "line 12", "sheet 'Results', row 12", "item 3", "results/a/50-0.json"."""
    cells: tuple[str, ...]
    """Text of the cells, without surrounding spaces, as many as the grid has fields; "" where there is no value."""


class Heading(NamedTuple):
    """A row of one cell that stands above others."""

    place: str
    text: str


@dataclass(frozen=True)
class Grid:
    """A table as its file shows it: text alone, every row as long as the header."""

    source: str
    """The file's name in errors."""
    place: str
    """Where the header is: "line 1"."""
    fields: tuple[str, ...]
    """The header; "" where a column has no name."""
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    """What was recognised or left out, a sentence each: comment lines, empty rows, crashed runs."""
    arm: str | None = None
    """The arm of all rows where no column has it: the file's short name, of several files or one arm per file."""
    origin: str | None = None
    """The file's short name among several, to keep arms of one name apart; None for a file alone."""
    stored: bool = False
    """Whether percent signs are how a workbook shows its numbers: none is part of a text."""
    sections: Mapping[str, Heading] = field(default_factory=dict)
    """Headings by the places of the rows below them; a row that isn't in it has none."""
    sha256: str = ""
    """The file's hash; of several files in one grid the hash of their hashes."""


def composed(text: str) -> str:
    """The text with one code for each character (Unicode NFC), and one space for each run of them."""
    return text if text.isascii() and "  " not in text else _SPACES.sub(" ", unicodedata.normalize("NFC", text))


def in_one_form(grid: Grid) -> Grid:
    """The grid with all its names `composed`, so that what looks the same is the same."""

    def is_plain(cells: tuple[str, ...]) -> bool:
        joined = "".join(cells)
        return joined.isascii() and "  " not in joined

    rows = tuple([row if is_plain(row.cells) else Row(row.place, tuple(map(composed, row.cells))) for row in grid.rows])
    arm, origin = (None if name is None else composed(name) for name in (grid.arm, grid.origin))
    return replace(grid, rows=rows, fields=tuple(map(composed, grid.fields)), arm=arm, origin=origin)


def cell_error(source: str, place: str, column: str, found: str, expected: str, hint: str = "") -> RunsError:
    """Build the error for one cell; `column` is the file's name of it, or its number where it has none."""
    ending = f"; {hint}" if hint else ""
    return RunsError(f"{source}, {place}, column {column!r}: found {found}, expected {expected}{ending}")


def quote(cell: str) -> str:
    """Put a cell in quotes; of a long one only the beginning."""
    return repr(cell) if len(cell) <= LONGEST else f"{cell[:LONGEST]!r}... ({len(cell)} characters)"


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it isn't one: "1 row", "3 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def is_note(text: str) -> bool:
    """Whether a text begins as a note below a table does: with a mark of footnotes, or the word."""
    return _NOTE.match(text) is not None
