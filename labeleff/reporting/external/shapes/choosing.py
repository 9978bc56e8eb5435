"""Recognition of a table's shape, and of all that its header says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from labeleff.reporting.external.grid import Grid, cell_error
from labeleff.reporting.external.label_counts import parse
from labeleff.reporting.external.reading import Reading, Shape
from labeleff.reporting.external.shapes import by_arm, by_n, headers, long, names, repeats
from labeleff.reporting.external.shapes.columns import Columns, check_names, quote_list
from labeleff.reporting.external.shapes.headers import HeaderCount
from labeleff.reporting.external.shapes.layout import Layout

FEWEST = 2
"""Least number of rows of a name that tells several rows apart from others."""
WORDS: Mapping[Shape, str] = {
    "long": "one value per row",
    "by-arm": "wide by arm",
    "by-n": "wide by n",
    "by-task-and-n": "wide by task and n",
}


def recognise(grid: Grid, reading: Reading) -> tuple[Layout, tuple[str, ...]]:
    """Layout of a grid, and sentences on columns found by a common name.

    Raises RunsError for columns that aren't there, and for a header that may be read in two ways.
    """
    check_names(grid)
    columns = Columns(grid, reading, names.column_names(reading.columns))
    for name in reading.columns:
        columns.find(name)
    counts = headers.counts(columns, in_rows=_has_counts(columns))
    shape = reading.shape or _shape(columns, counts)
    if shape == "long":
        layout = long.layout(columns)
    elif shape == "by-arm":
        layout = by_arm.layout(columns)
    else:
        layout = by_n.layout(columns, counts, shape)
    layout = _with_nameless_task(columns, layout)
    ends = [grid.fields[at] for value in layout.values for at in value.ends or ()]
    guessed = [", ".join(dict.fromkeys(columns.guessed))] if columns.guessed else []
    return layout, (*guessed, *([f"ends of intervals from {quote_list(ends)}"] if ends else []))


def _with_nameless_task(columns: Columns, layout: Layout) -> Layout:
    """The layout with tasks from a column of words without a name, if it alone tells rows of the same names apart.

    Raises RunsError where they may be something else: there are tasks, the arms' names may be a setting's, or they name
    splits of the data.
    """
    grid = columns.grid
    found = [at for at, name in enumerate(grid.fields) if not name and at not in layout.used and columns.words_in(at)]
    found = [at for at in found if _tells_apart(grid, layout, at)]
    if not found:
        return layout
    arm = grid.fields[layout.rows["arm"]] if "arm" in layout.rows else ""
    unsure = "arm" not in columns.given and names.plain(arm) in names.tiers("arm")[-1]
    unsure = unsure or any(names.names_a_split(row.cells[found[0]]) for row in grid.rows)
    if len(found) > 1 or unsure or "task" in layout.rows or any(value.task for value in layout.values):
        cells = quote_list(list(dict.fromkeys(row.cells[found[0]] for row in grid.rows if row.cells[found[0]])))
        text = f"no name above {cells}, which tell rows of the same arm and label count apart"
        expected = "one that says what they are, e.g. dataset for tasks or method for arms"
        raise cell_error(grid.source, grid.place, str(found[0] + 1), text, expected)
    columns.guessed.append(f"task from column {found[0] + 1}, which has no name")
    return replace(layout, rows={**layout.rows, "task": found[0]})


def _tells_apart(grid: Grid, layout: Layout, at: int) -> bool:
    """Whether most names of a column are of several rows, and some rows differ in nothing but them and their values.

    A name may be written once over a block of rows; names of runs, and of single rows as R has them, are none.
    """
    places = [at, *layout.rows.values(), *layout.runs]
    above, keys = [""] * len(places), []
    for row in grid.rows:
        if any(cell for place, cell in enumerate(row.cells) if place != at):
            above = [row.cells[place] or last for place, last in zip(places, above, strict=True)]
            keys.append((above[0], tuple(above[1:])))
    times = Counter(name for name, _ in keys)
    shared = [name for name, rows in times.items() if rows >= FEWEST]
    if 2 * len(shared) <= len(times) or not all(re.search(r"[^\W\d_]", name) for name in times):
        return False
    if all(map(repeats.RUN.fullmatch, times)):
        return False
    several = set(keys)
    return len({key for _, key in several}) < len(several)


def _shape(columns: Columns, counts: list[HeaderCount]) -> Shape:
    """Shape from the header: the surest sign is a column of label counts beside one of values."""
    fields = columns.grid.fields
    has_n = _has_counts(columns)
    arms = by_arm.sisters(columns) if _all_in_header(columns) else set()
    others = [at for at in columns.free() if at not in arms | {each.at for each in counts}]
    has_value = "accuracy" in columns.given or any(columns.metric_rank(at) in (0, 1, 2) for at in others)
    if has_n and has_value:
        return "long"
    plain = [each for each in counts if not each.task]
    named = [each for each in counts if each.task]
    if has_n and len(plain) > 1:
        raise _twofold(columns, plain)
    if not has_n and not _is_data(columns):
        if len(plain) > 1 or (plain and len(plain) > len(named)):
            return "by-n"
        if named and not has_value:
            return "by-task-and-n"
    if has_n and not has_value and _no_arms(columns) and len(by_arm.arm_columns(columns)) > bool(columns.grid.arm):
        return "by-arm"
    if any(parse(name) for name in fields) and not any(map(names.is_known, fields)):
        raise columns.missing("arm")
    return "long"


def _no_arms(columns: Columns) -> bool:
    """Whether no column is named like one of arms, and none numbers runs alone."""
    trial = Columns(columns.grid, columns.reading, columns.given)
    trial.find("n")
    return trial.find("arm") is None and not repeats.named(trial)


def _all_in_header(columns: Columns) -> bool:
    """Whether arms can be in the header alone: neither the file nor a column of names, but for tasks, may be one."""
    tasks = set().union(*names.tiers("task"))
    named = (at for at in columns.free() if names.plain(columns.grid.fields[at]) not in tasks)
    return columns.grid.arm is None and not any(columns.words_in(at) for at in named)


def _has_counts(columns: Columns) -> bool:
    """Whether a column is named like one of label counts and holds some."""
    if "n" in columns.given or "n" in columns.grid.fields:
        return _holds_counts(columns, columns.grid.fields.index(columns.given.get("n", "n")))
    return any(
        names.is_label_count(columns.grid.fields[at]) and _holds_counts(columns, at)
        for at in columns.free()
        if parse(columns.grid.fields[at]) is None
    )


def _holds_counts(columns: Columns, at: int) -> bool:
    cells = {row.cells[at] for row in columns.grid.rows[:200]}
    return not cells or any(parse(cell) is not None for cell in cells)


def _is_data(columns: Columns) -> bool:
    """Whether the header looks like a row of data: numbers that can't all be label counts."""
    counts = [count.number for name in columns.grid.fields if (count := parse(name)) is not None and count.unit is None]
    return any(number.denominator > 1 for number in counts) and max(counts) > 1


def _twofold(columns: Columns, plain: list[HeaderCount]) -> Exception:
    grid = columns.grid
    listed = quote_list([grid.fields[each.at] for each in plain])
    found = f"label counts in a column and {listed} in the header"
    hint = "give --shape long where the header numbers runs, or --shape by-n"
    return cell_error(grid.source, grid.place, "n", found, "one of them", hint)
