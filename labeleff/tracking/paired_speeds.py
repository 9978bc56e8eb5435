"""Speeds that both of two folders measured, cell by cell, and on which machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from labeleff.likeness import conditions_of, load, machine, unlike
from labeleff.record import Conditions, PretrainingRecord, Record, RunEntry, Training
from labeleff.reporting.results import Results, place_of
from labeleff.reporting.throughput import rates
from labeleff.statistics.stats import Array, Run
from labeleff.tracking.matching import Cells, Match
from labeleff.tracking.quantities import Quantity, Subject, quantity

CellKey = tuple[int, Run] | int
"""Label count and run, or a pretraining's seed."""
ROBUST = 5
"""Values from which on their spread is told by quantiles, so that a few odd ones say little."""
THROUGHPUT, TIME = quantity("throughput"), quantity("time")
BUSY = 1.5
"""Load average over the cores, when a run begins, from which the machine counts as others' too."""
Item = TypeVar("Item", Record, PretrainingRecord)


@dataclass(frozen=True)
class Paired:
    """Speeds of one subject in C cells."""

    subject: Subject
    quantity: Quantity
    values: Array
    """(C, 2): BASE and NEW, over 0."""
    cells: tuple[CellKey, ...]
    unlike: str | None
    """Why the sides say nothing of the code: another machine, other threads, a busy machine; None where they do."""

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


def rate(training: Training | None) -> float | None:
    """Images or stories a second: the median over the windows; None where nothing was timed."""
    found = rates(training)[0] if training is not None else []
    return float(np.median(found)) if found else None


def paired_speeds(found: Match) -> list[Paired]:
    """Throughput of every pretraining and trained arm, and time of every arm, where both sides have it."""
    pairs = [*_pretrainings(found), *_cells(found)]
    return [item for item in pairs if item is not None]


def _pretrainings(found: Match) -> Iterator[Paired | None]:
    old, new = _timed(found.base), _timed(found.new)
    for subject in [subject for subject in new if subject in old]:
        sides = _conditions(found.base, old[subject]), _conditions(found.new, new[subject])
        if not any(True for before in sides[0] for after in sides[1] for _ in unlike(before, after)):
            yield _paired(found, subject, THROUGHPUT, old[subject], new[subject], lambda item: rate(item.training))


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
        yield _paired(found, subject, THROUGHPUT, old, new, lambda record: rate(record.training))
        subject = Subject("time", None, arm, place.task or "", place.encoder or "")
        yield _paired(found, subject, TIME, old, new, lambda record: record.seconds)


def _flat(cells: Cells) -> dict[CellKey, Record]:
    return {(n, run): record for n, rung in cells.items() for run, record in rung.items()}


def _paired(
    found: Match,
    subject: Subject,
    what: Quantity,
    old: Mapping[CellKey, Item],
    new: Mapping[CellKey, Item],
    of: Callable[[Item], float | None],
) -> Paired | None:
    """None where no cell was timed on both sides."""
    shared = [key for key in new if key in old]
    speeds = {key: (before, after) for key in shared if (before := of(old[key])) and (after := of(new[key]))}
    if not speeds:
        return None
    sides = (found.base, [old[key] for key in speeds]), (found.new, [new[key] for key in speeds])
    reason = _other_machine(*(_facts(*side) for side in sides)) or _busy(*(_runs(*side) for side in sides))
    return Paired(subject, what, np.array(list(speeds.values())), tuple(speeds), reason)


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
