"""JSON as text of its values: numbers keep their digits, NaN keeps its name, and no key counts twice."""

from __future__ import annotations

import json
import json.scanner
from collections.abc import Sequence
from typing import Any

from labeleff.errors import RunsError


class Number(str):
    """The text of a number, NaN or Infinity in JSON."""

    __slots__ = ()


class _DuplicateKeyError(Exception):
    """A key that an object has twice."""


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _DuplicateKeyError(next(key for at, key in enumerate(keys) if key in keys[:at]))
    return found


class _Decoder(json.JSONDecoder):
    """Decoder whose leaves are text: `Number`, str, "true", "false", and "" for null."""

    def __init__(self) -> None:
        super().__init__(
            object_pairs_hook=_unique, parse_float=Number, parse_int=Number, parse_constant=Number, strict=True
        )


def parse(text: str, source: str, line: int = 1) -> Any:
    """Parse a whole text, which begins at `line` of its file: dicts and lists of text.

    Raises RunsError with line and character for what isn't JSON, and with the key for one that an object has twice.
    """
    try:
        value = _Decoder().decode(text)
    except json.JSONDecodeError as error:
        where = f"{source}, line {line + error.lineno - 1}, character {error.colno}"
        raise RunsError(f"{where}: found text that isn't JSON ({error.msg}), expected JSON") from error
    except _DuplicateKeyError as error:
        where = f"{source}, line {line + _line_of_duplicate(text) - 1}"
        raise RunsError(
            f"{where}: found the key {str(error)!r} twice in the object, expected every key once"
        ) from error
    except RecursionError as error:
        raise RunsError(f"{source}, line {line}: found JSON nested too deeply, expected a table") from error
    return _texts(value)


def _texts(value: Any) -> Any:
    """A value whose leaves are all text."""
    if isinstance(value, dict):
        return {key: _texts(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_texts(inner) for inner in value]
    if isinstance(value, str):
        return value
    return {None: "", True: "true", False: "false"}[value]


def _line_of_duplicate(text: str) -> int:
    """Line (from 1) where the object with the key twice begins: parsed again, slowly, with positions."""
    decoder: Any = _Decoder()
    begins: list[int] = []

    def positioned(at: tuple[str, int], *arguments: Any) -> Any:
        try:
            return json.decoder.JSONObject(at, *arguments)  # type: ignore[attr-defined]
        except _DuplicateKeyError:
            begins.append(at[1])
            raise

    decoder.parse_object = positioned
    decoder.scan_once = json.scanner.py_make_scanner(decoder)  # type: ignore[attr-defined]
    try:
        decoder.decode(text)
    except _DuplicateKeyError:
        return text.count("\n", 0, begins[0]) + 1
    return 1
