"""Changes of speed and memory from BASE to NEW.

They are throughput of pretrainings and trained arms, seconds and memory of cells. A cell is compared with itself, and
of an arm's ratios the median counts, so that a burst of other work moves little. Cells of one start share the state of
the machine, so the spread of their ratios is too small: the noise between two starts of the same code is added, once
per side. That noise is at least the drift of the ratio within the runs, in any arm: what a machine does during a run it
may also do between two runs.
"""

from __future__ import annotations

import math

import numpy as np

from labeleff.comparison.amounts import difference, value
from labeleff.comparison.change import Change, Exact, Student, Uncertainty
from labeleff.comparison.matching import Match
from labeleff.comparison.paired_speeds import MEMORY, ROBUST, THROUGHPUT, TIME, SpeedPairs, paired_speeds
from labeleff.stats.moderation import Array
from labeleff.study.gate import Criteria

SHORTEST = 1.0
"""Median seconds of cells under which time isn't judged."""
CROWDED, CROWDED_NOISE = 1.5, 0.06
"""Wall over processor time above which a machine counts as crowded, and the noise of processor time between two starts
on such a machine, as a standard deviation of ln: measured on three runs of equal code that took 14 to 19 times their
processor time."""
FLOOR = 0.002
"""Least standard deviation that a ratio's ln is assumed to have."""


def speed_changes(match: Match, criteria: Criteria) -> list[Change]:
    """Compare speeds, one row each; those of another or a busy machine, or of other threads, aren't judged."""
    pairs = paired_speeds(match)
    common = max((item.drift for item in pairs if item.quantity is THROUGHPUT), default=0.0)
    starts = [max(_between_starts(item, criteria), 0.0 if item.quantity is MEMORY else common) for item in pairs]
    return [_change(item, noise) for item, noise in zip(pairs, starts, strict=True)]


def _between_starts(item: SpeedPairs, criteria: Criteria) -> float:
    """Noise of both starts together, as a standard deviation of the ratio's ln."""
    noise = criteria.noise_of(item.quantity)
    return max(2**0.5 * (max(noise, CROWDED_NOISE) if item.crowding > CROWDED else noise), item.drift)


def _change(item: SpeedPairs, noise: float) -> Change:
    centre, uncertainty = _centre(item.ratios, noise)
    base, new = (float(value) for value in np.median(item.values, axis=0))
    same = not item.ratios.any()
    notes = [] if item.unlike is None or same else [f"not judged: {item.unlike}"]
    if same:
        uncertainty = Exact()
        notes.append("the same to the last digit")
    elif uncertainty is None:
        notes.append("no interval: one cell")
    elif item.quantity is TIME and min(base, new) < SHORTEST:
        uncertainty = None
        notes.append(f"cells of less than {SHORTEST:g} s are too short to tell")
    if item.walls is not None:
        notes.append(f"by processor time; {_by_the_wall(item)}")
    return Change(
        subject=item.subject,
        quantity=item.quantity,
        base=base,
        new=new,
        difference=math.expm1(centre),
        uncertainty=uncertainty,
        pairs=len(item.cells),
        pairing="cell",
        notes=tuple(notes),
        judged=same or item.unlike is None,
    )


def _by_the_wall(item: SpeedPairs) -> str:
    """Note with medians and change by the wall clock."""
    assert item.walls is not None
    base, new = (value(item.quantity, float(number)) for number in np.median(item.walls, axis=0))
    change = math.expm1(float(np.median(np.log(item.walls[:, 1] / item.walls[:, 0]))))
    crowded = f"; a crowded machine, {item.crowding:.1f} times its processor time" if item.crowding > CROWDED else ""
    return f"by the clock {base} -> {new}, {difference(item.quantity, change)}{crowded}"


def _centre(ratios: Array, noise: float) -> tuple[float, Uncertainty | None]:
    """Centre of the cells' ln ratios, and its distribution with the `noise` of both starts together; None for one cell.

    The median's variance is that of normal ratios, pi / 2 times the mean's; their spread comes from the median absolute
    deviation, for fewer than ROBUST cells from the standard deviation. Degrees of freedom are Satterthwaite's, with the
    starts' noise treated as exact.
    """
    count = len(ratios)
    if count == 1:
        return float(ratios[0]), None
    centre = float(np.median(ratios))
    deviation = 1.4826 * float(np.median(np.abs(ratios - centre))) if count >= ROBUST else float(ratios.std(ddof=1))
    cells = math.pi / 2 * max(deviation, FLOOR) ** 2 / count
    total = cells + noise**2
    return centre, Student(centre, math.sqrt(total), (count - 1) * (total / cells) ** 2)
