"""Strict parser of delimited text in UTF-8: records of fields with their lines."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator

from labeleff.errors import RunsError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
LONGEST = 2000
"""Number of characters of a record that are searched for the field at fault."""
Record = tuple[int, list[str]]
"""Line (from 1) and fields without surrounding spaces."""


def decode(content: bytes, source: str) -> str:
    """Decode a file in UTF-8, without its byte order mark. Raises RunsError, with line and character, for others."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RunsError(f"{source}, line 1, character 1: found UTF-16, expected UTF-8; save it again as CSV UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        lines = re.split(r"\r\n|\r|\n", error.object[: error.start].decode("utf-8"))
        where = f"{source}, line {len(lines)}, character {len(lines[-1]) + 1}"
        byte = f"the byte 0x{error.object[error.start]:02x}, which isn't UTF-8"
        raise RunsError(f"{where}: found {byte}, expected UTF-8; save it again as CSV UTF-8") from error


def records(text: str, delimiter: str, source: str) -> Iterator[Record]:
    """Parse records in their order, without blank lines. Raises RunsError for quotes that are open or end mid-field."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begin = 1
    while True:
        try:
            fields = [field.strip() for field in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            where = f"{source}, line {begin}, column {_fault(text, delimiter, begin)}"
            expected = f"fields separated by {DELIMITERS[delimiter]}, quotes around whole fields alone and closed"
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


def sniff(text: str, names: Iterable[str]) -> str:
    """Detect the delimiter: the one with most of `names` in the first record, then the one with most fields in it."""
    expected = set(names)

    def merit(delimiter: str) -> tuple[int, int]:
        try:
            _, fields = next(records(text, delimiter, "the header"), (1, []))
        except RunsError:
            return 0, 0
        return len(expected & set(fields)), len(fields)

    return max(DELIMITERS, key=merit)
