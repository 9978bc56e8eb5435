"""Speeds and memory of two folders, paired by cell.

On CPUs, where both sides recorded it for every cell, speed is by processor time: other processes lengthen a run, but
change its processor time much less (only by their use of caches and memory). Else it is by the wall clock.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from labeleff.comparison.matching import Cells, Match
from labeleff.records.conditions import conditions_of, load, machine, unlike
from labeleff.records.entries import Conditions, PretrainingRecord, Record, RunEntry
from labeleff.records.training_log import Training
from labeleff.reporting.effort.throughput import rates
from labeleff.reporting.results import Results, place_of
from labeleff.stats.moderation import Array
from labeleff.stats.resampling import Run
from labeleff.study.names import short_names
from labeleff.study.quantities import Quantity, Subject, quantity

CellKey = tuple[int, Run] | int
"""Label count and run of a cell, or a pretraining's seed."""
ROBUST = 5
"""Number of values from which their spread is estimated by quantiles, so that outliers count little."""
THROUGHPUT, TIME, MEMORY = quantity("throughput"), quantity("time"), quantity("memory")
BUSY = 1.5
"""Load average per core at the start of a run, above which the machine counts as busy with other work."""
Item = TypeVar("Item", Record, PretrainingRecord)


@dataclass(frozen=True)
class SpeedPairs:
    """Speeds, or peaks of memory, of one subject on both sides, in C cells."""

    subject: Subject
    quantity: Quantity
    values: Array
    """Values (C, 2) of BASE and NEW, over 0."""
    cells: tuple[CellKey, ...]
    unlike: str | None
    """Reason why speeds aren't comparable: another machine, other threads, a busy machine; None where they are."""
    walls: Array | None = None
    """The same (C, 2) by the wall clock, where `values` are by processor time; else None."""

    @property
    def crowding(self) -> float:
        """Median of wall over processor time, on the more crowded side; 1 where only one of them is recorded."""
        if self.walls is None:
            return 1.0
        longer = self.values / self.walls if self.quantity.higher else self.walls / self.values
        return float(np.median(longer, axis=0).max())

    @property
    def ratios(self) -> Array:
        """Logarithms (C,) of NEW over BASE."""
        return np.log(self.values[:, 1] / self.values[:, 0])

    @property
    def drift(self) -> float:
        """Standard deviation of the ln ratio between parts of the runs, beyond the noise of single cells.

        Parts are rungs, and draws: in whatever order cells run, a machine that is slow for a while is slow in some of
        them. The parts' medians are compared, and the spread that single cells explain is subtracted. 0 without parts.
        """
        keys = [key for key in self.cells if not isinstance(key, int)]
        axes = ([n for n, _ in keys], [draw for _, (draw, _) in keys]) if keys else ()
        return max((self._between(np.array(axis)) for axis in axes), default=0.0)

    def _between(self, parts: npt.NDArray[np.int64]) -> float:
        """Standard deviation of the parts beyond that of their cells; both by quantiles, robust against bursts."""
        groups = [self.ratios[parts == part] for part in np.unique(parts)]
        if len(groups) < 2:
            return 0.0
        medians = np.array([np.median(group) for group in groups])
        low, high = np.percentile(medians, [25, 75])
        spread = float(high - low) / 1.349 if len(groups) >= ROBUST else float(medians.std(ddof=1))
        gaps = np.concatenate([np.abs(np.subtract.outer(g, g))[np.triu_indices(len(g), 1)] for g in groups])
        cell = float(np.median(gaps)) / 0.954 if len(gaps) else 0.0
        return math.sqrt(max(spread**2 - math.pi / 2 * cell**2 * len(groups) / len(parts), 0.0))


def rate(training: Training | None, *, processor: bool = False) -> float | None:
    """Images or stories per second: the median over the windows; None where nothing was timed.

    With `processor` by processor time; None where a window lacks it.
    """
    if training is None or (processor and any(window.processor_seconds is None for window in training.windows)):
        return None
    speeds = rates(training, processor=processor)[0]
    return float(np.median(speeds)) if speeds else None


@dataclass(frozen=True)
class _Measure:
    """Functions from a record to a quantity: by the wall clock and, where it exists, by processor time."""

    quantity: Quantity
    wall: Callable[[PretrainingRecord | Record], float | None]
    processor: Callable[[PretrainingRecord | Record], float | None] | None = None


def _seconds(item: PretrainingRecord | Record, *, processor: bool = False) -> float | None:
    if not isinstance(item, Record):
        return None
    return item.processor_seconds if processor else item.seconds


_THROUGHPUT = _Measure(THROUGHPUT, lambda item: rate(item.training), lambda item: rate(item.training, processor=True))
_TIME = _Measure(TIME, _seconds, functools.partial(_seconds, processor=True))
_MEMORY = _Measure(MEMORY, lambda item: item.peak_memory / 2**20 if item.peak_memory else None)


def paired_speeds(match: Match) -> list[SpeedPairs]:
    """Pair throughput of pretrainings and trained arms, time and memory of all arms, where both sides have them."""
    pairs = [*_pretrainings(match), *_cells(match)]
    return [item for item in pairs if item is not None]


