"""Tables of Markdown with pipes to grids: marks of emphasis and footnotes go, escapes and entities are read."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.squaring import square
from labeleff.reporting.external.formats.typeset import latex_text
from labeleff.reporting.external.formats.typeset.marks import attach, unmarked, without_dashes
from labeleff.reporting.external.grid import Grid, Row, cell_error
from labeleff.reporting.external.reading import Offer
from labeleff.reporting.external.shapes.layout import NOT_MEASURED

_RULE = re.compile(r"[ \t>]*\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_CELLS = re.compile(r"(?<!\\)\|")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|<>~%$&^])")
_PRIVATE = 0xE000
_CODE = re.compile(r"(?<![\\`])(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_EMPHASIS = (
    re.compile(r"(\*\*\*|\*\*|\*)(?=\S)(.+?)(?<=\S)\1"),
    re.compile(r"(?<![^\W_])(___|__|_)(?=\S)(.+?)(?<=\S)\1(?![^\W_])"),
    re.compile(r"<(b|i|u|em|strong|span|code|font|mark|small)(?:\s[^>]*)?>(.*?)</\1>", re.IGNORECASE),
)
_LINK = re.compile(r"!?\[([^\]^]*)\]\([^)]*\)")
_RAISED = re.compile(r"<(sup|sub)>(.*?)</\1>|\[\^([^\]]+)\]|(\^)([^\s^]+)\^", re.IGNORECASE)
_MATH = re.compile(r"\$([^$]+)\$")
_FOOTNOTE = re.compile(r"[ \t>]*\[\^[^\]]+\]:")
_SIGN, _END = "\ue100", "\ue101"
_REFERENCE = re.compile(f"{_SIGN}([^{_END}]*){_END}")
"""Marks of footnotes behind names, in signs of their own until it is known whether names differ by them."""

Line = tuple[int, str]
"""Number of a line (from 1), and its text."""


def is_markdown(text: str) -> bool:
    """Whether a text has a table of Markdown: a line with a pipe above a rule of dashes and pipes."""
    return "|" in text and next(_tables(text), None) is not None


def offers(text: str, source: str) -> list[Offer]:
    """All tables of a text."""
    return [Offer(lines[0][0], partial(_read, lines, source), _split(lines[0][1])) for lines in _tables(text)]


def _read(lines: Sequence[Line], source: str) -> Grid:
    (at, header), *body = [(line, _split(cells)) for line, cells in (lines[0], *lines[2:])]
    plain = [_row(source, line, _whole(fields, len(header)), header) for line, fields in body]
    rows = [
        Row(f"line {line}", tuple(without_dashes(cells)))
        for (line, _), cells in zip(body, _unreferenced(plain), strict=True)
    ]
    names = [name for (name,) in _unreferenced([(name,) for name in _row(source, at, header, header)])]
    return square(source, [Row(f"line {at}", tuple(without_dashes(names, header=True))), *rows])


def _tables(text: str) -> Iterator[Sequence[Line]]:
    """Lines of every table: header, rule, and rows up to a line without a pipe, or of a footnote."""
    lines = list(enumerate(text.splitlines(), start=1))
    at = 0
    while at + 1 < len(lines):
        above, rule = lines[at][1], lines[at + 1][1]
        if "|" in above and "|" in rule and _RULE.match(rule) and len(_split(above)) == len(_split(rule)):
            end = next((to for to in range(at + 2, len(lines)) if _ends(lines[to][1])), len(lines))
            yield lines[at:end]
            at = end
        else:
            at += 1


def _whole(fields: tuple[str, ...], width: int) -> tuple[str, ...]:
    """Cells of a line; one that has a single cell, as headings of rows may, has empty ones behind it."""
    return (*fields, *[""] * (width - 1)) if len(fields) == 1 and width > 2 else fields


def _ends(line: str) -> bool:
    return "|" not in line or _FOOTNOTE.match(line) is not None


def _split(line: str) -> tuple[str, ...]:
    """Cells of a line, without its outer pipes; a pipe after a backslash is text."""
    inner = line.strip().lstrip("> ").removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return tuple(cell.strip() for cell in _CELLS.split(inner))


def _unreferenced(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Cells without marks of footnotes behind names; names of a column that differ by these alone keep them."""
    written: dict[tuple[int, str], set[str]] = {}
    for row in rows:
        for at, cell in enumerate(row):
            written.setdefault((at, _REFERENCE.sub("", cell)), set()).add(cell)
    several = {key for key, cells in written.items() if len(cells) > 1 and key[1].casefold() not in NOT_MEASURED}
    return [
        tuple(
            _REFERENCE.sub(r"^\1" if (at, _REFERENCE.sub("", cell)) in several else "", cell)
            for at, cell in enumerate(row)
        )
        for row in rows
    ]


def _row(source: str, line: int, fields: Sequence[str], header: Sequence[str]) -> tuple[str, ...]:
    """Plain text of a line's cells; marks of footnotes behind names are put in signs of their own."""

    def refuse(at: int) -> Callable[[str, str, str], RunsError]:
        column = header[at] if at < len(header) and header[at] else str(at + 1)
        return lambda found, expected, hint: cell_error(source, f"line {line}", column, found, expected, hint)

    return tuple(_plain(field, refuse(at)) for at, field in enumerate(fields))


def _kept(text: str) -> str:
    """Text within code, its marks in signs of their own until those around it are read."""
    return re.sub(r"[\\`*_\[\]<>~$&^!|]", lambda mark: chr(_PRIVATE + ord(mark[0])), text)


def _plain(cell: str, refuse: Callable[[str, str, str], RunsError]) -> str:
    """Text that a reader sees in a cell."""
    text = _CODE.sub(lambda code: _kept(code[2].replace("\\|", "|").strip()), cell)
    text = _MATH.sub(lambda math: latex_text.cell(math[0], refuse).text, text) if re.search(r"[\\^]", text) else text
    text = _ESCAPE.sub(lambda escape: chr(_PRIVATE + ord(escape[1])), text)
    text = re.sub(r"<br\s*/?>", " ", html.unescape(text), flags=re.IGNORECASE)
    text = _LINK.sub(r"\1", text)
    for marks in _EMPHASIS:
        text = marks.sub(r"\2", text)
    while (mark := _RAISED.search(text)) is not None:
        raised = mark[2] or mark[3] or mark[5] or ""
        base = text[: mark.start()].rstrip()
        attached = attach(base, raised, refuse)
        if mark[3] and base and attached in (f"{base}^{raised.strip()}", f"{base}{raised.strip()}"):
            attached = f"{base}{_SIGN}{raised.strip()}{_END}"
        text = attached + text[mark.end() :]
    text = re.sub(r"[\ue000-\ue0ff]", lambda private: chr(ord(private[0]) - _PRIVATE), text)
    return unmarked(text.strip(), refuse)
