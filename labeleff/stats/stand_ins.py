"""Means of several runs in place of the runs: stand-ins with the same mean, spread and number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labeleff.errors import CurveError
from labeleff.seeding import stream_seed

FIRST = 1 << 40
"""Least number of a stand-in's draw and seed: no measured run has one so large, so none is paired with a stand-in."""
MOST = 10_000
"""Largest number of runs behind a mean: more are rather test examples."""


class StandIns(dict[tuple[int, int], float]):
    """Runs of one rung, by (draw, seed), of which only mean, variance and number are known.

    A single value means nothing and may lie outside the metric's range.
    """


@dataclass(frozen=True)
class Mean:
    """Mean of several runs, in place of the runs themselves.

    Raises CurveError for numbers that aren't finite, a standard deviation under 0, and fewer than two runs: a single
    run has no spread, and is given as a value.
    """

    mean: float
    """Mean accuracy in 0..1."""
    sd: float
    """Sample standard deviation of a single run (with runs - 1 in the denominator), not of the mean."""
    runs: int
    """Number of runs, from 2."""
    rounding: float = 0.0
    """Variance that rounding adds to the mean, however many runs it is over."""

    def __post_init__(self) -> None:
        for name, value in (("mean", self.mean), ("sd", self.sd), ("rounding", self.rounding)):
            if not math.isfinite(value) or (value < 0 and name != "mean"):
                ending = "" if name == "mean" else " from 0"
                raise CurveError(f"Mean: found {name} {value}, expected a finite number{ending}")
        if not (2 <= self.runs <= MOST and self.runs == int(self.runs)):
            raise CurveError(
                f"Mean: found {self.runs} runs, expected a whole number from 2 to {MOST:,}; a single run is a value"
            )

    @property
    def variance(self) -> float:
        """Variance of a single run with which the mean is as uncertain as all of this makes it."""
        return self.sd**2 + self.runs * self.rounding

    def values(self) -> list[float]:
        """Values with this mean and variance, one for every run: half of them over the mean, half under it."""
        half, odd = divmod(int(self.runs), 2)
        away = math.sqrt(self.variance * (self.runs - 1) / (2 * half))
        return [*[self.mean - away] * half, *[self.mean] * odd, *[self.mean + away] * half]


def stand_ins(means: Sequence[Mean], side: int = 0) -> list[StandIns]:
    """Stand-ins for `means`, all with numbers of their own: two calls share none unless `side` and a mean are equal.

    The numbers depend on what they stand for, not on its place or name, so that no order and no name moves a result.
    """
    taken: dict[int, int] = {}
    rungs = []
    for mean in means:
        place = FIRST + stream_seed("stand-ins", side, repr(mean.mean), repr(mean.variance), int(mean.runs)) % FIRST
        first = place + taken.get(place, 0)
        taken[place] = taken.get(place, 0) + int(mean.runs)
        rungs.append(StandIns({(first + at, first + at): value for at, value in enumerate(mean.values())}))
    return rungs


def pooled(means: Sequence[Mean]) -> Mean:
    """One mean of all runs behind several means of one rung, with the standard deviation of all of these runs."""
    if len(means) == 1:
        return means[0]
    runs = sum(each.runs for each in means)
    mean = math.fsum(each.runs * each.mean for each in means) / runs
    squares = math.fsum((each.runs - 1) * each.sd**2 + each.runs * (each.mean - mean) ** 2 for each in means)
    rounding = math.fsum((each.runs / runs) ** 2 * each.rounding for each in means)
    return Mean(mean, math.sqrt(squares / (runs - 1)), runs, rounding)


def mean_or_values(rung: Mapping[tuple[int, int], float]) -> Mean | list[float]:
    """A rung's values, or what its stand-ins stand for."""
    values = list(rung.values())
    if not isinstance(rung, StandIns):
        return values
    mean = math.fsum(values) / len(values)
    return Mean(mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)), len(values))
