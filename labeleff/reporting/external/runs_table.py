"""Runs measured elsewhere: accuracies by task, arm, label count and run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from labeleff.catalogue.metrics import METRICS, SHARES, Metric, Units
from labeleff.errors import RunsError, UnknownNameError
from labeleff.stats.resampling import Run, Runs

Scale = Literal["fraction", "percent"]
"""Scale of accuracies: 0..1 or 0..100."""


@dataclass(frozen=True)
class Pair:
    """Runs of an arm and of the baseline on the same task."""

    task: str | None
    arm: str
    baseline_runs: Runs
    arm_runs: Runs


@dataclass(frozen=True)
class RunsTable:
    """Runs of one table, with scores in 0..1 of which more is better: accuracies, or others mapped by `units`."""

    source: str
    """Name of the file in errors."""
    groups: Mapping[tuple[str | None, str], Runs]
    """Scores {n: {(draw, seed): score}} by (task, arm), in the order of the file; task None without a column."""
    scale: Scale
    """Scale of the accuracies in the file."""
    shared: tuple[Literal["draw", "seed"], ...]
    """Kinds of numbers by which runs of different arms share something: the columns of these that the file has."""
    notes: tuple[str, ...]
    """Sentences on what was detected and what it means, for the reader of the results."""
    sha256: str
    """SHA-256 of the file's bytes, in hex."""
    metric: Metric = METRICS["accuracy"]
    """What was measured, with the words for it."""
    units: Units = SHARES
    """Units of the values in the file, of which `groups` has scores in 0..1."""
    summarised: frozenset[tuple[str | None, str]] = frozenset()
    """Arms of a task of which the file has means over runs: `groups` has stand-ins, no measured run."""
    run_numbers: Mapping[tuple[str | None, str], Mapping[tuple[int, Run], int]] = field(default_factory=dict)
    """Numbers of runs in the file by (task, arm), then by label count and (draw, seed)."""

    @property
    def paired(self) -> bool:
        """Whether the file has draws, so that runs of different arms with the same draw are paired."""
        return "draw" in self.shared

    @property
    def tasks(self) -> list[str | None]:
        """Tasks in the order of the file; [None] where it has no column for them."""
        return list(dict.fromkeys(task for task, _ in self.groups))

    @property
    def arms(self) -> list[str]:
        """Arms of all tasks in the order of the file."""
        return list(dict.fromkeys(arm for _, arm in self.groups))

    def against(self, baseline: str) -> list[Pair]:
        """Pair every other arm with the baseline, task by task: the input of utility.

        Raises RunsError for an unknown baseline (with the nearest match), fewer than two arms in the file, a task
        without the baseline or with nothing else, and a baseline with fewer than two label counts.
        """
        where = f"{self.source}, column for arm"
        if baseline not in self.arms:
            raise RunsError(f"{where}: {UnknownNameError('baseline', baseline, self.arms)}")
        if len(self.arms) < 2:
            raise RunsError(f"{where}: found the one arm {baseline!r}, expected the baseline and at least one other")
        pairs = []
        for task in self.tasks:
            arms = {arm: runs for (of, arm), runs in self.groups.items() if of == task}
            name = "" if task is None else f", task {task!r}"
            if baseline not in arms or len(arms) < 2:
                expected = f"the baseline {baseline!r} and at least one other"
                raise RunsError(f"{where}{name}: found {', '.join(map(repr, arms))}, expected {expected}")
            if len(arms[baseline]) < 2:
                count = f"found one label count ({next(iter(arms[baseline]))})"
                raise RunsError(f"{where}{name}: baseline {baseline!r}: {count}, expected at least two for a curve")
            pairs += [Pair(task, arm, arms[baseline], runs) for arm, runs in arms.items() if arm != baseline]
        return pairs
