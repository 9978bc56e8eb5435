"""Tables of LaTeX (tabular and its kin) to grids: rows, cells over several columns or rows, rules below headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.spans import SpannedRow, places, plain
from labeleff.reporting.external.formats.squaring import square
from labeleff.reporting.external.formats.typeset.latex_text import cell, closing
from labeleff.reporting.external.formats.typeset.marks import without_dashes
from labeleff.reporting.external.grid import Grid, cell_error
from labeleff.reporting.external.reading import Offer

MOST = 3
"""Largest number of header rows above a rule."""

_RULES = ("toprule", "midrule", "bottomrule", "hline", "cline", "cmidrule", "specialrule", "addlinespace", "noalign")
"""Macros between rows."""
_ARGUMENTS = {
    **dict.fromkeys(("tabular", "longtable", "longtable*", "array", "tabu", "supertabular", "NiceTabular"), 1),
    **dict.fromkeys(("tabular*", "tabularx", "tabulary", "NiceTabular*", "NiceTabularX"), 2),
}
"""Environments of tables, with their numbers of arguments."""
_NAMES = "|".join(map(re.escape, _ARGUMENTS))
_EDGE = re.compile(rf"\\(begin|end)\{{({_NAMES})\}}")
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%[^\n]*")
_RULE = re.compile(rf"\s*\\({'|'.join(_RULES)})(?![A-Za-z])(?:\s*\([^)]*\)|\s*\[[^\]]*\])*")
_RULE_ARGUMENTS = {"cline": 1, "cmidrule": 1, "specialrule": 3, "noalign": 1}
_ROW_END = re.compile(r"\\\\\*?(?:[ \t]*\[[^\]&]*\])?|\\tabularnewline(?![A-Za-z])")


@dataclass(frozen=True, slots=True)
class _Body:
    """What is between the begin and the end of a table, and the line (from 1) where it begins."""

    text: str
    line: int


def is_latex(text: str) -> bool:
    """Whether a text has a table of LaTeX."""
    found = _EDGE.search(text) if "\\begin{" in text else None
    return found is not None and found[1] == "begin"


def offers(text: str, source: str) -> list[Offer]:
    """All tables of a text."""
    bodies = _bodies(_COMMENT.sub(r"\1", text.replace("\r\n", "\n").replace("\r", "\n")))
    return [Offer(body.line, partial(_read, body, source), _first(body)) for body in bodies]


def _read(body: _Body, source: str) -> Grid:
    rows, headers = _rows(body, source)
    if not any(row.texts for row in rows):
        raise RunsError(f"{source}, line {body.line}: found a table without rows, expected some")
    flat, left, sections = plain(rows, headers)
    return replace(square(source, flat, left), sections=sections)


def _first(body: _Body) -> list[str]:
    """Cells of the first row, as they are written."""
    begin, end = _pieces(body.text, _ROW_END)[0]
    at, _ = _skip_rules(body.text, begin, end)
    return [cell.strip() for cell in body.text[at:end].split("&")]


def _bodies(text: str) -> Iterator[_Body]:
    """Bodies of the tables, a table within another being part of it."""
    depth, begin = 0, 0
    for edge in _EDGE.finditer(text):
        depth = max(depth + (1 if edge[1] == "begin" else -1), 0)
        if depth == 1 and edge[1] == "begin":
            begin = edge.end()
            for _ in range(_ARGUMENTS[edge[2]]):
                begin = closing(text, text.find("{", begin)) if "{" in text[begin:] else begin
        elif depth == 0 and begin:
            yield _Body(text[begin : edge.start()], text.count("\n", 0, begin) + 1)


def _rows(body: _Body, source: str) -> tuple[list[SpannedRow], int | None]:
    """Rows of a table, and the number of those above the first rule below a row; None where there is none such."""
    rows: list[SpannedRow] = []
    fields: tuple[str, ...] = ()
    headers: int | None = None
    found: list[tuple[int, int]] = []
    for begin, end in _pieces(body.text, _ROW_END):
        at, ruled = _skip_rules(body.text, begin, end)
        if ruled and found and headers is None:
            headers = len(found)
        if body.text[at:end].strip():
            found.append((at + len(body.text[at:end]) - len(body.text[at:end].lstrip()), end))
    lines = [body.line + body.text.count("\n", 0, at) for at, _ in found]
    for place, (at, end) in zip(places(lines), found, strict=True):
        rows.append(_row(body, at, end, source, place, fields))
        fields = fields or tuple(each.text for each in rows[0].cells)
    return rows, headers if headers is not None and _is_header(rows[:headers]) else None


def _is_header(rows: list[SpannedRow]) -> bool:
    """Whether rows above a rule may all be of a header: few, without decimals below the first."""
    texts = [each.text for row in rows[1:] for each in row.cells]
    return len(rows) <= MOST and not any(re.search(r"\d\.\d", text) for text in texts)


def _row(body: _Body, begin: int, end: int, source: str, place: str, fields: tuple[str, ...]) -> SpannedRow:
    def refuse(at: int) -> Callable[[str, str, str], RunsError]:
        column = (fields[at] if at < len(fields) else "") or str(at + 1)
        return lambda found, expected, hint: cell_error(source, place, column, found, expected, hint)

    parts = _pieces(body.text[begin:end], re.compile("&"))
    cells = [cell(body.text[begin + a : begin + b], refuse(at)) for at, (a, b) in enumerate(parts)]
    texts = without_dashes([each.text for each in cells], header=not fields)
    return SpannedRow(place, tuple(replace(each, text=text) for each, text in zip(cells, texts, strict=True)))


def _pieces(text: str, separator: re.Pattern[str]) -> list[tuple[int, int]]:
    """Begins and ends of the pieces between separators outside braces."""
    pieces, begin, at = [], 0, 0
    while at < len(text):
        found = separator.match(text, at)
        if found is not None:
            pieces.append((begin, at))
            begin = at = found.end()
        elif text[at] == "\\":
            at += 2
        else:
            at = closing(text, at) if text[at] == "{" else at + 1
    return [*pieces, (begin, len(text))]


def _skip_rules(text: str, at: int, end: int) -> tuple[int, bool]:
    """Index behind the rules at the begin of a row, and whether one of them is over the whole width."""
    ruled = False
    while (rule := _RULE.match(text, at, end)) is not None:
        at = rule.end()
        ruled = ruled or rule[1] in {"midrule", "hline"}
        for _ in range(_RULE_ARGUMENTS.get(rule[1], 0)):
            at = closing(text, text.find("{", at)) if "{" in text[at:end] else at
    return at, ruled
