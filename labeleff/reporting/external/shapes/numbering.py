"""Numbers of runs, and what tells runs from rows of one run: duplicates, epochs and conditions."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from labeleff.errors import RunsError
from labeleff.reporting.external.grid import Grid, cell_error, counted, quote
from labeleff.reporting.external.shapes import names
from labeleff.reporting.external.shapes.columns import quote_argument, quote_list, unused
from labeleff.reporting.external.shapes.layout import Layout, column_name
from labeleff.reporting.external.shapes.melting import Entry, whole, whole_hint

MANY = 100
"""More rows of an arm at a label count than this are no runs unless they are numbered."""
TREND = 8
"""Least number of such rows whose order is looked at."""
PASTED = 3
"""Least number of different rows that may have been pasted several times: fewer are equal by rounding alone."""
_SPLITS = {"train", "training", "val", "valid", "validation", "dev", "test"}
_WAY_OUT = "keep one row per run: its last one, or the one chosen on validation data"
Key = tuple[str | None, str, str]


def run_numbers(grid: Grid, layout: Layout, entries: Sequence[Entry]) -> tuple[list[int | None], list[str]]:
    """Number of every entry's run, None where the table has none, and sentences. Raises RunsError.

    Names of runs, and runs numbered by several columns together, are numbered in their order.
    """
    if not entries[0].run:
        return row_numbers(layout, entries, headed=bool(grid.sections)), []
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


def row_numbers(layout: Layout, entries: Sequence[Entry], *, headed: bool = False) -> list[int | None]:
    """Number of every entry's row among the rows of its names, for tables with several values per row; else None.

    `headed`: whether headings tell arms apart, of which each has numbers of its own.
    """
    if len(layout.values) < 2 or entries[0].run:
        return [None] * len(entries)
    seen: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
    keys = [layout.rows[name] for name in ("task", "arm", "n") if name in layout.rows]
    numbers: list[int | None] = []
    for entry in entries:
        places = seen[(*(entry.row.cells[at] for at in keys), *([entry.arm] if headed else []))]
        numbers.append(places.setdefault(entry.row.place, len(places)))
    return numbers


def check(grid: Grid, layout: Layout, entries: Sequence[Entry]) -> list[str]:
    """Refuse rows that are no runs: twins, copies, rows per epoch or step, and conditions that no column stands for.

    Sentences on what is equal all the same.
    """
    if entries[0].run:
        _check_twins(grid, layout, entries)
        if len({entry.run for entry in entries}) == len({entry.row.place for entry in entries}):
            _check_conditions(grid, layout, [group for group in _groups(entries) if len(group) > 1])
    elif len({(entry.task, entry.arm, entry.n) for entry in entries}) < len(entries):
        _check_groups(grid, layout, entries)
        return _check_copies(grid, layout, entries)
    return []


def _groups(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries by task, arm and label count."""
    groups: dict[Key, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.task, entry.arm, entry.n].append(entry)
    return list(groups.values())


def _check_copies(grid: Grid, layout: Layout, entries: Sequence[Entry]) -> list[str]:
    """Refuse a table whose every row is there several times, as pasted; a sentence on fewer rows that are equal.

    Numbers of rows, which have no name or pandas' one, tell no copies apart.
    """
    known = [at for at, name in enumerate(grid.fields) if not re.fullmatch(r"(?:Unnamed: [0-9]+)?", name)]
    places = sorted({*known, *layout.used})
    rows = {entry.row.place: tuple([entry.row.cells[at] for at in places]) for entry in entries}
    times = Counter(rows.values())
    copies = math.gcd(*times.values())
    if copies > 1 and len(times) >= PASTED and len({entry.value for entry in entries}) > 1:
        first: dict[tuple[str, ...], str] = {}
        again = next(place for place, cells in rows.items() if first.setdefault(cells, place) != place)
        found = f"every row of the table {copies} times (this one as in {first[rows[again]]})"
        hint = f"delete the copies, or give --column run={names.ROW} where they are runs that came out the same"
        raise cell_error(grid.source, again, entries[0].column, found, "one row per run", hint)
    equal = sum(times.values()) - len(times)
    return [f"{counted(equal, 'row')} like another in every column, taken for further runs"] if equal else []


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
    several = [group for group in _groups(entries) if len(group) > 1]
    for at in unused(grid, layout.used):
        if names.is_step(grid.fields[at]) and any(len({e.row.cells[at] for e in group}) > 1 for group in several):
            raise _rows(grid, layout, several[0], f", one per {grid.fields[at]}")
    largest = max(several, key=len)
    if len(largest) > MANY:
        raise _rows(grid, layout, largest, "")
    _check_conditions(grid, layout, several)
    long = [group for group in several if len(group) >= TREND]
    if long and 2 * sum(map(_steady, long)) > len(long):
        raise _rows(grid, layout, next(filter(_steady, long)), ", each larger (or each smaller) than the one before")


