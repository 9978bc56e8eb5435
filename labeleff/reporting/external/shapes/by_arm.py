"""Tables with a column per arm beside the label count."""

from __future__ import annotations

import re
from dataclasses import replace

from labeleff.reporting.external.grid import cell_error
from labeleff.reporting.external.shapes import names
from labeleff.reporting.external.shapes.columns import Columns, quote_list
from labeleff.reporting.external.shapes.headers import run_of
from labeleff.reporting.external.shapes.layout import Layout, ValueColumn
from labeleff.reporting.external.shapes.spreads import all_ends, beside

_COUNTED = re.compile(r"(.+?)[ _.#-]?([0-9]{1,3})")
_MEAN = re.compile(r"[ _-]*(?:mean|avg|average)$|^(?:mean|avg|average)[ _-]*", re.IGNORECASE)


def arm_columns(columns: Columns) -> list[int]:
    """Indices of the columns that may be arms: values, no spreads, ends of intervals, epochs or training results."""
    arms = [at for at in columns.value_columns() if names.metric_rank(columns.grid.fields[at]) in (None, 3)]
    ends = all_ends(columns, arms)
    return [at for at in arms if at not in ends]


def layout(columns: Columns) -> Layout:
    """Layout of a table with a column per arm. Raises RunsError for one without label counts."""
    grid = columns.grid
    if columns.find("n") is None:
        raise columns.missing("n")
    rows = {name: place for name in ("n", "task", "draw", "seed") if (place := columns.find(name)) is not None}
    runs = columns.run_columns()
    arms = arm_columns(columns)
    if not arms:
        raise columns.missing("arm")
    _check_numbers(columns, arms)
    values = []
    for at in arms:
        value = beside(columns, at, alone=False)
        arm, run = run_of(grid.fields[at]) or (grid.fields[at], None)
        if not arm:
            found = f"the columns {quote_list([grid.fields[at] for at in arms])}"
            raise cell_error(grid.source, grid.place, "arm", found, "names of arms")
        values.append(replace(value, arm=_MEAN.sub("", arm) if value.kind else arm, run=run))
    values, metric = _without_metric(values)
    return Layout("by-arm", tuple(values), rows, runs, metric)


def _without_metric(values: list[ValueColumn]) -> tuple[list[ValueColumn], str]:
    """Take the word for what was measured off the arms' names, where all of them end in the same one."""
    ends = {re.split(r"[ _]", value.arm or "")[-1] for value in values}
    end = next(iter(ends))
    if len(ends) > 1 or names.metric_rank(end) not in (0, 1) or any(value.arm == end for value in values):
        return values, ""
    return [replace(value, arm=(value.arm or "")[: -len(end)].rstrip(" _")) for value in values], end


def _check_numbers(columns: Columns, arms: list[int]) -> None:
    """Refuse columns x_1, x_2 ..., which may be arms or runs of one arm."""
    numbered: dict[str, set[int]] = {}
    fields = columns.grid.fields
    for at in arms:
        match = _COUNTED.fullmatch(fields[at])
        if match and columns.reading.shape is None and not re.search(r"[^a-z]v$", match[1], re.IGNORECASE):
            numbered.setdefault(match[1], set()).add(int(match[2]))
    for name, found in numbered.items():
        if (
            len(found) > 1
            and found in (set(range(len(found))), set(range(1, len(found) + 1)))
            and not run_of(f"{name}1")
        ):
            same = [fields[at] for at in arms if fields[at].startswith(name)]
            text = f"{quote_list(same)}, which may be {len(found)} arms or {len(found)} runs of one"
            hint = "give --shape by-arm for arms; name runs like 'x_run1'"
            raise cell_error(columns.grid.source, columns.grid.place, same[0], text, "one reading", hint)
