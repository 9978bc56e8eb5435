"""Exports of experiment trackers: runs that didn't finish, smallest and largest values, prefixes of names."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection

from labeleff.reporting.external.grid import Grid, Row, cell_error, counted
from labeleff.reporting.external.reading import Reading

FINISHED = "finished"
STATES = frozenset(
    (FINISHED, "crashed", "failed", "killed", "running", "preempted", "preempting", "pending", "scheduled")
)
"""States of runs of Weights & Biases and MLflow, in lower case."""

_PREFIXED = re.compile(r"(?:params|metrics|tags)\.(.+)")
_GROUPED = re.compile(r"(?:[\w./-]+: )?(.+) - (.+)")


def tracked(grid: Grid, options: Reading) -> Grid:
    """A grid without what trackers add to runs, with notes on what was left out; any other grid as it is.

    Raises RunsError for a table of runs that didn't all finish, unless empty runs are to be skipped.
    """
    return _without_unfinished(_without_extremes(_plain_names(grid, options)), options)


def _state_column(grid: Grid) -> int | None:
    """Column of runs' states: all of its cells are states."""
    for at, field in enumerate(grid.fields):
        if field.casefold() in {"state", "status"}:
            states = {row.cells[at].casefold() for row in grid.rows}
            if states <= STATES:
                return at
    return None


def _without_unfinished(grid: Grid, options: Reading) -> Grid:
    at = _state_column(grid)
    if at is None:
        return grid
    finished = tuple(row for row in grid.rows if row.cells[at].casefold() == FINISHED)
    unfinished = [row for row in grid.rows if row.cells[at].casefold() != FINISHED]
    if not unfinished:
        return grid
    states = ", ".join(dict.fromkeys(row.cells[at] for row in unfinished))
    if not options.skip_empty:
        found = f"{unfinished[0].cells[at]!r} ({counted(len(unfinished), 'run')} of {len(grid.rows):,}: {states})"
        hint = "--skip-empty leaves such runs out and says how many"
        raise cell_error(grid.source, unfinished[0].place, grid.fields[at], found, "runs that finished", hint)
    if not finished:
        expected = "a run that finished"
        raise cell_error(grid.source, unfinished[0].place, grid.fields[at], f"no such run ({states})", expected)
    note = f"{counted(len(unfinished), 'run')} that didn't finish ({states}) left out"
    return dataclasses.replace(grid, rows=finished, notes=(*grid.notes, note))


def _without_extremes(grid: Grid) -> Grid:
    """A grid without the columns X__MIN and X__MAX that Weights & Biases puts beside a column X."""
    extremes = [
        at
        for at, field in enumerate(grid.fields)
        if field.endswith(("__MIN", "__MAX")) and field.removesuffix("__MIN").removesuffix("__MAX") in grid.fields
    ]
    if not extremes:
        return grid
    note = f"{counted(len(extremes), 'column')} of smallest and largest values (__MIN, __MAX) left out"
    return _long(dataclasses.replace(_without(grid, extremes), notes=(*grid.notes, note)))


def _without(grid: Grid, columns: Collection[int]) -> Grid:
    kept = [at for at in range(len(grid.fields)) if at not in columns]
    rows = tuple(Row(place, tuple(cells[at] for at in kept)) for place, cells in grid.rows)
    return dataclasses.replace(grid, fields=tuple(grid.fields[at] for at in kept), rows=rows)


def _long(grid: Grid) -> Grid:
    """A grid with the columns arm and value of one whose columns are "method: ARM - VALUE", a chart's lines."""
    lines = {at: found for at, field in enumerate(grid.fields) if (found := _GROUPED.fullmatch(field))}
    others = [at for at in range(len(grid.fields)) if at not in lines]
    if len(lines) < 2 or len(others) != 1 or len({found[2] for found in lines.values()}) > 1:
        return grid
    rows = tuple(
        Row(place, (cells[others[0]], found[1], cells[at]))
        for place, cells in grid.rows
        for at, found in lines.items()
        if cells[at]
    )
    value = next(iter(lines.values()))[2]
    note = f"a chart's lines are arms, with {value!r} as their value"
    return dataclasses.replace(
        grid, fields=(grid.fields[others[0]], "arm", value), rows=rows, notes=(*grid.notes, note)
    )


def _plain_names(grid: Grid, options: Reading) -> Grid:
    """A grid without MLflow's prefixes of names: n for params.n, unless two would be one or the user named one."""
    found = {at: match[1] for at, field in enumerate(grid.fields) if (match := _PREFIXED.fullmatch(field))}
    fields = [found.get(at, field) for at, field in enumerate(grid.fields)]
    given = {*options.columns.values(), options.value}
    if not {"run_id", "status"} <= set(grid.fields):
        return grid
    return dataclasses.replace(
        grid,
        fields=tuple(
            field if field in given or fields.count(name) > 1 else name
            for field, name in zip(grid.fields, fields, strict=True)
        ),
    )
