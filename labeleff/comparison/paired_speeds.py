"""Speeds and memory that both of two folders measured, cell by cell, and on which machine.

On CPUs, where both sides know it for every cell, speed is by the processor's time: other processes make a run long, but
change its own processor time much less (by what they take of caches and memory). Else it is by the clock on the wall.
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
from labeleff.reporting.results import Results, place_of
from labeleff.reporting.sections.throughput import rates
from labeleff.stats.moderation import Array
from labeleff.stats.resampling import Run
from labeleff.study.quantities import Quantity, Subject, quantity

CellKey = tuple[int, Run] | int
"""Label count and run, or a pretraining's seed."""
ROBUST = 5
"""Values from which on their spread is told by quantiles, so that a few odd ones say little."""
THROUGHPUT, TIME, MEMORY = quantity("throughput"), quantity("time"), quantity("memory")
BUSY = 1.5
"""Load average over the cores, when a run begins, from which the machine counts as others' too."""
Item = TypeVar("Item", Record, PretrainingRecord)


@dataclass(frozen=True)
class Paired:
    """Speeds, or peaks of memory, of one subject in C cells."""

    subject: Subject
    quantity: Quantity
    values: Array
    """(C, 2): BASE and NEW, over 0."""
    cells: tuple[CellKey, ...]
    unlike: str | None
    """Why the sides say nothing of the code: another machine, other threads, a busy machine; None where they do."""
    walls: Array | None = None
    """(C, 2): the same by the clock on the wall, where `values` are by the processor's time."""

    @property
    def crowding(self) -> float:
        """Time by the clock over processor time, in the median of the more crowded side; 1 where only one is known."""
        if self.walls is None:
            return 1.0
        longer = self.values / self.walls if self.quantity.higher else self.walls / self.values
        return float(np.median(longer, axis=0).max())

    @property
    def ratios(self) -> Array:
        """(C,): ln of NEW over BASE."""
        return np.log(self.values[:, 1] / self.values[:, 0])

    @property
    def unrest(self) -> float:
        """How much the ratio differs from one part of the runs to another, as a standard deviation of ln.

        Parts are rungs, and draws: whatever order cells run in, a machine that is slow for a while is slow in some of
        them. Parts differ by their medians, and by what single cells differ they would anyway; that is taken off.
        0 where there are no parts.
        """
        keys = [key for key in self.cells if not isinstance(key, int)]
        axes = ([n for n, _ in keys], [draw for _, (draw, _) in keys]) if keys else ()
        return max((self._between(np.array(axis)) for axis in axes), default=0.0)

    def _between(self, parts: npt.NDArray[np.int64]) -> float:
        """Standard deviation of the parts beyond that of their cells; both by quantiles, so that bursts say little."""
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
    """Images or stories a second: the median over the windows; None where nothing was timed.

    `processor`: by the processor's time; None where a window lacks it.
    """
    if training is None or (processor and any(window.processor_seconds is None for window in training.windows)):
        return None
    found = rates(training, processor=processor)[0]
    return float(np.median(found)) if found else None


@dataclass(frozen=True)
class _Measure:
    """How a record gives a number: by the clock on the wall and, where there is such a thing, by processor time."""

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


def paired_speeds(found: Match) -> list[Paired]:
    """Throughput of every pretraining and trained arm, time of every arm, and memory, where both sides have it."""
    pairs = [*_pretrainings(found), *_cells(found)]
    return [item for item in pairs if item is not None]


def _pretrainings(found: Match) -> Iterator[Paired | None]:
    old, new = _timed(found.base), _timed(found.new)
    for subject in [subject for subject in new if subject in old]:
        sides = _conditions(found.base, old[subject]), _conditions(found.new, new[subject])
        if not any(True for before in sides[0] for after in sides[1] for _ in unlike(before, after)):
            for measure in (_THROUGHPUT, _MEMORY):
                yield _paired(found, subject, measure, old[subject], new[subject])


def _timed(results: Results) -> dict[Subject, dict[CellKey, PretrainingRecord]]:
    """By subject and seed; those from the cache were timed by another run."""
    found: dict[Subject, dict[CellKey, PretrainingRecord]] = {}
    for item in results.pretrainings:
        if not item.cached and item.training is not None:
            place, what = place_of(item.pretraining), item.pretraining
            subject = Subject("throughput", None, what.pretext.name, place.task or "", place.encoder or "")
            found.setdefault(subject, {})[what.seed] = item
    return found


