"""Findings on utility: its fall with labels, its dependence on task and data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from labeleff.commands.reproduce.evidence import Criterion, Folder, Outcome, factor, once_each
from labeleff.curves.mean_ratio import MeanRatio
from labeleff.curves.utility import FAR, UtilityPoint
from labeleff.reporting.external.grid import counted
from labeleff.reporting.findings import Comparison
from labeleff.reporting.measurements import Place
from labeleff.stats.differences import compare
from labeleff.stats.pooling import Effect, from_interval, spread

FALL = Criterion("As labels grow tenfold the label ratio falls by", math.log2(1.25), factor)
DEPENDS = Criterion("Between two places the label ratio of one arm typically differs by", math.log2(1.25), factor)
TYPICAL = 2 / math.sqrt(math.pi)
"""Expected distance of two draws from a normal distribution, in standard deviations."""
HARDER = Criterion("For 10 points more error of the baseline the label ratio grows by", math.log2(1.1), factor)
ROOM = 4
"""A rung counts for the slope of utility where the baseline has measured as many times its labels: whether a ratio can
be measured there doesn't depend on the ratio, up to this one."""
FEWEST = 4
"""Fewest versions of one task that tell a slope."""
LEAST_RANGE = 0.1
"""Least range of the versions' errors: in a smaller one the baseline's noise, which both axes have, makes a slope."""


@dataclass(frozen=True)
class Ratio:
    """Mean label ratio of a finetuned arm at a place, in doublings, over its rungs and the baseline's."""

    effect: Effect
    rungs: tuple[tuple[int, ...], tuple[int, ...]]
    again: bool
    """Whether most of its runs count in another folder."""


Ratios = dict[str, dict[Place, Ratio]]


def _log2(mean: MeanRatio | None, level: float) -> Effect | None:
    """The logarithm to base 2 of a mean label ratio; None where it isn't known: the ladder's ends cut it off."""
    if mean is None or mean.low is None or mean.high is None or mean.open_low or mean.open_high:
        return None
    return from_interval(mean.log2, math.log2(mean.low), math.log2(mean.high), level)


def ratios(folder: Folder) -> tuple[Ratios, int]:
    """Collect mean label ratios of finetuned arms by name and place, and count those that a ladder cuts off."""
    by_arm: Ratios = {}
    cut = 0
    for item in folder.finetuned(again=True):
        effect = _log2(item.mean, folder.level)
        if effect is None or item.mean is None:
            cut += item.mean is not None
            continue
        baseline = tuple(sorted(folder.findings.measured.at(item.place, item.baseline)))
        again = (item.place, item.arm) in folder.repeated
        by_arm.setdefault(item.arm, {})[item.place] = Ratio(effect, (item.mean.ns, baseline), again)
    return by_arm, cut


def with_cut(outcome: Outcome, cut: int) -> Outcome:
    """Say how many label ratios are left out."""
    if not cut:
        return outcome
    text = f" Left out: {counted(cut, 'label ratio')}, as label counts lie beyond an end of their ladder."
    return replace(outcome, evidence=outcome.evidence + text)


def falls_with_labels(folders: Sequence[Folder]) -> Outcome:
    """Pool the slopes of the label ratio against labels, of arms that are worth labels over the ladder."""
    effects: list[tuple[int, Effect]] = []
    merged = rising = 0
    for folder in folders:
        for item in folder.worth_labels():
            slope = _fall(folder, item)
            if slope is None:
                continue
            effects.append((folder.clusters[item.place], slope))
            apart, rises = _at_the_end(folder, item)
            merged, rising = merged + (not apart and rises), rising + rises
    missing = f"No finetuned arm is worth labels where three rungs have {ROOM} times their labels in the ladder."
    outcome = FALL.decide(once_each(effects), "places", missing)
    if not effects:
        return outcome
    merging = (
        f" Of {len(effects)} such arms {rising} end where the accuracy from scratch still rises; {merged} of these "
        "can't be told from scratch there."
    )
    return replace(outcome, evidence=outcome.evidence + merging)


def _fall(folder: Folder, item: Comparison) -> Effect | None:
    """Doublings that the label ratio loses per tenfold labels, by weighted least squares over the rungs with ROOM.

    Errors of rungs that share the baseline's noise cancel in part, which is left out. None under three rungs.
    """
    baseline = folder.findings.measured.at(item.place, item.baseline)
    ends = min(baseline), FAR * max(baseline)
    rungs = [point for point in item.points if ROOM * point.n <= max(baseline)]
    known = [(math.log10(point.n), effect) for point in rungs if (effect := _at_rung(point, ends, folder.level))]
    if len(known) < 3:
        return None
    x = np.array([each for each, _ in known])
    values, errors = (np.array([getattr(effect, name) for _, effect in known]) for name in ("value", "error"))
    precision = errors**-2
    centred = x - np.average(x, weights=precision)
    scale = float(precision @ centred**2)
    return Effect(-float((precision * centred) @ values) / scale, scale**-0.5)