def _pretrainings(match: Match) -> Iterator[SpeedPairs | None]:
    old, new = _timed_pretrainings(match.base), _timed_pretrainings(match.new)
    for subject in [subject for subject in new if subject in old]:
        sides = _conditions(match.base, old[subject]), _conditions(match.new, new[subject])
        if not any(True for before in sides[0] for after in sides[1] for _ in unlike(before, after)):
            for measure in (_THROUGHPUT, _MEMORY):
                yield _paired(match, subject, measure, old[subject], new[subject])


def _timed_pretrainings(results: Results) -> dict[Subject, dict[CellKey, PretrainingRecord]]:
    """Pretrainings by subject and seed, without those from the cache, which another run timed."""
    groups: dict[Subject, dict[CellKey, PretrainingRecord]] = {}
    names = short_names(item.pretraining.pretext for item in results.pretrainings)
    for item in results.pretrainings:
        if not item.cached and item.training is not None:
            place, what = place_of(item.pretraining), item.pretraining
            subject = Subject("throughput", None, names[what.pretext.label], place.task or "", place.encoder or "")
            groups.setdefault(subject, {})[what.seed] = item
    return groups


def _conditions(results: Results, items: Mapping[CellKey, PretrainingRecord]) -> list[Conditions]:
    run_ids, what = {item.run for item in items.values()}, next(iter(items.values())).pretraining
    return [conditions_of(run.conditions, what.task, what.encoder) for run in results.runs if run.run in run_ids]


def _cells(match: Match) -> Iterator[SpeedPairs | None]:
    for (place, arm), pair in match.pairs.items():
        old, new = _flat(pair.base), _flat(pair.new)
        subject = Subject("throughput", None, arm, place.task or "", place.encoder or "")
        for measure in (_THROUGHPUT, _TIME, _MEMORY):
            yield _paired(match, subject, measure, old, new)


def _flat(cells: Cells) -> dict[CellKey, Record]:
    return {(n, run): record for n, rung in cells.items() for run, record in rung.items()}


def _paired(
    match: Match,
    subject: Subject,
    measure: _Measure,
    old: Mapping[CellKey, Item],
    new: Mapping[CellKey, Item],
) -> SpeedPairs | None:
    """Pair one quantity; None where no cell was measured on both sides."""
    walls = _both(old, new, measure.wall)
    if measure.quantity is MEMORY:
        walls = {key: pair for key, pair in walls.items() if _own_peaks(match, old[key], new[key])}
    if not walls:
        return None
    sides = (match.base, [old[key] for key in walls]), (match.new, [new[key] for key in walls])
    facts, runs = [_facts(*side) for side in sides], [_runs(*side) for side in sides]
    on_processors = all(run.conditions.device == "cpu" for side in runs for run in side)
    processor = _both(old, new, measure.processor) if measure.processor is not None and on_processors else {}
    by_processor = processor.keys() >= walls.keys()
    values = {key: processor[key] for key in walls} if by_processor else walls
    ignores_load = by_processor or measure.quantity is MEMORY
    return SpeedPairs(
        subject=replace(subject, metric=measure.quantity.name),
        quantity=measure.quantity,
        values=np.array(list(values.values())),
        cells=tuple(values),
        unlike=_other_machine(*facts) or (None if ignores_load else _busy(*runs)),
        walls=np.array(list(walls.values())) if by_processor else None,
    )


def _both(
    old: Mapping[CellKey, Item], new: Mapping[CellKey, Item], of: Callable[[Item], float | None]
) -> dict[CellKey, tuple[float, float]]:
    """Numbers of BASE and NEW, cell by cell, where both are over 0."""
    shared = [key for key in new if key in old]
    return {key: (before, after) for key in shared if (before := of(old[key])) and (after := of(new[key]))}


def _own_peaks(match: Match, *pair: Item) -> bool:
    """Whether peaks belong to the cells themselves: a process's peak also depends on what it did before."""
    devices = {run.conditions.device for side in (match.base, match.new) for run in side.runs}
    return "cpu" not in devices or all(item.own_peak for item in pair)


def _runs(results: Results, items: Sequence[Item]) -> list[RunEntry]:
    run_ids = {item.run for item in items}
    return [run for run in results.runs if run.run in run_ids]


def _other_machine(old: Mapping[str, str], new: Mapping[str, str]) -> str | None:
    keys = [key for key in new if old.get(key) != new[key]]
    words = "; ".join(f"{key} {old.get(key)} in BASE, {new[key]} in NEW" for key in keys)
    return f"another machine: {words}" if words else None


def _busy(old: Sequence[RunEntry], new: Sequence[RunEntry]) -> str | None:
    """Reason where the load at the start of a side was more than an earlier run can have left; else None."""
    for side, runs in (("BASE", old), ("NEW", new)):
        for waiting, cores in map(load, runs):
            if waiting is not None and cores and waiting > BUSY * cores:
                return f"a busy machine: load {waiting:.1f} on {cores} cores when {side} began"
    return None


def _facts(results: Results, items: Sequence[Item]) -> dict[str, str]:
    """Machine, threads and pack sizes of records; several values of one kind are joined."""
    machines = [machine(run) for run in _runs(results, items)]
    threads = {str(item.training.threads) for item in items if item.training is not None}
    slots = {str(item.training.slots) for item in items if item.training is not None}
    facts = {key: ", ".join(sorted({each[key] for each in machines})) for key in (machines[0] if machines else {})}
    training_facts = {"threads": ", ".join(sorted(threads)), "models as one": ", ".join(sorted(slots))}
    return facts | (training_facts if threads else {})
