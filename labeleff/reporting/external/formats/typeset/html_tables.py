"""Tables of HTML to grids: cells over several columns or rows, formulas by their source, no footnote as a digit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.spans import Cell, SpannedRow, plain
from labeleff.reporting.external.formats.squaring import square
from labeleff.reporting.external.formats.typeset import latex_text
from labeleff.reporting.external.formats.typeset.marks import without_dashes
from labeleff.reporting.external.grid import Grid, cell_error, quote
from labeleff.reporting.external.reading import Reading, choose

MOST = 1000
"""Largest number of columns or rows that a cell covers, as in browsers."""

_WITHOUT_END = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_UNSEEN = frozenset(["annotation", "annotation-xml", "cite", "script", "style", "template"])
"""Elements whose text isn't part of a cell: scripts, citations, and formulas once more as their source."""
_NOTES = re.compile(r"(?:^|\s)(?:reference|ltx_note)(?:\s|$)")
"""Classes of citations and footnotes, as Wikipedia and LaTeXML have them."""
_APART = frozenset(["br", "div", "li", "p"])
_RAISED = {"sup": r"\textsuperscript{", "sub": r"\textsubscript{"}
_MARKS = {mark: rf"\{mark}" for mark in "$%&_#{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}


@dataclass
class _Cell:
    columns: int
    rows: int
    header: bool
    text: str = ""
    """What it shows, as LaTeX."""


@dataclass
class _Row:
    line: int
    header: bool
    cells: list[_Cell] = field(default_factory=list)

    @property
    def heads(self) -> bool:
        """Whether the row is of the header, by where it stands or by its cells."""
        return self.header or (bool(self.cells) and all(cell.header for cell in self.cells))


@dataclass
class _Table:
    line: int
    rows: list[_Row] = field(default_factory=list)
    caption: str = ""
    head: bool = False
    """Whether rows that begin now are of the header."""
    layout: bool = False
    """Whether it holds another table with rows and columns."""

    @property
    def holds_results(self) -> bool:
        """Whether there are rows and columns."""
        return not self.layout and len(self.rows) > 1 and any(len(row.cells) > 1 for row in self.rows)


def is_html(text: str, *, within: bool = False) -> bool:
    """Whether a text is a page with tables, or has some `within`."""
    return (within or text.lstrip().startswith("<")) and re.search(r"<table[\s>]", text, re.IGNORECASE) is not None


def read(text: str, source: str, options: Reading) -> Grid:
    """Read the table of a page, of several the one that `sheet` numbers. Raises RunsError with line and column."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    if reader.open:
        raise RunsError(f"{source}, line {reader.open[0].line}: found a table without its end, expected </table>")
    tables = sorted(reader.tables, key=lambda table: table.line)
    numbered = {str(at): _told(table) for at, table in enumerate(tables, start=1)}
    name, notes = choose(source, "table", numbered, options.sheet)
    table = tables[int(name) - 1]
    headers = next((at for at, row in enumerate(table.rows) if not row.heads), 0)
    flat, left, sections = plain([*_spanned(table, source)], headers or None)
    return replace(square(source, flat, [*notes, *left]), sections=sections)


def _told(table: _Table) -> str:
    words = " ".join(table.caption.split())
    return f"line {table.line}{f', {quote(words)}' if words else ''}"


def _spanned(table: _Table, source: str) -> Iterator[SpannedRow]:
    """Rows with an empty cell wherever a cell above reaches down to, and where cells are missing behind others."""
    fields: list[str] = []
    until: dict[int, int] = {}
    width = max(_width(row.cells) for row in table.rows)
    for number, row in enumerate(table.rows):
        cells: list[Cell] = []
        for cell in row.cells:
            cells += _below(until, _width(cells), number)
            at = _width(cells)
            shown = latex_text.cell(cell.text, _refuse(source, row.line, fields, at)).text
            rows = min(cell.rows, len(table.rows) - number)
            cells.append(Cell(shown, cell.columns, rows))
            until |= dict.fromkeys(range(at, at + cell.columns), number + rows)
        cells += _below(until, _width(cells), number)
        cells += [Cell("")] * (width - _width(cells) if len(cells) > 1 else 0)
        texts = without_dashes([cell.text for cell in cells], header=not fields)
        fields = fields or [cell.text for cell in cells for _ in range(cell.columns)]
        if any(texts):
            cells = [replace(cell, text=text) for cell, text in zip(cells, texts, strict=True)]
            yield SpannedRow(f"line {row.line}", tuple(cells))


def _width(cells: Iterable[Cell | _Cell]) -> int:
    return sum(cell.columns for cell in cells)


def _below(until: Mapping[int, int], at: int, number: int) -> Iterator[Cell]:
    """Empty cells from a column on, as far as cells of rows above reach down to this row."""
    while until.get(at, 0) > number:
        yield Cell("")
        at += 1


def _refuse(source: str, line: int, fields: list[str], at: int) -> Callable[[str, str, str], RunsError]:
    column = (fields[at] if at < len(fields) else "") or str(at + 1)
    return lambda found, expected, hint: cell_error(source, f"line {line}", column, found, expected, hint)


class _Reader(HTMLParser):
    """All tables of a page that hold results."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[_Table] = []
        self.open: list[_Table] = []
        """Tables without their end so far, each within the one before."""
        self._raised = 0
        self._unseen: list[str] = []
        """The element whose text isn't read, once for each of its name within it."""
        self._caption: str | None = None
        self._figures: list[tuple[int, str]] = []
        """For each figure that hasn't ended the number of tables when it began, and its caption."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a table, a row or a cell, or what isn't read."""
        found = {name: value or "" for name, value in attrs}
        if self._unseen:
            self._unseen += [tag] if tag == self._unseen[0] else []
        elif tag == "math" and found.get("alttext"):
            self._show(f"${found['alttext']}$")
            self._unseen = [tag]
        elif tag not in _WITHOUT_END and (tag in _UNSEEN or _hidden(found)):
            self._unseen = [tag]
        elif tag == "table":
            self.open.append(_Table(self.getpos()[0]))
        elif tag == "figure":
            self._figures.append((len(self.tables), ""))
        elif tag in {"caption", "figcaption"}:
            self._caption = ""
        elif self.open:
            self._start_inside(tag, found, self.open[-1])

    def handle_endtag(self, tag: str) -> None:
        """End what began."""
        if self._unseen:
            self._unseen = self._unseen[1:] if tag == self._unseen[0] else self._unseen
        elif tag == "table" and self.open:
            self._end_table()
        elif tag in {"caption", "figcaption"} and self._caption is not None:
            self._end_caption(tag, self._caption)
        elif tag == "figure" and self._figures:
            begin, caption = self._figures.pop()
            for table in self.tables[begin:]:
                table.caption = table.caption or caption
        elif tag in _RAISED and self._raised:
            self._raised -= 1
            self._show("}")
        elif tag in {"thead", "tbody", "tfoot"} and self.open:
            self.open[-1].head = False
        elif tag in _APART:
            self._show(" ")

    def handle_data(self, data: str) -> None:
        """Read text of a cell or a caption."""
        if self._unseen:
            return
        if self._caption is not None:
            self._caption += data
        else:
            self._show("".join(_MARKS.get(character, character) for character in data))

    def _start_inside(self, tag: str, found: dict[str, str], table: _Table) -> None:
        if tag in {"thead", "tbody", "tfoot"}:
            table.head = tag == "thead"
        elif tag == "tr" or (tag in {"td", "th"} and not table.rows):
            self._end_cell()
            table.rows.append(_Row(self.getpos()[0], table.head))
        if tag in {"td", "th"}:
            self._end_cell()
            covered = [_number(found.get(name, "1")) for name in ("colspan", "rowspan")]
            table.rows[-1].cells.append(_Cell(covered[0] or 1, covered[1] or MOST, tag == "th"))
        elif tag in _RAISED:
            self._raised += 1
            self._show(_RAISED[tag])
        elif tag in _APART:
            self._show(" ")

    def _end_cell(self) -> None:
        self._show("}" * self._raised)
        self._raised = 0

    def _end_table(self) -> None:
        self._end_cell()
        table = self.open.pop()
        if table.holds_results:
            self.tables.append(table)
        if table.holds_results or table.layout:
            for outer in self.open:
                outer.layout = True
        else:
            self._show(" ".join(cell.text for row in table.rows for cell in row.cells))

    def _end_caption(self, tag: str, caption: str) -> None:
        self._caption = None
        if tag == "caption" and self.open:
            self.open[-1].caption = caption
        elif self._figures:
            self._figures[-1] = self._figures[-1][0], caption

    def _show(self, text: str) -> None:
        if self.open and self.open[-1].rows and self.open[-1].rows[-1].cells:
            self.open[-1].rows[-1].cells[-1].text += text


def _hidden(found: dict[str, str]) -> bool:
    style = found.get("style", "").replace(" ", "").lower()
    return "hidden" in found or "display:none" in style or _NOTES.search(found.get("class", "")) is not None


def _number(text: str) -> int:
    return min(int(text), MOST) if re.fullmatch(r"\s*\d+\s*", text) else 1
