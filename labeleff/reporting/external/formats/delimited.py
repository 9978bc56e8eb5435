"""Delimited text to a grid, as Excel, R and people write it: `sep=;`, comment lines, empty rows, row names."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from labeleff.errors import RunsError
from labeleff.reporting.external.csv_text import DELIMITERS, NAMES, decode, records, sniff
from labeleff.reporting.external.formats.squaring import ragged, square, untitled
from labeleff.reporting.external.grid import Grid, Row, cell_error, counted, is_note, quote
from labeleff.reporting.external.reading import Reading

USUAL = ("arm", "n", "run", "accuracy", "draw", "seed", "task")
"""Names of columns by which a delimiter is recognised first."""

_SEPARATOR = re.compile(r'(\ufeff?"?sep=(.)"?)[ ;,\t]*(?=\r|\n|$)', re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][+-]?[0-9]+)?\s*%?")
_BEGINS_WITH_NUMBER = re.compile(r"[+-]?[.,]?[0-9]")

Comments = Sequence[tuple[int, str]]
"""Lines (from 1) that begin with #, and their text."""


def read(content: bytes, source: str, options: Reading) -> Grid:
    """Read a file's bytes. Raises RunsError with line and column for whatever isn't a rectangular table of text."""
    text, comments = _apart(decode(content, source))
    text, declared = _without_separator(text, source)
    delimiter = options.delimiter or declared or _sniffed(text, [*USUAL, *options.columns.values()])
    rows = [Row(f"line {line}", tuple(fields)) for line, fields in records(text, delimiter, source)]
    if not rows:
        column = options.columns.get("arm", "arm")
        raise cell_error(source, "line 1", column, "an empty file", "a header, and one row per run")
    rows, comments = _with_commented_header(rows, comments, delimiter)
    rows, titles = untitled(rows)
    _check_comments(source, rows[0].cells, comments, delimiter)
    notes = [f"fields are separated by {NAMES[delimiter]}", *titles]
    if comments:
        notes.append(f"{counted(len(comments), 'comment line')} left out")

    def unequal(fields: tuple[str, ...], row: Row) -> RunsError:
        return ragged(source, fields, row, _hint(fields, row.cells, delimiter))

    return square(source, _with_whole_notes(rows), notes, unequal=unequal, delimiter=delimiter)


def _sniffed(text: str, names: Sequence[str]) -> str:
    """Detect the delimiter; a title of lines that have none doesn't count."""
    found = sniff(text, names)
    lines = io.StringIO(text, newline="").readlines()
    begin = next((at for at, line in enumerate(lines) if any(each in line for each in DELIMITERS)), 0)
    titled = any(map(str.strip, lines[:begin])) and found != " "
    return sniff("".join(lines[begin:]), names) if titled else found


def _with_whole_notes(rows: list[Row]) -> list[Row]:
    """Rows of which the last are as long as the header where they are notes without delimiters."""
    width = len(rows[0].cells)
    end = len(rows)
    while end > 1 and len(rows[end - 1].cells) == 1 < width and is_note(rows[end - 1].cells[0]):
        end -= 1
    return [*rows[:end], *(Row(place, (*cells, *[""] * (width - 1))) for place, cells in rows[end:])]


def _apart(text: str) -> tuple[str, Comments]:
    """Text with its comment lines blank, and those lines; a line within quotes is none."""
    if not (text.startswith("#") or "\n#" in text or "\r#" in text):
        return text, []
    lines, comments, quotes = [], [], 0
    for number, line in enumerate(io.StringIO(text, newline=""), start=1):
        if line.startswith("#") and quotes % 2 == 0:
            body = line.rstrip("\r\n")
            comments.append((number, body))
            lines.append(line[len(body) :])
        else:
            quotes += line.count('"')
            lines.append(line)
    return "".join(lines), comments


def _without_separator(text: str, source: str) -> tuple[str, str | None]:
    """Text with Excel's first line `sep=;` blank, and the delimiter that it declares; None where there is none."""
    found = _SEPARATOR.match(text)
    if found is None:
        return text, None
    if found[2] not in DELIMITERS:
        expected = f"sep= with {', '.join(DELIMITERS.values())}"
        raise RunsError(f"{source}, line 1, character 5: found {quote(found[0])}, expected {expected}")
    return text[found.end() :], found[2]


def _with_commented_header(rows: list[Row], comments: Comments, delimiter: str) -> tuple[list[Row], Comments]:
    """Take the header out of the comments, where `# arm,n,accuracy` is right above rows of numbers (numpy's way)."""
    first = int(rows[0].place.removeprefix("line "))
    above = [comment for comment in comments if comment[0] < first]
    if not above or not any(map(_BEGINS_WITH_NUMBER.match, rows[0].cells)):
        return rows, comments
    line, text = above[-1]
    fields = _fields(text.lstrip("# "), delimiter)
    if len(fields) != len(rows[0].cells) or len(fields) == 1 or any(map(_NUMBER.fullmatch, fields)):
        return rows, comments
    header = Row(f"line {line}", fields)
    return [header, *rows], [comment for comment in comments if comment[0] != line]


def _check_comments(source: str, header: tuple[str, ...], comments: Comments, delimiter: str) -> None:
    """Refuse a comment line that may be a row: an arm's name may begin with #, and so may a row put aside."""
    for line, text in comments:
        fields = _fields(text, delimiter)
        if len(fields) == len(header) > 1 and any(map(_NUMBER.fullmatch, fields[1:])):
            hint = "delete it if it is a comment, or put its first field in quotes if it is a row"
            found = f"{quote(text)}, with as many fields as the header"
            raise cell_error(source, f"line {line}", header[0] or "1", found, "a comment or a row", hint)


def _fields(text: str, delimiter: str) -> tuple[str, ...]:
    return tuple(field.strip() for field in next(csv.reader([text], delimiter=delimiter), []))


def _hint(fields: tuple[str, ...], cells: tuple[str, ...], delimiter: str) -> str:
    """What may be wrong with a row that is too short or too long."""
    if len(cells) == 1:
        return f"the header is separated by {NAMES[delimiter]}"
    if len(cells) < len(fields):
        return "a field is missing"
    commas = delimiter == "," and any(cell.isdigit() for cell in cells)
    return "quote fields that hold the delimiter" + (", and write decimals with a point, not a comma" if commas else "")
