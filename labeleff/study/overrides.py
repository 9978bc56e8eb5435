"""Overrides `--set key=value` as nested tables: values are TOML, or else plain text."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any

from labeleff.errors import StudyError

_PART = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^."'=]+?)\s*([.=])""")
"""One part of a dotted key with its end sign; in quotes it may hold dots and equals signs, as in TOML."""


_NUMBERS = re.compile(r"[\d_.eE+-]+(\s*,\s*[\d_.eE+-]+)+")


def bare_value(text: str) -> Any:
    """A value from the command line: parsed as TOML if possible, else the text itself; `50,200` is a list."""
    for attempt in (text, f"[{text}]") if _NUMBERS.fullmatch(text) else (text,):
        try:
            return tomllib.loads(f"value = {attempt}")["value"]
        except (ValueError, RecursionError):
            continue
    return text


def _split(assignment: str) -> tuple[list[str], str]:
    """The parts of a key, without their quotes, and the value's text."""
    path: list[str] = []
    at = 0
    while (part := _PART.match(assignment, at)) is not None:
        path.append(bare_value(part[1]) if part[1][0] in "\"'" else part[1])
        at = part.end()
        if part[2] == "=":
            return path, assignment[at:]
    raise StudyError(
        f"--set {assignment!r}: expected key=value, e.g. --set draws=1, or, where a name holds dots, "
        """--set 'budget."package.module:f".lr=0.1'"""
    )


def assign(table: dict[str, Any], assignment: str) -> None:
    """Set `a.b=value` in nested tables; raises StudyError for another text or a key inside a value."""
    (*path, last), text = _split(assignment)
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise StudyError(f"--set {assignment!r}: {part!r} is no table")
    table[last] = bare_value(text)


def nested_tables(assignments: Sequence[str]) -> dict[str, Any]:
    """Nested tables from `key=value` texts; StudyError for one that isn't."""
    table: dict[str, Any] = {}
    for assignment in assignments:
        assign(table, assignment)
    return table
