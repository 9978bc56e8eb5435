"""Strict parser of delimited text in UTF-8: records of fields with their lines."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator

from labeleff.errors import RunsError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
NAMES = {**DELIMITERS, " ": "spaces"}
"""What separates fields in messages; spaces, as R's write.table writes them, are detected alone."""
PREFERENCE = ",;\t"
"""Delimiters from the last to the first choice, where lines are regular by several."""
SNIFFED = 20
"""Number of records that a delimiter is detected by."""
LONGEST = 2000
"""Number of characters of a record that are searched for the field at fault."""
SPACES = " \t\v\f\x1c\x1d\x1e\x1f"
"""Characters of ASCII that are left out around fields."""
Record = tuple[int, list[str]]
"""Line (from 1) and fields without surrounding spaces."""


def decode(content: bytes, source: str) -> str:
    """Decode a file in UTF-8, or in UTF-16 with a byte order mark, without that mark.

    Raises RunsError, with line and character, for others.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as error:
            found = "UTF-16 that breaks off or is damaged"
            raise RunsError(f"{source}, line 1, character 1: found {found}, expected UTF-8 or UTF-16") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        lines = re.split(r"\r\n|\r|\n", error.object[: error.start].decode("utf-8"))
        where = f"{source}, line {len(lines)}, character {len(lines[-1]) + 1}"
        byte = f"the byte 0x{error.object[error.start]:02x}, which isn't UTF-8"
        raise RunsError(f"{where}: found {byte}, expected UTF-8; save it again as CSV UTF-8") from error


def records(text: str, delimiter: str, source: str) -> Iterator[Record]:
    """Parse records in their order, without blank lines. Raises RunsError for quotes that are open or end mid-field."""
    spaced = delimiter == " "
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=spaced)
    if '"' not in text:
        spaces = not text.isascii() or any(space in text for space in SPACES.replace(delimiter, ""))
        lines = ([field.strip() for field in fields] for fields in reader) if spaces else reader
        yield from ((line, fields) for line, fields in enumerate(lines, start=1) if len(fields) > 1 or any(fields))
        return
    begin = 1
    while True:
        try:
            fields = list(map(str.strip, next(reader)))
        except StopIteration:
            return
        except csv.Error as error:
            where = f"{source}, line {begin}, column {_fault(text, delimiter, begin)}"
            expected = f"fields separated by {NAMES[delimiter]}, quotes around whole fields alone and closed"
            raise RunsError(f"{where}: found a field that can't be read ({error}), expected {expected}") from error
        if len(fields) > 1 or any(fields):
            yield begin, fields
        begin = reader.line_num + 1


def _fault(text: str, delimiter: str, line: int) -> int:
    """Number (from 1) of the field that breaks the rules of quotes in the record that begins in `line`."""
    record = "".join(itertools.islice(io.StringIO(text, newline=""), line - 1, None))[:LONGEST]
    for end in range(1, len(record)):
        try:
            next(csv.reader(io.StringIO(record[:end], newline=""), delimiter=delimiter, strict=True))
        except csv.Error as error:
            if "expected after" in str(error):
                return len(next(csv.reader(io.StringIO(record[:end], newline=""), delimiter=delimiter)))
    return len(next(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter)))


def _first(text: str, delimiter: str) -> list[list[str]]:
    """Fields of the first records, up to one that can't be read."""
    found: list[list[str]] = []
    with contextlib.suppress(RunsError):
        found.extend(fields for _, fields in itertools.islice(records(text, delimiter, "the first lines"), SNIFFED))
    return found


def sniff(text: str, names: Iterable[str]) -> str:
    """Detect the delimiter: the one with most of `names` in the first record.

    Then the first of tab, semicolon and comma by which the first records all have as many fields, two or more (so
    that decimal commas beside semicolons stay within their fields); then the one with most fields in the first. Spaces
    are taken where none of these separates anything, and all lines have as many words.
    """
    expected = set(names)

    def merit(delimiter: str) -> tuple[int, bool, int]:
        header, *rows = _first(text, delimiter) or [[]]
        regular = _regular(header, rows)
        return len(expected & set(header)), regular, PREFERENCE.index(delimiter) if regular else len(header)

    best = max(DELIMITERS, key=merit)
    if merit(best) > (0, False, 1):
        return best
    header, *rows = _first(text, " ") or [[]]
    return " " if rows and _regular(header, rows) else best


def _regular(header: list[str], rows: list[list[str]]) -> bool:
    """Whether all lines have as many fields as the header, two or more; rows may have one more for R's names."""
    return len(header) > 1 and all(len(fields) in (len(header), len(header) + 1) for fields in rows)
