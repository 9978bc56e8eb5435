"""Changes of utility from BASE to NEW, by joint replicates of all four curves.

They are computed at every rung and over the ladder. The baseline's curve is isotonic PCHIP whatever the study's method,
unless that is `linear` or `log`. Label counts outside the ladder are clipped to its ends, as extrapolations aren't
measurements; clipped on both sides, a difference keeps its sign and only shrinks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from labeleff.comparison.change import Change, Exact, Samples, Uncertainty
from labeleff.comparison.matching import Match
from labeleff.comparison.score_changes import match_runs
from labeleff.curves.interpolation import METHODS, fit
from labeleff.curves.mean_ratio import trapezoids
from labeleff.reporting.measurements import Place
from labeleff.stats.moderation import Array
from labeleff.stats.resampling import Runs, means, resample
from labeleff.study.quantities import Subject, quantity

COUNT = 10_000
"""Number of joint replicates: p values adjusted for some hundred numbers need that many."""
UTILITY = quantity("utility")
FELL, ROSE = "the baseline fell", "the baseline rose"
"""Beginnings of the notes on a utility that rose because the baseline fell, or fell because that rose."""


@dataclass(frozen=True)
class LabelRatios:
    """Label ratios n1 / n of one arm on one side at K rungs, with n1 clipped to the ladder."""

    ns: tuple[int, ...]
    ratios: Array
    """Ratios (K,)."""
    samples: Array | None
    """Replicates (S, K) of the ratios; None without noise."""
    outside: tuple[bool, ...]
    """Whether n1 lies outside the ladder, by rung (K,)."""

    def utility(self, column: int | None) -> tuple[float, Array | None]:
        """Utility at a rung, or over the ladder (None: mean label ratio minus 1): the point, then samples (S,)."""
        if column is None:
            shares = trapezoids(self.ns)
            samples = None if self.samples is None else np.exp(np.log(self.samples) @ shares) - 1
            return float(np.exp(np.log(self.ratios) @ shares)) - 1, samples
        return float(self.ratios[column]) - 1, None if self.samples is None else self.samples[:, column] - 1


def label_ratios(baseline: Runs, arm: Runs, side: str, name: str, method: str) -> LabelRatios:
    """Compute label ratios of an arm with the joint noise of arm and baseline; the baseline needs two rungs.

    `side` names the random stream of noise that only this folder has. Draws of the same number share their noise over
    all arms and folders.
    """
    ns, counts = sorted(baseline), np.array([len(baseline[n]) for n in sorted(baseline)], dtype=float)
    method = method if method in METHODS else "pchip"
    label_counts = np.array(sorted(arm), dtype=float)
    first, last = float(ns[0]), float(ns[-1])
    point = fit(ns, means(baseline)[None], counts, method).invert(means(arm)[None])[0]
    curves, goals = resample(baseline, f"{side}/baseline", count=COUNT), resample(arm, f"{side}/{name}", count=COUNT)
    samples = None
    if curves is not None and goals is not None:
        samples = np.clip(fit(ns, curves, counts, method).invert(goals), first, last) / label_counts
    outside = tuple(bool(n1 in (0.0, np.inf)) for n1 in point)
    return LabelRatios(tuple(sorted(arm)), np.clip(point, first, last) / label_counts, samples, outside)


def utility_changes(match: Match) -> list[Change]:
    """Changes of every other arm's utility, at places whose baseline has two shared rungs or more."""
    return [row for place in match.new.places for row in _at(match, place)]


def _at(match: Match, place: Place) -> Iterator[Change]:
    name = match.new.study.baseline
    base = _runs(match, place, name)
    if base is None or name != match.base.study.baseline or len(base[0]) < 2:
        return
    for arm in match.new.arms:
        runs = _runs(match, place, arm) if arm != name else None
        if runs is not None and runs[0]:
            yield from _changes(match, place, arm, base, runs)


def _runs(match: Match, place: Place, arm: str) -> tuple[Runs, Runs] | None:
    pair = match.pairs.get((place, arm))
    metric = match.new.metric(place.task)
    if pair is None:
        return None
    sides = match.base.units(place.task), match.new.units(place.task)
    units = max(sides, key=lambda one: one.size)  # wide enough for the values of both
    old, new = (
        {n: {run: units.score(value) for run, value in rung.items()} for n, rung in runs.items()}
        for runs in match_runs(pair, metric)
    )
    return old, new


def _changes(
    match: Match, place: Place, arm: str, base: tuple[Runs, Runs], runs: tuple[Runs, Runs]
) -> Iterator[Change]:
    method = match.new.study.curve
    old, new = (label_ratios(base[i], runs[i], side, arm, method) for i, side in enumerate(("base", "new")))
    same = all(_same(sides) for sides in (base, runs))
    moved = _moved_baseline(match.new.study.baseline, base, runs)
    columns: list[int | None] = [*range(len(old.ns)), *([None] if len(old.ns) > 1 else [])]
    for column in columns:
        yield _change(place, arm, (old, new), column, same=same, pairs=_shared(runs, column, old.ns), moved=moved)


def _moved_baseline(name: str, base: tuple[Runs, Runs], runs: tuple[Runs, Runs]) -> str:
    """Note for utilities that changed more by the baseline's means than by the arm's, the other way; else empty."""
    fall = _mean(base[0]) - _mean(base[1])
    rise = _mean(runs[1]) - _mean(runs[0])
    if abs(fall) <= max(0.0, rise if fall > 0 else -rise):
        return ""
    what = FELL if fall > 0 else ROSE
    return f"{what}: {name} has {_mean(base[0]):.4g} -> {_mean(base[1]):.4g} over its rungs, the arm {rise:+.2g}"


def _mean(runs: Runs) -> float:
    """Mean of the means of rungs."""
    return float(np.mean([np.mean(list(runs[n].values())) for n in runs]))


def _same(sides: tuple[Runs, Runs]) -> bool:
    return all(dict(sides[0][n]) == dict(sides[1][n]) for n in sides[0])


def _shared(runs: tuple[Runs, Runs], column: int | None, ns: tuple[int, ...]) -> int:
    """Number of runs that both sides have."""
    rungs = ns if column is None else ns[column : column + 1]
    return len({run for n in rungs for run in runs[0][n] if run in runs[1][n]})


def _change(
    place: Place,
    arm: str,
    sides: tuple[LabelRatios, LabelRatios],
    column: int | None,
    *,
    same: bool,
    pairs: int,
    moved: str,
) -> Change:
    (base, before), (new, after) = (side.utility(column) for side in sides)
    uncertainty: Uncertainty | None = Exact() if same else None
    if uncertainty is None and before is not None and after is not None:
        uncertainty = Samples(np.sort(after - before))
    outside = [any(side.outside) if column is None else side.outside[column] for side in sides]
    notes = ["the same to the last digit"] if same else []
    if any(outside):
        where = " and ".join(name for name, beyond in zip(("BASE", "NEW"), outside, strict=True) if beyond)
        notes.append(f"outside the baseline's ladder in {where}: brought to its end")
    elif uncertainty is None:
        notes.append("no interval: one run a rung")
    if new != base and moved.startswith(FELL if new > base else ROSE):
        notes.append(moved)
    n = None if column is None else sides[0].ns[column]
    return Change(
        subject=Subject("utility", n, arm, place.task or "", place.encoder or ""),
        quantity=UTILITY,
        base=base,
        new=new,
        difference=new - base,
        uncertainty=uncertainty,
        pairs=pairs,
        pairing="run" if pairs else "none",
        notes=tuple(notes),
        bounded=(any(outside) if column is not None else any(all(side.outside) for side in sides)) and not same,
    )
