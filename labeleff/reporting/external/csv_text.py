"""Bytes of a delimited file to records of fields, each with the line it begins in; strict about quotes and UTF-8."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator

from labeleff.errors import RunsError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
LONGEST = 2000
"""Characters of a record in which the field at fault is looked for."""
Record = tuple[int, list[str]]
"""Line (from 1) and fields without surrounding spaces."""


def decode(content: bytes, source: str) -> str:
    """Text of a file in UTF-8, without its byte order mark; RunsError with line and character for anything else."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RunsError(f"{source}, line 1, character 1: found UTF-16, expected UTF-8; save it again as CSV UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        lines = re.split(r"\r\n|\r|\n", error.object[: error.start].decode("utf-8"))
        where = f"{source}, line {len(lines)}, character {len(lines[-1]) + 1}"
        found = f"the byte 0x{error.object[error.start]:02x}, which isn't UTF-8"
        raise RunsError(f"{where}: found {found}, expected UTF-8; save it again as CSV UTF-8") from error


def records(text: str, delimiter: str, source: str) -> Iterator[Record]:
    """Records in their order; blank lines are left out. RunsError for quotes that aren't closed or end mid-field."""
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
    """The delimiter that finds most of `names` in the first record, then the one that gives most fields there."""
    wanted = set(names)

    def merit(delimiter: str) -> tuple[int, int]:
        try:
            _, fields = next(records(text, delimiter, "the header"), (1, []))
        except RunsError:
            return 0, 0
        return len(wanted & set(fields)), len(fields)

    return max(DELIMITERS, key=merit)
