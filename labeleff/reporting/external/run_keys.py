"""Numbers of draw and seed of every run: which runs are paired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from labeleff.reporting.external.observations import Observation, Observed
from labeleff.stats.resampling import Run

UNSHARED = 1 << 30
"""Least draw of a run without one in a table that has draws: such runs are paired with none."""


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
