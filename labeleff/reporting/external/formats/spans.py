"""Cells over several rows or columns, as workbooks and LaTeX have them, made a plain table with one header row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from labeleff.reporting.external.grid import Heading, Row, counted, quote


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's text, with the numbers of columns and rows that it covers."""

    text: str
    columns: int = 1
    rows: int = 1
    names: bool = False
    """Whether the file marks it as the name of a row or column."""


@dataclass(frozen=True, slots=True)
class SpannedRow:
    """A row of cells; one below a cell of several rows has an empty cell there."""

    place: str
    cells: tuple[Cell, ...]

    @property
    def width(self) -> int:
        """Number of columns."""
        return sum(cell.columns for cell in self.cells)

    @property
    def texts(self) -> list[str]:
        """Texts of the cells that have one."""
        return [cell.text for cell in self.cells if cell.text]


def places(lines: Sequence[int]) -> list[str]:
    """Places of a table's rows by the lines where they begin: with the row's number where several begin on a line."""
    times = Counter(lines)
    return [f"line {line}, row {at}" if times[line] > 1 else f"line {line}" for at, line in enumerate(lines, start=1)]


def plain(rows: Sequence[SpannedRow], headers: int | None = None) -> tuple[list[Row], list[str], dict[str, Heading]]:
    """Rows with every cell's text in all places that it covers, below one header; notes; and headings of rows.

    `headers` is the least number of header rows, where the file says it; cells that reach further down or are divided
    further down make it more.
    Header rows become one: a dataset's name over label counts is joined to each of them, as `cifar10_40`. A row of
    one cell over the whole width is a title above them, a note below all, or else the heading of the rows below it.
    """
    width = max(row.width for row in rows)
    heads = [_heads(row, width) or _leads(row) for row in rows]
    table = [row for row, head in zip(rows, heads, strict=True) if not head]
    filled = _filled(table)
    deep = max(_depth(table), (headers or 0) - sum(heads[: headers or 0]))
    divided = 1 < deep < len(filled) and len({len(row.cells) for row in filled[:deep]}) == 1
    sections, aside = _sections(rows, heads, deep if divided else 1)
    notes = []
    if aside:
        heading = f"{counted(len(aside), 'row')} of one cell over the whole width left out"
        notes.append(f"{heading} ({aside[0].place}: {quote(_text(aside[:1]))})")
    if not divided:
        return filled, notes, sections
    names = zip(*_without_axes([row.cells for row in filled[:deep]], _named(table[deep:])), strict=False)
    notes.append(f"{deep} header rows were joined")
    return [Row(filled[deep - 1].place, tuple(map(_joined, names))), *filled[deep:]], notes, sections


def _heads(row: SpannedRow, width: int) -> bool:
    return width > 1 and len(row.cells) == 1 and row.cells[0].columns in (1, width)


def _leads(row: SpannedRow) -> bool:
    """Whether a row's only text is in its first cell, which covers several columns."""
    return row.cells[0].columns > 1 and len(row.texts) == 1 and bool(row.cells[0].text)


def _sections(
    rows: Sequence[SpannedRow], heads: Sequence[bool], deep: int
) -> tuple[dict[str, Heading], list[SpannedRow]]:
    """Headings by the places of the rows below them, and the rows of one cell that are titles or notes.

    Headings right below each other are one.
    """
    sections: dict[str, Heading] = {}
    aside: list[SpannedRow] = []
    above: list[SpannedRow] = []
    seen, below = 0, False
    for row, head in zip(rows, heads, strict=True):
        if head and seen < deep:
            aside.append(row)
        elif head:
            above, below = [row] if below else [*above, row], False
        else:
            seen, below = seen + 1, True
            if above:
                sections[row.place] = Heading(above[0].place, _text(above))
    return sections, [*aside, *([] if below else above)]


def _text(rows: Sequence[SpannedRow]) -> str:
    return ", ".join(" ".join(text.split()) for row in rows for text in row.texts)


def _filled(rows: Sequence[SpannedRow]) -> list[Row]:
    """Rows with the text of every cell repeated over its columns, and in the empty cells below it over its rows."""
    above: dict[int, tuple[str, int]] = {}
    filled = []
    for row in rows:
        cells: list[str] = []
        for cell in row.cells:
            for at in range(len(cells), len(cells) + cell.columns):
                text, left = above.get(at, ("", 0))
                cells.append(text if left and not cell.text else cell.text)
                above[at] = (cell.text, cell.rows - 1) if cell.rows > 1 else (text, max(left - 1, 0))
        filled.append(Row(row.place, tuple(cells)))
    return filled


def _depth(rows: Sequence[SpannedRow]) -> int:
    """Number of header rows: those that cells of the rows so far reach down to, or are divided in."""
    deep, at = 1, 0
    while at < min(deep, len(rows)):
        cells = [cell for cell in rows[at].cells if cell.text]
        below = max((cell.rows for cell in cells), default=1)
        divided = any(cell.columns > 1 for cell in cells)
        deep = max(deep, at + max(below, 2 if divided else 1))
        at += 1
    return deep


def _named(rows: Sequence[SpannedRow]) -> int:
    """Number of leading columns whose cells the file marks as names of rows."""
    marked = [[cell.names for cell in row.cells for _ in range(cell.columns)] for row in rows if len(row.cells) > 1]
    return next((at for at, column in enumerate(zip(*marked, strict=False)) if not all(column)), 0)


def _without_axes(header: Sequence[tuple[str, ...]], marked: int) -> list[tuple[str, ...]]:
    """Header rows without the names of pandas' axis of columns, which stand above the last column of row names.

    The last header row has names over columns of row names alone there: over those that are marked so, else over the
    leftmost two or more.
    """
    *above, last = header
    index = marked or next((at for at, name in enumerate(last) if not name), 0)
    others = [*last[index:], *(name for row in above for name in row[: index - 1])]
    if index < (1 if marked else 2) or not any(last[:index]) or any(others):
        return list(header)
    return [*(("",) * index + row[index:] for row in above), last]


def _joined(names: Sequence[str]) -> str:
    """Name of a column from those of its header rows, each once."""
    return "_".join(dict.fromkeys(name for name in names if name))
