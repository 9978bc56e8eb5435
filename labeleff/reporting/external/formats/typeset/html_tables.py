"""Tables of HTML to grids: cells over several columns or rows, formulas by their source, no footnote as a digit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.spans import Cell, SpannedRow, places, plain
from labeleff.reporting.external.formats.squaring import square
from labeleff.reporting.external.formats.typeset import latex_text
from labeleff.reporting.external.formats.typeset.html_pages import PageCell, PageRow, PageTable, tables
from labeleff.reporting.external.formats.typeset.marks import without_dashes
from labeleff.reporting.external.grid import Grid, cell_error
from labeleff.reporting.external.reading import Offer

_TABLE = re.compile(r"<table[\s>]|<\w+[^>]*\sclass=[\"'][^\"'>]*\bltx_tabular\b", re.IGNORECASE)
_CODE = re.compile(r"(?<!`)(`+)(?!`)(?:(?!</?t[dhr]\b).)+?(?<!`)\1(?!`)", re.IGNORECASE)
"""Code within a line of Markdown, whose tags are text."""
_PAGE = re.compile(r"<(?:!doctype\s+html|html|body)[\s>]", re.IGNORECASE)


def is_html(text: str, *, within: bool = False) -> bool:
    """Whether a text is a page with tables, or has some `within`."""
    return (within or text.lstrip().startswith("<")) and _TABLE.search(text) is not None


def is_page(text: str) -> bool:
    """Whether a text is a whole page, of which tables of other kinds are no part."""
    return text.lstrip().startswith("<") and _PAGE.search(text) is not None


def offers(text: str, source: str) -> list[Offer]:
    """All tables of a page, or within Markdown."""
    page = text if is_page(text) else _CODE.sub(lambda code: code[0].replace("<", "&lt;"), text)
    return [
        Offer(
            table.line,
            partial(_read, table, source),
            [_plain(cell.text) for cell in table.rows[0].cells],
            _plain(table.caption.text),
            table.end,
        )
        for table in tables(page)
    ]


def _plain(shown: str) -> str:
    """Text of a caption, whose macros needn't be known."""
    try:
        return latex_text.cell(shown, lambda found, *_: RunsError(found)).text
    except RunsError:
        return " ".join(re.sub(r"\\textbackslash\{\}|[$\\{}]", "", shown).split())


def _read(table: PageTable, source: str) -> Grid:
    if table.end is None:
        raise RunsError(f"{source}, line {table.line}: found a table without its end, expected </table>")
    rows = [row for row in _spanned(table, source) if row.texts]
    if not rows:
        raise RunsError(f"{source}, line {table.line}: found a table without rows, expected some")
    heads = {place for place, row in zip(_places(table), table.rows, strict=True) if _heads(row)}
    headers = next((at for at, row in enumerate(rows) if row.place not in heads), 0)
    flat, left, sections = plain(rows, headers or None)
    return replace(square(source, flat, left), sections=sections)


def _heads(row: PageRow) -> bool:
    """Whether a row is of the header, by where it stands or by its cells."""
    return row.header or (bool(row.cells) and all(cell.header for cell in row.cells))


def _places(table: PageTable) -> list[str]:
    return places([row.line for row in table.rows])


def _spanned(table: PageTable, source: str) -> Iterator[SpannedRow]:
    """Rows with an empty cell wherever a cell above reaches down to, and where cells are missing behind others."""
    fields: list[str] = []
    until: dict[int, tuple[int, bool]] = {}
    width = max(_width(row.cells) for row in table.rows)
    for number, (place, row) in enumerate(zip(_places(table), table.rows, strict=True)):
        cells: list[Cell] = []
        for cell in row.cells:
            cells += _below(until, _width(cells), number)
            at = _width(cells)
            shown = latex_text.cell(cell.text, _refuse(source, place, fields, at)).text
            rows = min(cell.rows, len(table.rows) - number)
            cells.append(Cell(shown, cell.columns, rows, cell.header))
            until |= dict.fromkeys(range(at, at + cell.columns), (number + rows, cell.header))
        cells += _below(until, _width(cells), number)
        cells += [Cell("")] * (width - _width(cells) if len(cells) > 1 else 0)
        texts = without_dashes([cell.text for cell in cells], header=not fields)
        fields = fields or [cell.text for cell in cells for _ in range(cell.columns)]
        yield SpannedRow(place, tuple(replace(cell, text=text) for cell, text in zip(cells, texts, strict=True)))


def _width(cells: Iterable[Cell | PageCell]) -> int:
    return sum(cell.columns for cell in cells)


def _below(until: Mapping[int, tuple[int, bool]], at: int, number: int) -> Iterator[Cell]:
    """Empty cells from a column on, as far as cells of rows above reach down to this row."""
    while until.get(at, (0, False))[0] > number:
        yield Cell("", names=until[at][1])
        at += 1


def _refuse(source: str, place: str, fields: list[str], at: int) -> Callable[[str, str, str], RunsError]:
    column = (fields[at] if at < len(fields) else "") or str(at + 1)
    return lambda found, expected, hint: cell_error(source, place, column, found, expected, hint)
