"""Changes of utility from BASE to NEW, at every rung and over the ladder, by joint replicates of all four curves.

Inside the baseline's ladder utility rests on isotonic PCHIP whatever the study's curve, unless that is `linear` or
`log`. Label counts outside it are brought to its ends: a model's word is no measurement, and brought in on both sides
a difference keeps its sign and only shrinks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from labeleff.comparison.change import Change, Doubt, Exact, Sampled
from labeleff.comparison.matching import Match
from labeleff.comparison.score_changes import matched
from labeleff.curves.interpolation import METHODS, fit
from labeleff.curves.mean_ratio import trapezoids
from labeleff.reporting.measurements import Place
from labeleff.stats.moderation import Array
from labeleff.stats.resampling import Runs, means, resample
from labeleff.study.quantities import Subject, quantity

COUNT = 10_000
"""Joint replicates: p values adjusted for some hundred numbers need that many."""
UTILITY = quantity("utility")


@dataclass(frozen=True)
class Worth:
    """Label ratios n1 / n of one arm on one side, brought into the ladder; K rungs."""

    ns: tuple[int, ...]
    ratios: Array
    """(K,)."""
    samples: Array | None
    """(S, K); None without noise."""
    outside: tuple[bool, ...]
    """(K,): n1 lies outside the ladder."""

    def utility(self, column: int | None) -> tuple[float, Array | None]:
        """U at a rung, or None: the mean label ratio over the ladder minus 1; the point, then samples (S,)."""
        if column is None:
            shares = trapezoids(self.ns)
            samples = None if self.samples is None else np.exp(np.log(self.samples) @ shares) - 1
            return float(np.exp(np.log(self.ratios) @ shares)) - 1, samples
        return float(self.ratios[column]) - 1, None if self.samples is None else self.samples[:, column] - 1


def worth(baseline: Runs, arm: Runs, side: str, name: str, method: str) -> Worth:
    """Label ratios of an arm, with the joint noise of both; `side` names noise that only this folder has.

    Draws of the same number share their luck with every arm of every folder. The baseline needs two rungs.
    """
    ns, counts = sorted(baseline), np.array([len(baseline[n]) for n in sorted(baseline)], dtype=float)
    method = method if method in METHODS else "pchip"
    asked = np.array(sorted(arm), dtype=float)
    first, last = float(ns[0]), float(ns[-1])
    point = fit(ns, means(baseline)[None], counts, method).invert(means(arm)[None])[0]
    curves, goals = resample(baseline, f"{side}/baseline", count=COUNT), resample(arm, f"{side}/{name}", count=COUNT)
    samples = None
    if curves is not None and goals is not None:
        samples = np.clip(fit(ns, curves, counts, method).invert(goals), first, last) / asked
    outside = tuple(bool(n1 in (0.0, np.inf)) for n1 in point)
    return Worth(tuple(sorted(arm)), np.clip(point, first, last) / asked, samples, outside)


def utility_changes(found: Match) -> list[Change]:
    """Every other arm against the study's baseline, at places whose baseline has two shared rungs or more."""
    return [row for place in found.new.places for row in _at(found, place)]


def _at(found: Match, place: Place) -> Iterator[Change]:
    name = found.new.study.baseline
    base = _runs(found, place, name)
    if base is None or name != found.base.study.baseline or len(base[0]) < 2:
        return
    for arm in found.new.arms:
        runs = _runs(found, place, arm) if arm != name else None
        if runs is not None and runs[0]:
            yield from _changes(found, place, arm, base, runs)


def _runs(found: Match, place: Place, arm: str) -> tuple[Runs, Runs] | None:
    pair = found.pairs.get((place, arm))
    metric = found.new.metric(place.task)
    return None if pair is None or not quantity(metric).higher else matched(pair, metric)


def _changes(
    found: Match, place: Place, arm: str, base: tuple[Runs, Runs], runs: tuple[Runs, Runs]
) -> Iterator[Change]:
    method = found.new.study.curve
    old, new = (worth(base[i], runs[i], side, arm, method) for i, side in enumerate(("base", "new")))
    same = all(_same(two) for two in (base, runs))
    columns: list[int | None] = [*range(len(old.ns)), *([None] if len(old.ns) > 1 else [])]
    for column in columns:
        yield _change(place, arm, (old, new), column, same=same, pairs=_shared(runs, column, old.ns))


def _same(two: tuple[Runs, Runs]) -> bool:
    return all(dict(two[0][n]) == dict(two[1][n]) for n in two[0])


def _shared(runs: tuple[Runs, Runs], column: int | None, ns: tuple[int, ...]) -> int:
    """Runs that both sides have."""
    asked = ns if column is None else ns[column : column + 1]
    return len({run for n in asked for run in runs[0][n] if run in runs[1][n]})


def _change(
    place: Place, arm: str, sides: tuple[Worth, Worth], column: int | None, *, same: bool, pairs: int
) -> Change:
    (base, before), (new, after) = (side.utility(column) for side in sides)
    doubt: Doubt | None = Exact() if same else None
    if doubt is None and before is not None and after is not None:
        doubt = Sampled(np.sort(after - before))
    outside = [any(side.outside) if column is None else side.outside[column] for side in sides]
    notes = ["the same to the last digit"] if same else []
    if any(outside):
        where = " and ".join(name for name, beyond in zip(("BASE", "NEW"), outside, strict=True) if beyond)
        notes.append(f"outside the baseline's ladder in {where}: brought to its end")
    elif doubt is None:
        notes.append("no interval: one run a rung")
    n = None if column is None else sides[0].ns[column]
    return Change(
        subject=Subject("utility", n, arm, place.task or "", place.encoder or ""),
        quantity=UTILITY,
        base=base,
        new=new,
        difference=new - base,
        doubt=doubt,
        pairs=pairs,
        pairing="run" if pairs else "none",
        notes=tuple(notes),
        bounded=any(outside) and column is not None and not same,
    )
