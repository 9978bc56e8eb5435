"""Changes of speed from BASE to NEW: throughput of pretrainings and trained arms, seconds of cells.

A cell is compared with itself, by the ratio of its rates (medians over its windows, warm-up left out); of an arm's
ratios the median counts, so that a neighbour's burst moves little. Cells of one start share the state of the machine,
so the spread of their ratios says too little: to it comes the noise from one start of the same code to the next, twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from labeleff.change import Change, Doubt, Exact, Student
from labeleff.gate import Criteria
from labeleff.likeness import conditions_of, machine, unlike
from labeleff.matching import Cells, Match
from labeleff.quantities import Quantity, Subject, quantity
from labeleff.record import Conditions, PretrainingRecord, Record, Training
from labeleff.results import Results, place_of
from labeleff.stats import Array, Run
from labeleff.throughput import rates

THROUGHPUT, TIME = quantity("throughput"), quantity("time")
SHORTEST = 1.0
"""Seconds of a cell, in the median, under which its time isn't judged."""
ROBUST = 5
"""Ratios from which on their median and its spread stand for them; of fewer the mean does."""
FLOOR = 0.002
"""No standard deviation of a ratio's ln is believed to be smaller than this."""
CellKey = tuple[int, Run] | int
"""Label count and run, or a pretraining's seed."""
Item = TypeVar("Item", Record, PretrainingRecord)


def speed_changes(found: Match, criteria: Criteria) -> list[Change]:
    """Throughput of every pretraining and trained arm, and time of every arm, that both sides measured."""
    rows = [*_pretrainings(found, criteria), *_cells(found, criteria)]
    return [row for row in rows if row is not None]


def rate(training: Training | None) -> float | None:
    """Images or stories a second: the median over the windows; None where nothing was timed."""
    found = rates(training)[0] if training is not None else []
    return float(np.median(found)) if found else None


def _pretrainings(found: Match, criteria: Criteria) -> Iterator[Change | None]:
    old, new = _timed_pretrainings(found.base), _timed_pretrainings(found.new)
    for subject in [subject for subject in new if subject in old]:
        sides = [_conditions(found.base, old[subject]), _conditions(found.new, new[subject])]
        if not any(True for before in sides[0] for after in sides[1] for _ in unlike(before, after)):
            yield _compared(found, subject, THROUGHPUT, old[subject], new[subject], _rate_of, criteria)


def _conditions(results: Results, items: Mapping[CellKey, PretrainingRecord]) -> list[Conditions]:
    used, what = {item.run for item in items.values()}, next(iter(items.values())).pretraining
    return [conditions_of(run.conditions, what.task, what.encoder) for run in results.runs if run.run in used]


def _rate_of(item: Record | PretrainingRecord) -> float | None:
    return rate(item.training)


def _seconds_of(item: Record) -> float | None:
    return item.seconds or None


def _timed_pretrainings(results: Results) -> dict[Subject, dict[CellKey, PretrainingRecord]]:
    """By subject and seed; those from the cache were timed by another run."""
    found: dict[Subject, dict[CellKey, PretrainingRecord]] = {}
    for item in results.pretrainings:
        if not item.cached and item.training is not None:
            place, what = place_of(item.pretraining), item.pretraining
            subject = Subject("throughput", None, what.pretext.name, place.task or "", place.encoder or "")
            found.setdefault(subject, {})[what.seed] = item
    return found


def _cells(found: Match, criteria: Criteria) -> Iterator[Change | None]:
    for (place, arm), pair in found.pairs.items():
        old, new = _flat(pair.base), _flat(pair.new)
        for what, of in ((THROUGHPUT, _rate_of), (TIME, _seconds_of)):
            subject = Subject(what.name, None, arm, place.task or "", place.encoder or "")
            yield _compared(found, subject, what, old, new, of, criteria)


def _flat(cells: Cells) -> dict[CellKey, Record]:
    return {(n, run): record for n, rung in cells.items() for run, record in rung.items()}