def _at_rung(point: UtilityPoint, ends: tuple[float, float], level: float) -> Effect | None:
    """The label ratio at one rung, in doublings, with label counts brought to between two ends; None without noise."""
    if point.p_above is None:
        return None
    first, last = ends
    bound = point.n1_bound if point.n1 is None else point.n1
    value, low, high = (
        math.log2(min(max(n1, first), last) / point.n)
        for n1 in (
            last if bound is None else bound,
            first if point.n1_low is None else point.n1_low,
            last if point.n1_high is None else point.n1_high,
        )
    )
    return from_interval(value, min(low, value), max(high, value), level)


def _at_the_end(folder: Folder, item: Comparison) -> tuple[bool, bool]:
    """Test at the last rung of both whether they differ, and whether the baseline rose to it, beyond doubt."""
    measured = folder.findings.measured
    base, arm = measured.at(item.place, item.baseline), measured.at(item.place, item.arm)
    shared = sorted(set(base) & set(arm))
    before = [n for n in base if shared and n < shared[-1]]
    if not before:
        return False, False
    [gap] = compare({1: base[shared[-1]]}, {1: arm[shared[-1]]}, level=measured.level).rungs
    [rise] = compare({1: base[max(before)]}, {1: base[shared[-1]]}, level=measured.level).rungs
    apart = gap.low is not None and gap.high is not None and not gap.low <= 0 <= gap.high
    return apart, rise.low is not None and rise.low > 0


def depends_on_task_and_data(folders: Sequence[Folder]) -> Outcome:
    """Ask how much an arm's mean label ratio varies between places of one study with one encoder, beyond noise."""
    clusters: dict[int, list[list[Effect]]] = {}
    cut = 0
    for folder in folders:
        groups, left = _by_encoder(folder)
        cut += left
        for group in groups:
            number = min(folder.clusters[place] for place in group)
            clusters.setdefault(number, []).append([each.effect for each in group.values()])
    found = spread(list(clusters.values()))
    if found is None:
        missing = "No study has a finetuned arm on several tasks or several versions of the data."
        return with_cut(Outcome("not tested", missing), cut)
    value, low, high = (TYPICAL * each for each in (found.value, found.low, found.high))
    evidence = (
        f"{DEPENDS.interval(value, low, high)} (degrees of freedom: {found.df:.0f}). {factor(DEPENDS.counts)} would "
        "count."
    )
    return with_cut(Outcome(DEPENDS.judge(low, high), evidence), cut)


def _by_encoder(folder: Folder) -> tuple[list[dict[Place, Ratio]], int]:
    """Label ratios of one arm by one encoder over the same rungs, by place, and how many are cut off."""
    by_arm, cut = ratios(folder)
    groups: list[dict[Place, Ratio]] = []
    for places in by_arm.values():
        alike: dict[tuple[object, ...], dict[Place, Ratio]] = {}
        for place, ratio in places.items():
            alike.setdefault((place.encoder, ratio.rungs), {})[place] = ratio
        groups += [each for each in alike.values() if len(each) > 1 and not all(one.again for one in each.values())]
    return groups, cut if len(folder.places) > 1 else 0


def helps_harder_more(folders: Sequence[Folder]) -> Outcome:
    """Pool the slopes of label ratios against the baseline's error, over versions of one task."""
    effects: list[tuple[int, Effect]] = []
    cut = 0
    for folder in folders:
        groups, left = _by_encoder(folder)
        for group in groups:
            versions: dict[str, dict[Place, Effect]] = {}
            for place, ratio in group.items():
                if folder.in_points(place):
                    versions.setdefault(str(place.task).partition("(")[0], {})[place] = ratio.effect
            for each in versions.values():
                if len(each) >= FEWEST and (slope := _slope(folder, each)) is not None:
                    effects.append((min(folder.clusters[place] for place in each), slope))
                    cut += left
    missing = f"No study has {FEWEST} versions of one task whose errors lie {100 * LEAST_RANGE:.0f} points apart."
    return with_cut(HARDER.decide(once_each(effects), "studies", missing), cut)


def _slope(folder: Folder, versions: dict[Place, Effect]) -> Effect | None:
    """Doublings of the label ratio per 10 points of the baseline's error, by least squares; None under LEAST_RANGE.

    Versions are the sample: the error is that of their scatter around the line, by Student's t, or what the noise of
    their ratios alone gives, where that is larger.
    """
    x = np.array([10 * folder.difficulty(place) for place in versions])
    if np.ptp(x) < 10 * LEAST_RANGE:
        return None
    y, noise = (np.array([getattr(each, name) for each in versions.values()]) for name in ("value", "error"))
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    slope = float(weights @ y)
    scatter = y - y.mean() - slope * (x - x.mean())
    df, share = len(x) - 2, (1 + folder.level) / 2
    wider = float(special.stdtrit(df, share) / special.ndtri(share))
    by_scatter = math.sqrt(float(scatter @ scatter) / df * float(weights @ weights)) * wider
    return Effect(slope, max(by_scatter, math.sqrt(float(weights**2 @ noise**2))))