def _check_conditions(grid: Grid, layout: Layout, several: Sequence[Sequence[Entry]]) -> None:
    """Refuse groups of rows that a column tells apart: in most of them, or settings that all of an arm's have alike.

    Rows that are numbered are told apart by settings alone: what else is beside them is of those runs.
    """
    arms: dict[str, list[Sequence[Entry]]] = defaultdict(list)
    for group in several:
        arms[group[0].arm].append(group)
    for at in unused(grid, layout.used):
        if not grid.fields[at]:
            continue
        if several and not several[0][0].run and _crosses(at, several):
            raise _crossed(grid, at, several)
        for groups in arms.values() if names.is_setting(grid.fields[at]) else ():
            if len(groups) > 1 and _balanced(at, groups):
                raise _crossed(grid, at, groups)


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


def _balanced(at: int, groups: Sequence[Sequence[Entry]]) -> bool:
    """Whether groups have the same two or more cells, each equally often, but for rows that some groups lack."""
    times = [Counter(entry.row.cells[at] for entry in group) for group in groups]
    full = max(times, key=lambda each: each.total())
    alike = len(full) > 1 and len(set(full.values())) == 1 and all(each <= full for each in times)
    return alike and 2 * times.count(full) > len(times)


def _crossed(grid: Grid, at: int, groups: Sequence[Sequence[Entry]]) -> RunsError:
    group, name = groups[0], grid.fields[at]
    entry = group[1]
    cells = quote_list(list(dict.fromkeys(each.row.cells[at] for each in group)))
    numbered = "numbers of runs that are never there again" if entry.run else "no column run"
    found = f"{cells} for arm {entry.arm!r} at n = {entry.n}, and {numbered}"
    expected = "to know whether these are runs, or results under several conditions"
    return cell_error(grid.source, entry.row.place, name, found, expected, _ways(grid, at, groups))


def _ways(grid: Grid, at: int, groups: Sequence[Sequence[Entry]]) -> str:
    """Ways out where a column crosses the groups: it numbers runs only where no group has a cell twice."""
    ways = _conditions(grid, at)
    if "test set" in ways:
        return ways
    once = all(len({entry.row.cells[at] for entry in group}) == len(group) for group in groups)
    if once and not groups[0][0].run and len(groups[0]) >= TREND:
        return f"{ways}; {_WAY_OUT}"
    if once:
        ways += f", --column run={quote_argument(grid.fields[at])} for numbers of runs"
    return f"{ways}, or --column run={names.ROW} where it makes no difference"


def _steady(group: Sequence[Entry]) -> bool:
    """Whether values rise, or fall, from row to row as a run's do from epoch to epoch."""
    numbers = [float(match[0]) for entry in group if (match := re.match(r"[0-9]*\.?[0-9]+", entry.value))]
    rises = [after > before for before, after in pairwise(numbers) if after != before]
    return len(rises) >= TREND - 2 and not 0.15 < sum(rises) / len(rises) < 0.85
