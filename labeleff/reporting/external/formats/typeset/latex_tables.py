"""Tables of LaTeX (tabular and its kin) to grids: rows, cells over several columns or rows, rules below headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.spans import SpannedRow, plain
from labeleff.reporting.external.formats.squaring import square
from labeleff.reporting.external.formats.typeset.latex_macros import RULES
from labeleff.reporting.external.formats.typeset.latex_text import cell, closing
from labeleff.reporting.external.formats.typeset.marks import without_dashes
from labeleff.reporting.external.grid import Grid, cell_error
from labeleff.reporting.external.reading import Reading, choose

MOST = 3
"""Largest number of header rows above a rule."""

_ARGUMENTS = {
    **dict.fromkeys(("tabular", "longtable", "longtable*", "array", "tabu", "supertabular", "NiceTabular"), 1),
    **dict.fromkeys(("tabular*", "tabularx", "tabulary", "NiceTabular*", "NiceTabularX"), 2),
}
"""Environments of tables, with their numbers of arguments."""
_NAMES = "|".join(map(re.escape, _ARGUMENTS))
_EDGE = re.compile(rf"\\(begin|end)\{{({_NAMES})\}}")
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%[^\n]*")
_RULE = re.compile(rf"\s*\\({'|'.join(RULES)})(?![A-Za-z])(?:\s*\([^)]*\)|\s*\[[^\]]*\])*")
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


def read(text: str, source: str, options: Reading) -> Grid:
    """Read the table of a text, of several the one that `sheet` numbers.

    Raises RunsError with line and column, for macros that aren't known too.
    """
    bodies = list(_bodies(_COMMENT.sub(r"\1", text.replace("\r\n", "\n").replace("\r", "\n"))))
    numbered = {str(at): f"line {body.line}" for at, body in enumerate(bodies, start=1)}
    name, notes = choose(source, "table", numbered, options.sheet)
    rows, headers = _rows(bodies[int(name) - 1], source)
    if not rows:
        raise RunsError(f"{source}, line {bodies[int(name) - 1].line}: found a table without rows, expected some")
    flat, left, sections = plain(rows, headers)
    return replace(square(source, flat, [*notes, *left]), sections=sections)


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
    for begin, end in _pieces(body.text, _ROW_END):
        at, ruled = _skip_rules(body.text, begin, end)
        if ruled and rows and headers is None:
            headers = len(rows)
        if not body.text[at:end].strip():
            continue
        at += len(body.text[at:end]) - len(body.text[at:end].lstrip())
        row = _row(body, at, end, source, fields)
        fields = fields or tuple(each.text for each in row.cells)
        rows.append(row)
    return rows, headers if headers is not None and _is_header(rows[:headers]) else None


def _is_header(rows: list[SpannedRow]) -> bool:
    """Whether rows above a rule may all be of a header: few, without decimals below the first."""
    texts = [each.text for row in rows[1:] for each in row.cells]
    return len(rows) <= MOST and not any(re.search(r"\d\.\d", text) for text in texts)


def _row(body: _Body, begin: int, end: int, source: str, fields: tuple[str, ...]) -> SpannedRow:
    place = f"line {body.line + body.text.count(chr(10), 0, begin)}"

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
