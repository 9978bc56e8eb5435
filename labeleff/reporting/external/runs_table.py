"""Runs that were measured elsewhere: accuracies by task, arm, label count and run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from labeleff.errors import RunsError, UnknownNameError
from labeleff.stats.resampling import Runs

Scale = Literal["fraction", "percent"]
"""Accuracies in 0..1 or in 0..100."""


@dataclass(frozen=True)
class Pair:
    """An arm and the baseline on the same task."""

    task: str | None
    arm: str
    baseline_runs: Runs
    arm_runs: Runs


@dataclass(frozen=True)
class RunsTable:
    """The runs of one file, accuracies in 0..1."""

    source: str
    """The file's name, as errors give it."""
    groups: Mapping[tuple[str | None, str], Runs]
    """{label count: {(draw, seed): accuracy}} by (task, arm), in the order of the file; task None without a column."""
    scale: Scale
    """What the file's accuracies were in."""
    shared: tuple[Literal["draw", "seed"], ...]
    """What runs of different arms have in common where its number is the same: what the file has columns for."""
    notes: tuple[str, ...]
    """What was detected and what it means, for the reader of the results."""
    sha256: str
    """Of the file's bytes."""

    @property
    def paired(self) -> bool:
        """The file names draws, so that runs of different arms with the same draw are paired."""
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
        """Every other arm beside the baseline, task by task: what utility is computed from.

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
            here = {arm: runs for (of, arm), runs in self.groups.items() if of == task}
            name = "" if task is None else f", task {task!r}"
            if baseline not in here or len(here) < 2:
                expected = f"the baseline {baseline!r} and at least one other"
                raise RunsError(f"{where}{name}: found {', '.join(map(repr, here))}, expected {expected}")
            if len(here[baseline]) < 2:
                count = f"found one label count ({next(iter(here[baseline]))})"
                raise RunsError(f"{where}{name}: baseline {baseline!r}: {count}, expected at least two for a curve")
            pairs += [Pair(task, arm, here[baseline], runs) for arm, runs in here.items() if arm != baseline]
        return pairs