def _compared(
    found: Match,
    subject: Subject,
    what: Quantity,
    old: Mapping[CellKey, Item],
    new: Mapping[CellKey, Item],
    of: Callable[[Item], float | None],
    criteria: Criteria,
) -> Change | None:
    """One row; None where no cell was timed on both sides."""
    shared = [key for key in new if key in old]
    timed = [key for key in shared if of(old[key]) and of(new[key])]
    if not timed:
        return None
    two = np.array([[of(side[key]) or 0.0 for side in (old, new)] for key in timed])
    rungs = np.array([0 if isinstance(key, int) else key[0] for key in timed])
    ratios = np.log(two[:, 1] / two[:, 0])
    base, fresh = (float(value) for value in np.median(two, axis=0))
    centre, doubt = _centre(ratios, max(criteria.noise_of(what), _unrest(np.log(two), rungs)))
    notes = _other_machine(found, [old[key] for key in shared], [new[key] for key in shared])
    judged = not notes
    if judged and not ratios.any():
        doubt = Exact()
        notes.append("the same to the last digit")
    elif doubt is None:
        notes.append("no interval: one cell")
    elif what is TIME and min(base, fresh) < SHORTEST:
        doubt = None
        notes.append(f"cells of less than {SHORTEST:g} s are too short to tell")
    return Change(
        subject, what, base, fresh, math.expm1(centre), doubt, len(timed), "cell", tuple(notes), judged=judged
    )


def _unrest(logs: Array, rungs: npt.NDArray[np.int64]) -> float:
    """How much the machine's speed changed within either start: what it did there it may do between them too.

    The larger of both sides' standard deviations of cells (C, 2) around their rung's median, from the quartiles: a
    few slow cells say little, but where half of the cells were slow, the other side may have been so by chance.
    """
    centred = logs.copy()
    for rung in np.unique(rungs):
        centred[rungs == rung] -= np.median(logs[rungs == rung])
    low, high = np.percentile(centred, [25, 75], axis=0)
    return float((high - low).max() / 1.349)


def _centre(ratios: Array, noise: float) -> tuple[float, Doubt | None]:
    """Centre of the cells' ln ratios, and what is known of it with the noise of two starts.

    The median's standard error is that of normal ratios, sqrt(pi / 2) times the mean's, from their median absolute
    deviation. Degrees of freedom by Satterthwaite, the starts' noise taken as known.
    """
    count = len(ratios)
    if count == 1:
        return float(ratios[0]), None
    if count < ROBUST:
        centre, spread = float(ratios.mean()), float(ratios.std(ddof=1))
    else:
        centre = float(np.median(ratios))
        spread = math.sqrt(math.pi / 2) * 1.4826 * float(np.median(np.abs(ratios - centre)))
    cells = max(spread, FLOOR) ** 2 / count
    total = cells + 2 * noise**2
    return centre, Student(centre, math.sqrt(total), (count - 1) * (total / cells) ** 2)


def _other_machine(found: Match, old: list[Item], new: list[Item]) -> list[str]:
    """What of machine and threads differs between the sides, as one note; empty where nothing does."""
    facts = [_facts(found.base, old), _facts(found.new, new)]
    differing = [key for key in facts[1] if facts[0].get(key) != facts[1][key]]
    if not differing:
        return []
    words = "; ".join(f"{key} {facts[0].get(key)} in BASE, {facts[1][key]} in NEW" for key in differing)
    return [f"another machine, not judged: {words}"]


def _facts(results: Results, items: list[Item]) -> dict[str, str]:
    """Machine and threads behind some records; several of one kind one after the other."""
    used = {item.run for item in items}
    found = [machine(run) for run in results.runs if run.run in used]
    threads = {str(item.training.threads) for item in items if item.training is not None}
    facts = {key: ", ".join(sorted({each[key] for each in found})) for key in (found[0] if found else {})}
    return facts | ({"threads": ", ".join(sorted(threads))} if threads else {})
