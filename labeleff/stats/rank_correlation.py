"""Spearman's rank correlation of two ways of scoring methods, with an interval.

Methods are the sample: an interval is about other methods like these, and their number decides its width. The
interval is a jackknife over methods on Fisher's scale (Arvesen 1969, Annals of Mathematical Statistics 40, section 5),
so that label counts that rank the same methods count as repeated measurements of a few methods. Noise of the
scores themselves lowers any correlation of ranks; `ceiling` is what full agreement would show (Spearman 1904, American
Journal of Psychology 15, his correction for attenuation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from labeleff.errors import OptionError
from labeleff.stats.interval_level import LEVEL, check_level
from labeleff.stats.moderation import Array

FEWEST = 5
"""Fewest methods that give an interval."""
LARGEST = 0.995
"""Largest correlation on Fisher's scale, where 1 lies at infinity."""


@dataclass(frozen=True)
class RankCorrelation:
    """The mean of Spearman's correlations, in -1..1; its interval is None where there are fewer than FEWEST methods."""

    methods: int
    value: float
    low: float | None
    high: float | None
    ceiling: float | None = None
    """The correlation that two rankings which differ by noise alone would show; None where single runs don't tell."""


def spearman(first: Array, second: Array) -> Array:
    """Correlation of ranks along the last axis; ties get their mean rank; 0 where one side has nothing but ties."""
    a, b = _ranks(first), _ranks(second)
    a, b = (ranks - ranks.mean(axis=-1, keepdims=True) for ranks in (a, b))
    norm = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    return np.asarray(np.where(norm > 0, (a * b).sum(axis=-1) / np.where(norm > 0, norm, 1.0), 0.0))


def _ranks(values: Array) -> Array:
    """Number of smaller values along the last axis, ties counting half; scipy's rankdata, whose module loads slowly."""
    others, own = values[..., None, :], values[..., :, None]
    return np.asarray((others < own).sum(axis=-1) + (others == own).sum(axis=-1) / 2)


def rank_correlation(first: Array, second: Array, *, level: float = LEVEL) -> RankCorrelation:
    """Rank correlation of `first` and `second`, both (R, P), over P methods, averaged over R rungs.

    Raises OptionError for other shapes, fewer than three methods, and numbers that aren't finite.
    """
    check_level(level)
    if first.ndim != 2 or first.shape != second.shape or first.shape[1] < 3 or not len(first):
        raise OptionError(
            f"scores of shapes {first.shape} and {second.shape}: expected (R, P) twice, with P of 3 or more"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise OptionError("scores that aren't finite: leave such methods out")
    methods = first.shape[1]
    value = float(spearman(first, second).mean())
    if methods < FEWEST:
        return RankCorrelation(methods, value, None, None)
    left = [np.delete(np.arange(methods), one) for one in range(methods)]
    without = spearman(first[:, left], second[:, left]).mean(axis=0)
    scaled = np.arctanh(np.clip(without, -LARGEST, LARGEST))
    error = float(np.sqrt((methods - 1) / methods * ((scaled - scaled.mean()) ** 2).sum()))
    width = float(special.stdtrit(methods - 2, (1 + level) / 2)) * error
    middle = float(np.arctanh(np.clip(value, -LARGEST, LARGEST)))
    low, high = float(np.tanh(middle - width)), float(np.tanh(middle + width))
    return RankCorrelation(methods, value, min(value, low), max(value, high))


def reliability(runs: Sequence[Array]) -> float | None:
    """Expected correlation of the ranking by the mean of `runs`, each (R, P), with that by as many new runs.

    Computed from the mean correlation of two single runs by the formula of Spearman and Brown (1910, British Journal
    of Psychology 3); None for a single run. Under 0 counts as 0.
    """
    if len(runs) < 2:
        return None
    pairs = [(a, b) for place, a in enumerate(runs) for b in runs[place + 1 :]]
    single = max(0.0, float(np.mean([spearman(a, b).mean() for a, b in pairs])))
    return len(runs) * single / (1 + (len(runs) - 1) * single)
