"""Single runs that lie far from the other runs of their rung, such as a training that diverged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from scipy import special

from labeleff.stats.moderation import moderated_variance, resolution
from labeleff.stats.resampling import Run, Runs

FEWEST = 3
"""Number of runs of a rung from which one of them can be told from the others."""
SCREEN = 4.0
"""Distance from a rung's median, in robust standard deviations of the arm's runs, from which a run is tested."""
FALSE_ALARMS = 0.01
"""Probability that a table of normal runs has any outlier."""


@dataclass(frozen=True)
class Outlier:
    """A run that doesn't belong to the other runs of its rung."""

    n: int
    run: Run
    value: float
    centre: float
    """Mean of the rung's other runs."""
    distance: float
    """Distance from `centre` in standard deviations of the other runs, under 0 for a lower value."""
    p_value: float
    """Probability of such a distance, up or down, for one normal run."""


def outliers(arms: Mapping[str, Runs]) -> dict[str, list[Outlier]]:
    """Outliers by arm, those of the smallest p value first; arms without one are left out.

    A run is compared with the others by Student's t with a standard deviation from all of the arm's runs but itself,
    moderated over the rungs, and not under the arm's robust one. FALSE_ALARMS is shared by all runs of all arms
    (Bonferroni). Of a rung one run is tested, the farthest from its median.
    """
    count = sum(len(rung) for runs in arms.values() for rung in runs.values())
    found = {
        name: sorted((one for one in _tested(runs) if one.p_value * count < FALSE_ALARMS), key=lambda one: one.p_value)
        for name, runs in arms.items()
    }
    return {name: each for name, each in found.items() if each}


def _tested(runs: Runs) -> Iterator[Outlier]:
    """The farthest run of every rung where it fails the screen."""
    medians = {n: median(rung.values()) for n, rung in runs.items()}
    away = {n: {run: abs(value - medians[n]) for run, value in rung.items()} for n, rung in runs.items()}
    spread = 1.4826 * median([size for sizes in away.values() for size in sizes.values()] or [0.0])
    for n, sizes in away.items():
        run = max(sizes, key=lambda key: (sizes[key], key))
        if len(sizes) >= FEWEST and sizes[run] > SCREEN * spread:
            outlier = _compared(runs, n, run, spread)
            if outlier is not None:
                yield outlier


def _compared(runs: Runs, n: int, run: Run, least: float) -> Outlier | None:
    """One run against all others, of at least the standard deviation `least`; None where these show no spread."""
    others = {m: [v for key, v in rung.items() if (m, key) != (n, run)] for m, rung in sorted(runs.items())}
    moderated = moderated_variance(list(others), list(others.values()))
    if moderated is None:
        return None
    place, rest = list(others).index(n), others[n]
    centre = math.fsum(rest) / len(rest)
    step = resolution([list(rung.values()) for rung in runs.values()])
    spread = max(math.sqrt(moderated.variance[place]), least, step)
    distance = (runs[n][run] - centre) / spread
    t = distance / math.sqrt(1 + 1 / len(rest))
    p_value = 2 * float(special.stdtr(moderated.df[place], -abs(t)))
    return Outlier(n, run, runs[n][run], centre, distance, p_value)
