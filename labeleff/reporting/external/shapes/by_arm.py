"""Tables with a column per arm beside the label count."""

from __future__ import annotations

import re
from dataclasses import replace

from labeleff.reporting.external.grid import cell_error
from labeleff.reporting.external.shapes import names
from labeleff.reporting.external.shapes.columns import Columns, quote_list
from labeleff.reporting.external.shapes.headers import run_of
from labeleff.reporting.external.shapes.layout import Layout, ValueColumn
from labeleff.reporting.external.shapes.spreads import all_ends, beside, ends_beside

UNSURE = 3
"""Rank of names that only contain a metric's."""
_COUNTED = re.compile(r"(.+?)[ _.#-]?([0-9]{1,3})")
_MEAN = re.compile(r"[ _-]*(?:mean|avg|average)$|^(?:mean|avg|average)[ _-]*", re.IGNORECASE)


def arm_columns(columns: Columns) -> list[int]:
    """Indices of the columns that may be arms: values, no spreads, ends of intervals, epochs or training results."""
    arms = _candidates(columns)
    ends = all_ends(columns, arms)
    return [at for at in arms if at not in ends]


def _candidates(columns: Columns) -> list[int]:
    """Indices of arms and of what may be ends of their intervals.

    Where the table is said to be by arm, a name such as `MAE` is an arm's too; a mean over arms isn't.
    """
    fields, said, same = columns.grid.fields, columns.reading.shape == "by-arm", sisters(columns)
    return [
        at
        for at in columns.value_columns()
        if names.metric_rank(fields[at]) in (None, UNSURE) or at in same or (said and not names.is_average(fields[at]))
    ]


def sisters(columns: Columns) -> set[int]:
    """Indices of columns that end in one word for what was measured, with names of arms before it: `CE loss`, `X loss`.

    None where each name is that of a metric as a whole (`top1 acc`, `balanced acc`), or one is that word alone.
    """
    fields, ends = columns.grid.fields, columns.value_columns()
    last = {at: re.split(r"[ _]", fields[at])[-1] for at in ends}
    for word in dict.fromkeys(last.values()):
        found = {at for at in ends if last[at] == word}
        known = names.metric_rank(word) in (0, 1) and any(names.metric_rank(fields[at]) == UNSURE for at in found)
        if len(found) > 1 and known and all(names.metric_words(fields[at]) != names.metric_words(word) for at in found):
            return found
    return set()


def _ends(columns: Columns, arms: list[int]) -> set[int]:
    """Indices of ends of the arms' intervals, which all arms have. Raises RunsError where they may be arms.

    Where the table is said to be by arm, those that not all have are arms.
    """
    ends = {at: each for at in arms if (each := ends_beside(columns, at))}
    found = set().union(*ends.values())
    if len(ends) + len(found) == len(arms) or not ends:
        return found
    if columns.reading.shape == "by-arm":
        return set()
    fields = columns.grid.fields
    at, (low, high) = next(iter(ends.items()))
    other = next(at for at in arms if at not in ends and at not in found)
    text = f"{quote_list([fields[low], fields[high]])}, which may be arms or an interval of {fields[at]!r}"
    expected = f"one reading, as {fields[other]!r} has no interval"
    hint = f"give --shape by-arm for arms; name ends of intervals like '{fields[at]}_ci_low'"
    raise cell_error(columns.grid.source, columns.grid.place, fields[low], text, expected, hint)


def layout(columns: Columns) -> Layout:
    """Layout of a table with a column per arm. Raises RunsError for one without label counts."""
    grid = columns.grid
    if columns.find("n") is None:
        raise columns.missing("n")
    rows = {name: place for name in ("n", "task", "draw", "seed") if (place := columns.find(name)) is not None}
    runs = columns.run_columns()
    candidates = _candidates(columns)
    ends = _ends(columns, candidates)
    arms = [at for at in candidates if at not in ends]
    if not arms:
        raise columns.missing("arm")
    _check_numbers(columns, arms)
    values = []
    for at in arms:
        value = beside(columns, at, alone=False)
        if value.ends and set(value.ends) <= set(arms):
            value = replace(value, ends=None, kind=None)
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
