"""Numbers of draw and seed of every run, and the rows that repeat a run."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Literal

from labeleff.reporting.external.grid import cell_error
from labeleff.reporting.external.observations import Observation, Observed
from labeleff.stats.resampling import Run

UNSHARED = 1 << 30
"""Least draw of a run without one in a table that has draws: such runs are paired with none."""


def check_twins(rows: Sequence[Observation], columns: Mapping[str, str]) -> None:
    """Refuse rows that repeat a run, and names that look the same but aren't.

    `columns` are the file's names of columns. Raises RunsError.
    """
    runs: dict[tuple[object, ...], Observation] = {}
    draws: dict[tuple[object, ...], Observation] = {}
    for row in rows:
        group = (row.task, row.arm, row.n)
        twin = runs.setdefault((*group, row.run), row)
        if twin is not row:
            found = f"run {row.run} of arm {row.arm!r} at n = {row.n} again (as in {twin.place})"
            hint = "number the runs of an arm and n differently"
            raise cell_error(row.source, row.place, columns.get("run", "run"), found, "every run once", hint)
        if row.draw is not None and row.seed is not None:
            twin = draws.setdefault((*group, row.draw, row.seed), row)
            if twin is not row:
                found = f"draw {row.draw}, seed {row.seed} of arm {row.arm!r} at n = {row.n} again (as in {twin.place})"
                raise cell_error(row.source, row.place, columns.get("seed", "seed"), found, "every draw and seed once")
    _check_names(rows, columns)


def _check_names(rows: Sequence[Observation], columns: Mapping[str, str]) -> None:
    for column in ("task", "arm"):
        first_rows: dict[str, Observation] = {}
        for row in rows:
            first_rows.setdefault(getattr(row, column) or "", row)
        by_looks: dict[str, str] = {}
        for name, row in first_rows.items():
            first = by_looks.setdefault(_skeleton(name), name)
            if first != name:
                place = first_rows[first].place
                expected = f"{first!r} as in {place}, or a name less like it"
                raise cell_error(row.source, row.place, columns.get(column, column), repr(name), expected)


def _skeleton(name: str) -> str:
    """Reduce a name to its looks: without case, invisible characters and variants of the same character."""
    visible = (character for character in name if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", "".join(visible)).casefold()


def shared(observed: Observed) -> tuple[Literal["draw", "seed"], ...]:
    """Kinds of numbers by which runs of different arms share something."""
    if not observed.draws:
        return ()
    return ("draw", "seed") if observed.seeds else ("draw",)


def pairing(observed: Observed) -> str:
    """Which runs of different arms count as paired, in a sentence."""
    if not observed.draws:
        unused = "; the column seed isn't used" if observed.seeds else ""
        return f"no column draw: runs of different arms count as independent{unused}"
    if not observed.seeds:
        return "runs with the same draw count as paired; no column seed: seeds count as independent"
    return "runs with the same draw, or the same seed, count as paired"


def run_keys(rows: Sequence[Observation]) -> list[Run]:
    """(draw, seed) of every row, independent of their order; numbers that the table lacks are made per arm."""
    runs = sorted({(row.arm, row.run) for row in rows})
    numbers = {run: number for number, run in enumerate(runs)}
    if all(row.draw is None for row in rows):
        return [(numbers[row.arm, row.run], 0) for row in rows]
    within: dict[tuple[object, ...], list[int]] = {}
    for row in rows:
        within.setdefault((row.task, row.arm, row.n, row.draw), []).append(row.run)
    ranks = {group: {run: rank for rank, run in enumerate(sorted(members))} for group, members in within.items()}
    most = max(len(group) for group in within.values())
    arms = {arm: number for number, arm in enumerate(sorted({row.arm for row in rows}))}

    def key(row: Observation) -> Run:
        if row.draw is None:
            return UNSHARED + numbers[row.arm, row.run], UNSHARED + numbers[row.arm, row.run]
        if row.seed is not None:
            return row.draw, row.seed
        rank = ranks[row.task, row.arm, row.n, row.draw][row.run]
        return row.draw, 0 if most == 1 else arms[row.arm] * most + rank

    return [key(row) for row in rows]
