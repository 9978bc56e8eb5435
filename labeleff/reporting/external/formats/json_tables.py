"""JSON to grids: lists of records, columns of values, values by label count, one record, or one per line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.json_levels import count_of, levels_grid
from labeleff.reporting.external.formats.json_text import Number, parse
from labeleff.reporting.external.formats.nesting import flat, records_grid
from labeleff.reporting.external.formats.squaring import square
from labeleff.reporting.external.grid import Grid, Row
from labeleff.reporting.external.reading import Reading

EXPECTED = (
    "a list of records, lists by column, values by arm and label count ({arm: {n: [values]}}), or a record per line"
)

_SPLITS = {"train", "training", "val", "valid", "validation", "dev", "test"}


def read(text: str, source: str, options: Reading) -> Grid:
    """Read a file's text. Raises RunsError for what isn't JSON, and for JSON in no known shape.

    An object that has the value's path (`options.value`), or that is one of many files without label counts among its
    keys, is one record.
    """
    value = _value(text, source)
    if isinstance(value, dict) and value and _is_record(value, options):
        return records_grid(source, [("the object", value)])
    return grid(value, source)


def _is_record(value: Mapping[str, Any], options: Reading) -> bool:
    paths = flat(value)
    one_of_many = options.pattern is not None and not any(map(count_of, ".".join(paths).split(".")))
    tables = any(_kind(inner) == "table" for inner in paths.values())
    return options.value in paths or (one_of_many and not tables)


def is_json(text: str) -> bool:
    """Whether a text begins as JSON does: with an object, or with a list."""
    begin = text.lstrip("\ufeff \t\r\n")
    if begin.startswith("{"):
        return True
    return begin.startswith("[") and begin[1:].lstrip()[:1] in set('{["]-0123456789') and "]" in begin


def _value(text: str, source: str) -> Any:
    """The file's value; of a file with an object per line the list of them, with their places."""
    lines = [(at, line) for at, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if len(lines) > 1 and _is_object(lines[0][1]):
        return [(f"line {at}", parse(line, source, at)) for at, line in lines]
    return parse(text, source)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def grid(value: Any, source: str) -> Grid:
    """Grid of a parsed value."""
    if isinstance(value, list):
        return _list_grid(value, source)
    if isinstance(value, dict) and value:
        return _object_grid(value, source)
    raise RunsError(f"{source}: found no table, expected {EXPECTED}")


def _list_grid(items: Sequence[Any], source: str) -> Grid:
    placed = [item if isinstance(item, tuple) else (f"item {at}", item) for at, item in enumerate(items, start=1)]
    if placed and all(isinstance(item, dict) for _, item in placed):
        texts = [value for _, item in placed for value in flat(item).values()]
        numbers = all(isinstance(value, (Number, list)) or value == "" for value in texts)
        return records_grid(source, placed, arm=PurePath(source).stem if numbers else None)
    if placed and all(isinstance(item, list) and all(isinstance(cell, str) for cell in item) for _, item in placed):
        return square(source, [Row(place, tuple(cell.strip() for cell in item)) for place, item in placed])
    wrong = next((place for place, item in placed if not isinstance(item, dict)), "item 1")
    raise RunsError(f"{source}, {wrong}: found something else than a record, expected {EXPECTED}")


def _object_grid(value: Mapping[str, Any], source: str) -> Grid:
    kinds = {_kind(inner) for inner in value.values()}
    if {"columns", "data"} <= value.keys():
        return _split_grid(value, source)
    if kinds == {"list"} and not all(map(count_of, value)):
        return _columns_grid(value, source)
    if kinds == {"text"} and not all(map(count_of, value)):
        return records_grid(source, [("the object", value)])
    if kinds <= {"list", "text", "object"} and ("object" not in kinds or kinds == {"object"}):
        return levels_grid(value, source)
    tables = [name for name, inner in value.items() if _kind(inner) == "table"]
    if len(tables) == 1:
        others = [name for name in value if name != tables[0]]
        found = _list_grid(value[tables[0]], source)
        notes = (*found.notes, f"{tables[0]!r} was read" + (f", not {', '.join(others)}" if others else ""))
        return Grid(source, found.place, found.fields, found.rows, notes, found.arm)
    if not tables:
        return records_grid(source, [("the object", value)])
    return _named_tables(value, source)


def _named_tables(value: Mapping[str, Any], source: str) -> Grid:
    """Grid of lists of records that belong to arms, {arm: [records]}, or where records have names to tasks."""
    placed = [(name, at, each) for name, items in value.items() for at, each in enumerate(items, start=1)]
    wrong = any(_kind(items) != "table" for items in value.values()) or _SPLITS & {name.lower() for name in value}
    if (
        wrong
        or not all(isinstance(each, dict) for _, _, each in placed)
        or not set.intersection(*(set(e[2]) for e in placed))
    ):
        tables = [name for name, inner in value.items() if _kind(inner) == "table"]
        raise RunsError(f"{source}: found lists of records in {', '.join(map(repr, tables))}, expected one")
    texts = [cell for _, _, each in placed for cell in flat(each).values()]
    level = "arm" if all(isinstance(cell, (Number, list)) or cell == "" for cell in texts) else "task"
    records = [(f"{name!r}, item {at}", {level: name, **each}) for name, at, each in placed]
    return records_grid(source, records, [f"keys are names of {level}s"])


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "list" if all(isinstance(cell, str) for cell in value) else "table"
    return "object" if isinstance(value, dict) else "text"


def _columns_grid(columns: Mapping[str, Sequence[str]], source: str) -> Grid:
    """Grid of lists of one length, by column."""
    lengths = {len(cells) for cells in columns.values()}
    if len(lengths) > 1:
        found = ", ".join(f"{len(cells)} in {name!r}" for name, cells in columns.items())
        raise RunsError(f"{source}: found columns of different lengths ({found}), expected one length")
    rows = [
        Row(f"item {at}", tuple(cell.strip() for cell in cells))
        for at, cells in enumerate(zip(*columns.values(), strict=True), start=1)
    ]
    return square(source, [Row("the names", tuple(name.strip() for name in columns)), *rows])


def _split_grid(value: Mapping[str, Any], source: str) -> Grid:
    """Grid of a list of names beside a list of rows (pandas' orient="split")."""
    return _list_grid([("the names", value["columns"]), *value["data"]], source)
