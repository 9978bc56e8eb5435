"""Numbers of runs, and what tells runs from rows of one run: duplicates, epochs and conditions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from labeleff.errors import RunsError
from labeleff.reporting.external.grid import Grid, cell_error, quote
from labeleff.reporting.external.shapes import names
from labeleff.reporting.external.shapes.columns import quote_argument, quote_list, unused
from labeleff.reporting.external.shapes.layout import Layout, column_name
from labeleff.reporting.external.shapes.melting import Entry, whole, whole_hint

MANY = 100
"""More rows of an arm at a label count than this are no runs unless they are numbered."""
TREND = 8
"""Least number of such rows whose order is looked at."""
_SPLITS = {"train", "training", "val", "valid", "validation", "dev", "test"}
_WAY_OUT = "keep one row per run: its last one, or the one chosen on validation data"
Key = tuple[str | None, str, str]


def run_numbers(grid: Grid, layout: Layout, entries: Sequence[Entry]) -> tuple[list[int | None], list[str]]:
    """Number of every entry's run, None where the table has none, and sentences. Raises RunsError.

    Names of runs, and runs numbered by several columns together, are numbered in their order.
    """
    if not entries[0].run:
        return row_numbers(layout, entries), []
    name = column_name(grid, layout.runs[0]) if layout.runs else entries[0].column
    for entry in entries:
        if "" in entry.run:
            hint = "leave a run that wasn't measured out"
            raise cell_error(grid.source, entry.row.place, name, "an empty cell", "a value", hint)
    if len(entries[0].run) == 1:
        numbers = {cell: whole(cell) for cell in {entry.run[0] for entry in entries}}
        if all(number is not None for number in numbers.values()):
            return [numbers[entry.run[0]] for entry in entries], []
        if any(
            re.search(r"^[^A-Za-z]*[0-9]|^[^A-Za-z]*$", cell) or number is not None for cell, number in numbers.items()
        ):
            wrong = next(entry for entry in entries if numbers[entry.run[0]] is None)
            cell, expected = wrong.run[0], "a whole number from 0 to 10^15 - 1"
            raise cell_error(grid.source, wrong.row.place, name, quote(cell), expected, whole_hint(cell))
    ordered = {run: number for number, run in enumerate(sorted({entry.run for entry in entries}, key=_order))}
    notes = [f"runs are numbered in the order of their names in {name!r}"] if len(entries[0].run) == 1 else []
    return [ordered[entry.run] for entry in entries], notes


def _order(run: Iterable[str]) -> list[tuple[int, str]]:
    """Order of names: by their last number, then as text."""
    return [(int(digits[-1]) if (digits := re.findall(r"[0-9]{1,15}", cell)) else 0, cell) for cell in run]


def row_numbers(layout: Layout, entries: Sequence[Entry]) -> list[int | None]:
    """Number of every entry's row among the rows of its names, for tables with several values per row; else None."""
    if len(layout.values) < 2 or entries[0].run:
        return [None] * len(entries)
    seen: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
    keys = [layout.rows[name] for name in ("task", "arm", "n") if name in layout.rows]
    numbers: list[int | None] = []
    for entry in entries:
        places = seen[tuple(entry.row.cells[at] for at in keys)]
        numbers.append(places.setdefault(entry.row.place, len(places)))
    return numbers


def check(grid: Grid, layout: Layout, entries: Sequence[Entry]) -> None:
    """Refuse rows that are no runs: twins, rows per epoch or step, and conditions that no column stands for."""
    if entries[0].run:
        _check_twins(grid, layout, entries)
    elif len({(entry.task, entry.arm, entry.n) for entry in entries}) < len(entries):
        _check_groups(grid, layout, entries)


def _check_twins(grid: Grid, layout: Layout, entries: Sequence[Entry]) -> None:
    """Refuse a run that is there twice."""
    if len({entry[2:6] for entry in entries}) == len(entries):
        return
    runs: dict[tuple[object, ...], Entry] = {}
    for entry in entries:
        twin = runs.setdefault(entry[2:6], entry)
        if twin is not entry:
            raise _twin(grid, layout, twin, entry, entries)


