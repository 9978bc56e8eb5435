"""Runs measured elsewhere: accuracies by task, arm, label count and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from labeleff.catalogue.metrics import METRICS, SHARES, Metric, Units
from labeleff.errors import RunsError, UnknownNameError
from labeleff.reporting.external.grid import counted
from labeleff.seeding import stream_seed
from labeleff.stats.resampling import Run, Runs, fingerprint
from labeleff.stats.stand_ins import StandIns

Scale = Literal["fraction", "percent"]
"""Scale of accuracies: 0..1 or 0..100."""


@dataclass(frozen=True)
class Pair:
    """Runs of an arm and of the baseline on the same task."""

    task: str | None
    arm: str
    baseline_runs: Runs
    arm_runs: Runs


CURVE = 2
"""Least number of the baseline's label counts for a curve."""
MADE = 1 << 30
"""Least draw of a run without one in a table that has draws."""


def _own_keys(runs: Runs, shared: Sequence[str], apart: bool) -> dict[Run, Run]:
    """New (draw, seed) by old ones: what no other arm shares gets numbers from the arm's own accuracies."""
    every = sorted({run for rung in runs.values() for run in rung})
    ranks, seeds = {run: rank for rank, run in enumerate(every)}, sorted({seed for _, seed in every})
    values = {n: {(ranks[run], 0): value for run, value in rung.items()} for n, rung in runs.items()}
    first = stream_seed("own runs", fingerprint(values), int(apart)) >> 2  # arrays of 64 bits hold all that follow

    def key(draw: int, seed: int) -> Run:
        if not shared or draw >= MADE:
            number = first + ranks[draw, seed]
            return number, number if shared else 0
        return draw, first + seeds.index(seed) if shared == ("draw",) and seeds != [0] else seed

    return {run: key(*run) for run in every}


def _renumbered(rung: Mapping[Run, float], keys: Mapping[Run, Run]) -> Mapping[Run, float]:
    """A rung under new numbers; stand-ins keep theirs, which come from what they stand for."""
    return rung if isinstance(rung, StandIns) else {keys[run]: value for run, value in rung.items()}


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

    def without_names(self, baseline: str | None = None) -> RunsTable:
        """The same table with numbers of draws and seeds that don't depend on the names of arms.

        Numbers that the file lacks were made in the order of the arms' names, and random streams are named by them.
        Here they come from an arm's own accuracies, and those of the baseline are kept apart from an arm's like it.
        """
        keys = {pair: _own_keys(runs, self.shared, pair[1] == baseline) for pair, runs in self.groups.items()}
        groups = {
            pair: {n: _renumbered(rung, keys[pair]) for n, rung in runs.items()} for pair, runs in self.groups.items()
        }
        numbers = {
            pair: {(n, keys[pair][run]): number for (n, run), number in of_arm.items()}
            for pair, of_arm in self.run_numbers.items()
        }
        return replace(self, groups=groups, run_numbers=numbers)

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

    def with_baseline_curves(self, baseline: str) -> RunsTable:
        """The table without tasks in which the baseline has no curve or no other arm, and a note that names them.

        The same table where no task would be left: then `against` says what is missing.
        """
        rungs = {task: len(self.groups.get((task, baseline), {})) for task in self.tasks}
        alone = {task for task in self.tasks if sum(of == task for of, _ in self.groups) < 2}
        aside = [task for task in self.tasks if rungs[task] < CURVE or task in alone]
        if not aside or len(aside) == len(rungs):
            return self
        reasons = {
            task: "no other arm" if rungs[task] >= CURVE else counted(rungs[task], "label count") for task in aside
        }
        why = ", ".join(f"{task} ({reason})" for task, reason in reasons.items())
        return replace(
            self,
            groups={key: runs for key, runs in self.groups.items() if key[0] not in aside},
            run_numbers={key: numbers for key, numbers in self.run_numbers.items() if key[0] not in aside},
            notes=(*self.notes, f"tasks set aside, as a curve needs {CURVE} label counts of {baseline!r}: {why}"),
        )

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
            if len(arms[baseline]) < CURVE:
                count = f"found one label count ({next(iter(arms[baseline]))})"
                raise RunsError(f"{where}{name}: baseline {baseline!r}: {count}, expected at least two for a curve")
            pairs += [Pair(task, arm, arms[baseline], runs) for arm, runs in arms.items() if arm != baseline]
        return pairs