def _conditions(results: Results, items: Mapping[CellKey, PretrainingRecord]) -> list[Conditions]:
    used, what = {item.run for item in items.values()}, next(iter(items.values())).pretraining
    return [conditions_of(run.conditions, what.task, what.encoder) for run in results.runs if run.run in used]


def _cells(found: Match) -> Iterator[Paired | None]:
    for (place, arm), pair in found.pairs.items():
        old, new = _flat(pair.base), _flat(pair.new)
        subject = Subject("throughput", None, arm, place.task or "", place.encoder or "")
        for measure in (_THROUGHPUT, _TIME, _MEMORY):
            yield _paired(found, subject, measure, old, new)


def _flat(cells: Cells) -> dict[CellKey, Record]:
    return {(n, run): record for n, rung in cells.items() for run, record in rung.items()}


def _paired(
    found: Match,
    subject: Subject,
    measure: _Measure,
    old: Mapping[CellKey, Item],
    new: Mapping[CellKey, Item],
) -> Paired | None:
    """None where no cell was measured on both sides."""
    walls = _both(old, new, measure.wall)
    if measure.quantity is MEMORY:
        walls = {key: pair for key, pair in walls.items() if _own_peaks(found, old[key], new[key])}
    if not walls:
        return None
    sides = (found.base, [old[key] for key in walls]), (found.new, [new[key] for key in walls])
    facts, runs = [_facts(*side) for side in sides], [_runs(*side) for side in sides]
    on_processors = all(run.conditions.device == "cpu" for side in runs for run in side)
    worked = _both(old, new, measure.processor) if measure.processor is not None and on_processors else {}
    by_processor = worked.keys() >= walls.keys()
    values = {key: worked[key] for key in walls} if by_processor else walls
    calm = by_processor or measure.quantity is MEMORY
    return Paired(
        subject=replace(subject, metric=measure.quantity.name),
        quantity=measure.quantity,
        values=np.array(list(values.values())),
        cells=tuple(values),
        unlike=_other_machine(*facts) or (None if calm else _busy(*runs)),
        walls=np.array(list(walls.values())) if by_processor else None,
    )


def _both(
    old: Mapping[CellKey, Item], new: Mapping[CellKey, Item], of: Callable[[Item], float | None]
) -> dict[CellKey, tuple[float, float]]:
    """BASE and NEW, cell by cell, where both have a number over 0."""
    shared = [key for key in new if key in old]
    return {key: (before, after) for key in shared if (before := of(old[key])) and (after := of(new[key]))}


def _own_peaks(found: Match, *pair: Item) -> bool:
    """Whether peaks are those of the cells: a process's peak so far depends on what it did before."""
    devices = {run.conditions.device for side in (found.base, found.new) for run in side.runs}
    return "cpu" not in devices or all(item.own_peak for item in pair)


def _runs(results: Results, items: Sequence[Item]) -> list[RunEntry]:
    used = {item.run for item in items}
    return [run for run in results.runs if run.run in used]


def _other_machine(old: Mapping[str, str], new: Mapping[str, str]) -> str | None:
    differing = [key for key in new if old.get(key) != new[key]]
    words = "; ".join(f"{key} {old.get(key)} in BASE, {new[key]} in NEW" for key in differing)
    return f"another machine: {words}" if words else None


def _busy(old: Sequence[RunEntry], new: Sequence[RunEntry]) -> str | None:
    """Whether others had the machine when a side began: more of them wait than a run before this one can have left."""
    for side, runs in (("BASE", old), ("NEW", new)):
        for waiting, cores in map(load, runs):
            if waiting is not None and cores and waiting > BUSY * cores:
                return f"a busy machine: load {waiting:.1f} on {cores} cores when {side} began"
    return None


def _facts(results: Results, items: Sequence[Item]) -> dict[str, str]:
    """Machine, threads and size of packs behind some records; several of one kind one after the other."""
    found = [machine(run) for run in _runs(results, items)]
    threads = {str(item.training.threads) for item in items if item.training is not None}
    slots = {str(item.training.slots) for item in items if item.training is not None}
    facts = {key: ", ".join(sorted({each[key] for each in found})) for key in (found[0] if found else {})}
    trained = {"threads": ", ".join(sorted(threads)), "models as one": ", ".join(sorted(slots))}
    return facts | (trained if threads else {})
