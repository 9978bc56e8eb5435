"""Changes of speed from BASE to NEW: throughput of pretrainings and trained arms, seconds and memory of cells.

A cell is compared with itself; of an arm's ratios the median counts, so that a neighbour's burst moves little. Cells of
one start share the state of the machine, so the spread of their ratios says too little: to it comes the noise from one
start of the same code to the next, twice. That is at least what the ratio was seen to change by within the runs, in any
arm: what the machine did there it may do between two starts, too.
"""

from __future__ import annotations

import math

import numpy as np

from labeleff.comparison.amounts import difference, value
from labeleff.comparison.change import Change, Doubt, Exact, Student
from labeleff.comparison.matching import Match
from labeleff.comparison.paired_speeds import MEMORY, ROBUST, THROUGHPUT, TIME, Paired, paired_speeds
from labeleff.stats.moderation import Array
from labeleff.study.gate import Criteria

SHORTEST = 1.0
"""Seconds of a cell, in the median, under which its time isn't judged."""
CROWDED, CROWDED_NOISE = 1.5, 0.06
"""Time by the clock over processor time from which a machine was crowded, and what processor time then differs by from
one start to the next, as a standard deviation of ln: measured on three runs of equal code that took 14 to 19 times
their processor time."""
FLOOR = 0.002
"""No standard deviation of a ratio's ln is believed to be smaller than this."""


def speed_changes(found: Match, criteria: Criteria) -> list[Change]:
    """One row a speed that both sides have; those of another or a busy machine, or of other threads, aren't judged."""
    pairs = paired_speeds(found)
    common = max((item.unrest for item in pairs if item.quantity is THROUGHPUT), default=0.0)
    starts = [max(_between_starts(item, criteria), 0.0 if item.quantity is MEMORY else common) for item in pairs]
    return [_change(item, noise) for item, noise in zip(pairs, starts, strict=True)]


def _between_starts(item: Paired, criteria: Criteria) -> float:
    """Noise of both starts together, as a standard deviation of the ratio's ln."""
    own = criteria.noise_of(item.quantity)
    return max(2**0.5 * (max(own, CROWDED_NOISE) if item.crowding > CROWDED else own), item.unrest)


def _change(item: Paired, noise: float) -> Change:
    centre, doubt = _centre(item.ratios, noise)
    base, new = (float(value) for value in np.median(item.values, axis=0))
    same = not item.ratios.any()
    notes = [] if item.unlike is None or same else [f"not judged: {item.unlike}"]
    if same:
        doubt = Exact()
        notes.append("the same to the last digit")
    elif doubt is None:
        notes.append("no interval: one cell")
    elif item.quantity is TIME and min(base, new) < SHORTEST:
        doubt = None
        notes.append(f"cells of less than {SHORTEST:g} s are too short to tell")
    if item.walls is not None:
        notes.append(f"by processor time; {_by_the_wall(item)}")
    return Change(
        subject=item.subject,
        quantity=item.quantity,
        base=base,
        new=new,
        difference=math.expm1(centre),
        doubt=doubt,
        pairs=len(item.cells),
        pairing="cell",
        notes=tuple(notes),
        judged=same or item.unlike is None,
    )


def _by_the_wall(item: Paired) -> str:
    """The same by the clock on the wall: medians and change."""
    assert item.walls is not None
    base, new = (value(item.quantity, float(number)) for number in np.median(item.walls, axis=0))
    change = math.expm1(float(np.median(np.log(item.walls[:, 1] / item.walls[:, 0]))))
    crowded = f"; a crowded machine, {item.crowding:.1f} times its processor time" if item.crowding > CROWDED else ""
    return f"by the clock {base} -> {new}, {difference(item.quantity, change)}{crowded}"


def _centre(ratios: Array, noise: float) -> tuple[float, Doubt | None]:
    """Centre of the cells' ln ratios, and what is known of it with the `noise` of both starts together.

    The median's variance is that of normal ratios, pi / 2 times the mean's; their spread comes from the median absolute
    deviation, of a few cells from the standard deviation. Degrees of freedom by Satterthwaite, the starts' noise taken
    as known.
    """
    count = len(ratios)
    if count == 1:
        return float(ratios[0]), None
    centre = float(np.median(ratios))
    deviation = 1.4826 * float(np.median(np.abs(ratios - centre))) if count >= ROBUST else float(ratios.std(ddof=1))
    cells = math.pi / 2 * max(deviation, FLOOR) ** 2 / count
    total = cells + noise**2
    return centre, Student(centre, math.sqrt(total), (count - 1) * (total / cells) ** 2)