def _twin(grid: Grid, layout: Layout, twin: Entry, entry: Entry, entries: Sequence[Entry]) -> RunsError:
    same = [each for each in entries if each[2:6] == entry[2:6]]
    name = column_name(grid, layout.runs[0]) if layout.runs else entry.column
    differ = [at for at in unused(grid, layout.used) if twin.row.cells[at] != entry.row.cells[at]]
    steps = [at for at in differ if names.is_step(grid.fields[at])]
    run = " and ".join(entry.run)
    if steps or len(same) > TREND:
        found = f"{len(same)} rows of run {run} of arm {entry.arm!r} at n = {entry.n}"
        of = f", one per {grid.fields[steps[0]]}" if steps else ""
        return cell_error(grid.source, entry.row.place, name, found + of, "one row per run", _WAY_OUT)
    found = f"run {run} of arm {entry.arm!r} at n = {entry.n} again (as in {twin.row.place})"
    hint = "keep one row per run"
    if differ and len(differ) <= 3:
        hint = (
            f"the rows differ in {quote_list([column_name(grid, at) for at in differ])}: {_conditions(grid, differ[0])}"
        )
    return cell_error(grid.source, entry.row.place, name, found, "every run once", hint)


def _conditions(grid: Grid, at: int) -> str:
    """Way out where an unused column tells rows apart."""
    name = column_name(grid, at)
    cells = {row.cells[at].casefold() for row in grid.rows}
    if cells & _SPLITS:
        return f"keep the rows of one {name}, those of the test set"
    ways = (
        f"give --column task={quote_argument(name)} where they are tasks, --column arm={quote_argument(name)} for arms"
    )
    return f"keep the rows of one {name}, or {ways}"


def _check_groups(grid: Grid, layout: Layout, entries: Sequence[Entry]) -> None:
    """Refuse rows without numbers that aren't repeats: epochs, far too many, or a column that tells them apart."""
    groups: dict[Key, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.task, entry.arm, entry.n].append(entry)
    several = [group for group in groups.values() if len(group) > 1]
    for at in unused(grid, layout.used):
        if names.is_step(grid.fields[at]) and any(len({e.row.cells[at] for e in group}) > 1 for group in several):
            raise _rows(grid, layout, several[0], f", one per {grid.fields[at]}")
    largest = max(several, key=len)
    if len(largest) > MANY:
        raise _rows(grid, layout, largest, "")
    for at in unused(grid, layout.used):
        if grid.fields[at] and _crosses(at, several):
            raise _crossed(grid, at, several[0])
    long = [group for group in several if len(group) >= TREND]
    if long and 2 * sum(map(_steady, long)) > len(long):
        raise _rows(grid, layout, next(filter(_steady, long)), ", each larger (or each smaller) than the one before")


def _rows(grid: Grid, layout: Layout, group: Sequence[Entry], what: str) -> RunsError:
    entry = group[1]
    name = column_name(grid, layout.rows["n"]) if "n" in layout.rows else entry.column
    found = f"{len(group)} rows of arm {entry.arm!r} at n = {entry.n}{what}, and no column run"
    expected = "one row per run, with a column run where there are many"
    return cell_error(grid.source, entry.row.place, name, found, expected, _WAY_OUT)


def _crosses(at: int, several: Sequence[Sequence[Entry]]) -> bool:
    """Whether a column has the same two or more cells in most groups: a condition, or numbers of runs."""
    sets = [{entry.row.cells[at] for entry in group} for group in several]
    every = set().union(*sets)
    return 2 <= len(every) <= max(map(len, several)) and 2 * sum(each == every for each in sets) > len(sets)


def _crossed(grid: Grid, at: int, group: Sequence[Entry]) -> RunsError:
    entry, name = group[1], grid.fields[at]
    cells = quote_list(list(dict.fromkeys(each.row.cells[at] for each in group)))
    found = f"{cells} for arm {entry.arm!r} at n = {entry.n}, and no column run"
    ways = _conditions(grid, at)
    if len(group) >= TREND:
        ways += f"; {_WAY_OUT}"
    elif "test set" not in ways:
        ways += f", --column run={quote_argument(name)} for numbers of runs"
    expected = "to know whether these are runs, or results under several conditions"
    return cell_error(grid.source, entry.row.place, name, found, expected, ways)


def _steady(group: Sequence[Entry]) -> bool:
    """Whether values rise, or fall, from row to row as a run's do from epoch to epoch."""
    numbers = [float(match[0]) for entry in group if (match := re.match(r"[0-9]*\.?[0-9]+", entry.value))]
    rises = [after > before for before, after in pairwise(numbers) if after != before]
    return len(rises) >= TREND - 2 and not 0.15 < sum(rises) / len(rises) < 0.85
