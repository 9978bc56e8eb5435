"""Measured values of grids of any shape."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import NamedTuple, cast

from labeleff.reporting.external.grid import Grid, cell_error, in_one_form
from labeleff.reporting.external.grid import counted as amount
from labeleff.reporting.external.observations import Observation, Observed
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.shapes import files_together, numbering, rungs
from labeleff.reporting.external.shapes.choosing import WORDS, recognise
from labeleff.reporting.external.shapes.columns import check_beside, each_row, unused_note
from labeleff.reporting.external.shapes.layout import Layout, column_name
from labeleff.reporting.external.shapes.melting import melt
from labeleff.reporting.external.shapes.rows import (
    apart,
    filled,
    of_one_metric,
    sectioned,
    without_header_again,
    without_notes,
    without_summaries,
)
from labeleff.reporting.external.shapes.rungs import Counted


class _Part(NamedTuple):
    """What one grid holds."""

    grid: Grid
    layout: Layout
    counted: list[Counted]
    notes: list[str]


def observations(grids: Sequence[Grid], reading: Reading) -> Observed:
    """Measured values of all files, in their order, with sentences on what was recognised.

    Raises RunsError for what is wrong in a file or may be read in two ways, OptionError for options that fit nothing.
    """
    parts = [_part(grid, reading) for grid in grids]
    layouts = [(part.grid, part.layout) for part in parts]
    named, notes = files_together.keep_apart([(part.grid, part.counted) for part in parts])
    counted = [each for part in named for each in part]
    numbered = all(each.run is not None for each in counted)
    counted, joined = rungs.join_near(counted, numbered)
    files_together.check_names(counted, _name_columns(parts[0]))
    rows = _rows(counted)
    shape = _shape_line(rows, parts)
    own = dict.fromkeys(note for part in parts for note in part.notes)
    return Observed(
        rows=rows,
        notes=(shape, *own, *notes, *joined),
        value_name=files_together.value_name(layouts),
        draws=all("draw" in part.layout.rows for part in parts),
        seeds=all("seed" in part.layout.rows for part in parts),
        stored=frozenset(grid.source for grid in grids if grid.stored),
        sha256=_digest(grids),
        interval_level=files_together.interval_level(layouts),
    )


def _part(grid: Grid, reading: Reading) -> _Part:
    """One grid's values at their label counts, with numbers of runs."""
    grid, metric = of_one_metric(without_header_again(in_one_form(grid)), reading)
    layout, guessed = recognise(grid, reading)
    layout = replace(layout, value_name=metric or layout.value_name)
    check_beside(grid, layout.used)
    grid = _with_arm(grid, layout)
    grid = sectioned(filled(without_notes(grid, layout, reading), layout), layout)
    entries, blank = melt(grid, layout, reading)
    entries, summaries = without_summaries(grid, entries, reading)
    grid, entries, headed = apart(grid, layout, entries)
    insisted = each_row(grid, reading)
    equal = ["every row is a run, as given"] if insisted else numbering.check(grid, layout, entries)
    numbers, run_notes = numbering.run_numbers(grid, layout, entries)
    counted, count_notes = rungs.count(grid, layout, entries, numbers, reading)
    beside = [*blank, *summaries, *grid.notes, *unused_note(grid, layout.used)]
    notes = [*guessed, *run_notes, *equal, *count_notes, *headed, *beside]
    return _Part(grid, layout, counted, notes)


def _with_arm(grid: Grid, layout: Layout) -> Grid:
    """The grid with its file's name as the arm, where neither its columns nor its rows have one."""
    if grid.arm is not None or "arm" in layout.rows or any(value.arm for value in layout.values):
        return grid
    name = PurePath(grid.source).stem
    return replace(grid, arm=name, notes=(*grid.notes, f"the arm is {name!r}, the file's name, as no column has it"))


def _name_columns(part: _Part) -> dict[str, str]:
    rows = part.layout.rows
    return {name: column_name(part.grid, rows[name]) for name in ("arm", "task") if name in rows}


def _rows(counted: Sequence[Counted]) -> list[Observation]:
    """Observations with a run each: numbered in their order within task, arm and label count where none is given.

    Raises RunsError for what was measured twice.
    """
    numbers = _numbers(counted)
    keys = [(each.entry.task, each.arm, each.n, number) for each, number in zip(counted, numbers, strict=True)]
    _check_once(counted, keys, "run")
    drawn = [at for at, each in enumerate(counted) if each.entry.draw is not None and each.entry.seed is not None]
    _check_once(
        [counted[at] for at in drawn],
        [(*keys[at][:3], counted[at].entry.draw, counted[at].entry.seed) for at in drawn],
        "seed",
    )
    return [
        Observation(
            each.source,
            each.entry.row.place,
            each.entry.column,
            each.entry.task,
            each.arm,
            each.n,
            number,
            *each.entry[6:],
        )
        for each, number in zip(counted, numbers, strict=True)
    ]


def _numbers(counted: Sequence[Counted]) -> list[int]:
    """Number of every value's run: its own, or the first that is free."""
    if all(each.run is not None for each in counted):
        return [cast("int", each.run) for each in counted]
    taken = {(each.entry.task, each.arm, each.n, each.run) for each in counted if each.run is not None}
    made: Counter[tuple[str | None, str, int]] = Counter()
    numbers = []
    for each in counted:
        rung, number = (each.entry.task, each.arm, each.n), each.run
        while number is None or (each.run is None and (*rung, number) in taken):
            number = made[rung]
            made[rung] += 1
        numbers.append(number)
    return numbers


def _check_once(counted: Sequence[Counted], keys: Sequence[tuple[object, ...]], column: str) -> None:
    """Refuse what was measured twice under one number."""
    if len(set(keys)) == len(keys):
        return
    seen: dict[tuple[object, ...], Counted] = {}
    for each, key in zip(counted, keys, strict=True):
        twin = seen.setdefault(key, each)
        if twin is not each:
            what = f"run {key[3]}" if column == "run" else f"draw {key[3]}, seed {key[4]}"
            found = f"{what} of arm {each.arm!r} at n = {each.n} again (as in {twin.entry.row.place})"
            raise cell_error(each.source, each.entry.row.place, column, found, "every one once", "keep one row per run")


def _shape_line(rows: Sequence[Observation], parts: Sequence[_Part]) -> str:
    """Sentence on the size and shape of the table."""
    tasks, arms, ns = ({getattr(row, name) for row in rows} for name in ("task", "arm", "n"))
    sizes = Counter([(row.task, row.arm, row.n) for row in rows]).values()
    runs = f"{min(sizes)}" if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"
    spread = any(row.spread for row in rows[:100]) or any("±" in row.value for row in rows[:100])
    of = f"{runs} {'mean' if spread else 'run'}{'' if runs == '1' else 's'}"
    sized = [
        *([amount(len(tasks), "task")] if len(tasks) > 1 else []),
        amount(len(arms), "arm"),
        amount(len(ns), "label count"),
        of,
    ]
    return f"{' x '.join(sized)}, {' and '.join(dict.fromkeys(WORDS[part.layout.shape] for part in parts))}"


def _digest(grids: Sequence[Grid]) -> str:
    """Hash of the file; of several files the hash of their hashes."""
    digests = list(dict.fromkeys(grid.sha256 for grid in grids))
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
