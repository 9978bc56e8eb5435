"""Findings on utility: its fall with labels, its dependence on data and encoder size."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from scipy import special

from labeleff.commands.reproduce.evidence import Criterion, Folder, Judgement, Outcome, factor, from_difference, points
from labeleff.curves.bounds import multiplier
from labeleff.curves.mean_ratio import MeanRatio
from labeleff.curves.utility import UtilityPoint
from labeleff.reporting.findings import Comparison
from labeleff.reporting.measurements import Place
from labeleff.stats.differences import compare
from labeleff.stats.pooling import Effect, averaged, from_interval, spread

FALL = Criterion("As labels grow tenfold the label ratio falls by", math.log2(1.25), factor)
DEPENDS = Criterion("Between two places the label ratio of one arm typically differs by", math.log2(1.25), factor)
TYPICAL = 2 / math.sqrt(math.pi)
"""Expected distance of two draws from a normal distribution, in standard deviations."""
HARDER = Criterion("For 10 points more error of the baseline the label ratio grows by", math.log2(1.1), factor)
LARGER = Criterion("By the larger network the label ratio is higher by", math.log2(1.25), factor)
WORSE = Criterion("From scratch the larger network is worse by", 0.02, points)
BETTER = Criterion("Pretrained it is better by", 0.02, points)
FEWEST = 4
"""Fewest versions of one task that tell a slope."""


def _log2(mean: MeanRatio | None, level: float) -> Effect | None:
    """The logarithm to base 2 of an arm's mean label ratio."""
    if mean is None or mean.low is None or mean.high is None:
        return None
    return from_interval(mean.log2, math.log2(mean.low), math.log2(mean.high), level)


Ratios = dict[str, dict[Place, Effect]]


def ratios(folder: Folder) -> Ratios:
    """Collect mean label ratios of finetuned arms, in doublings, by name and place."""
    by_arm: Ratios = {}
    for item in folder.finetuned():
        effect = _log2(item.mean, folder.level)
        if effect is not None:
            by_arm.setdefault(item.arm, {})[item.place] = effect
    return by_arm


def falls_with_labels(folders: Sequence[Folder]) -> Outcome:
    """Pool the slopes of the label ratio against labels, of arms that are worth labels over the ladder."""
    effects: list[Effect] = []
    merged = rising = arms = 0
    for folder in folders:
        by_place: dict[Place, list[Effect]] = {}
        for item in folder.worth_labels():
            slope = _fall(item, folder.level)
            if slope is None:
                continue
            by_place.setdefault(item.place, []).append(slope)
            apart, rises = _at_the_end(folder, item)
            arms, merged, rising = arms + 1, merged + (not apart and rises), rising + rises
        effects += [averaged(slopes) for slopes in by_place.values()]
    missing = "No finetuned arm is worth labels over a ladder with three measured label ratios."
    outcome = FALL.decide(effects, "places", missing)
    if not effects:
        return outcome
    merging = (
        f" Of {arms} such arms {rising} end where the accuracy from scratch still rises; {merged} of these can't be "
        "told from scratch there."
    )
    return Outcome(outcome.judgement, outcome.evidence + merging)


def _fall(item: Comparison, level: float) -> Effect | None:
    """Doublings that the label ratio loses per tenfold labels, by least squares over the rungs where it is known.

    Errors of rungs that share the baseline's noise cancel in part, which is left out. None under three rungs.
    """
    known = [(math.log10(point.n), effect) for point in item.points if (effect := _at_rung(point, level)) is not None]
    if len(known) < 3:
        return None
    x = np.array([each for each, _ in known])
    weights = (x.mean() - x) / ((x - x.mean()) ** 2).sum()
    values, errors = (np.array([getattr(effect, name) for _, effect in known]) for name in ("value", "error"))
    return Effect(float(weights @ values), float(np.sqrt(weights**2 @ errors**2)))


def _at_rung(point: UtilityPoint, level: float) -> Effect | None:
    """The label ratio at one rung, in doublings; None where only a bound of it is shown."""
    reading = multiplier(point)
    if reading.shown not in ("point", "extrapolated") or not reading.value or not reading.low or reading.high is None:
        return None
    return from_interval(math.log2(reading.value), math.log2(reading.low), math.log2(reading.high), level)


def _at_the_end(folder: Folder, item: Comparison) -> tuple[bool, bool]:
    """Test at the last rung whether arm and baseline differ, and whether the baseline rose to it, beyond doubt."""
    measured = folder.findings.measured
    base, arm = measured.at(item.place, item.baseline), measured.at(item.place, item.arm)
    last = compare(base, arm, level=measured.level).rungs[-1]
    apart = last.low is not None and last.high is not None and not last.low <= 0 <= last.high
    *_, before, end = sorted(base)
    [rise] = compare({1: base[before]}, {1: base[end]}, level=measured.level).rungs
    return apart, rise.low is not None and rise.low > 0


def depends_on_task_and_data(folders: Sequence[Folder]) -> Outcome:
    """Ask how much an arm's mean label ratio varies between places of one study with one encoder, beyond noise."""
    clusters = [[list(group.values()) for group in _by_encoder(folder)] for folder in folders]
    found = spread(clusters)
    if found is None:
        return Outcome("not tested", "No study has a finetuned arm on several tasks or several versions of the data.")
    value, low, high = (TYPICAL * each for each in (found.value, found.low, found.high))
    studies = sum(any(len(group) > 1 for group in groups) for groups in clusters)
    evidence = (
        f"{DEPENDS.interval(value, low, high)} ({studies} studies, {found.df:.0f} degrees of freedom). "
        f"{factor(DEPENDS.counts)} would count."
    )
    return Outcome(DEPENDS.judge(low, high), evidence)


def _by_encoder(folder: Folder) -> Iterator[dict[Place, Effect]]:
    """Yield the label ratios of one arm by one encoder, over the same rungs, by place."""
    rungs = {(item.arm, item.place): item.points for item in folder.finetuned()}
    for arm, places in ratios(folder).items():
        groups: dict[tuple[str | None, tuple[int, ...]], dict[Place, Effect]] = {}
        for place, effect in places.items():
            ns = tuple(point.n for point in rungs[arm, place])
            groups.setdefault((place.encoder, ns), {})[place] = effect
        yield from groups.values()


def helps_harder_more(folders: Sequence[Folder]) -> Outcome:
    """Pool the slopes of label ratios against the baseline's error, over versions of one task."""
    effects = []
    for folder in folders:
        slopes = []
        for group in _by_encoder(folder):
            versions: dict[str, dict[Place, Effect]] = {}
            for place, effect in group.items():
                versions.setdefault(str(place.task).partition("(")[0], {})[place] = effect
            slopes += [_slope(folder, each) for each in versions.values() if len(each) >= FEWEST]
        if slopes:
            effects.append(averaged(slopes))
    return HARDER.decide(effects, "studies", f"No study has {FEWEST} versions of one task's images.")


def _slope(folder: Folder, versions: dict[Place, Effect]) -> Effect:
    """Doublings of the label ratio per 10 points of the baseline's error, by least squares.

    Versions are the sample: the error is that of their scatter around the line, by Student's t, or what the noise of
    their ratios alone gives, where that is larger.
    """
    x = np.array([10 * folder.difficulty(place) for place in versions])
    y, noise = (np.array([getattr(each, name) for each in versions.values()]) for name in ("value", "error"))
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    slope = float(weights @ y)
    scatter = y - y.mean() - slope * (x - x.mean())
    df = len(x) - 2
    share = (1 + folder.level) / 2
    wider = float(special.stdtrit(df, share) / special.ndtri(share))
    by_scatter = math.sqrt(float(scatter @ scatter) / df * float(weights @ weights)) * wider
    return Effect(slope, max(by_scatter, math.sqrt(float(weights**2 @ noise**2))))


RISING = ("resnet9", "resnet18", "resnet50")
"""Encoders whose sizes are compared, smallest first."""


def _rank(place: Place) -> int | None:
    name = str(place.encoder).partition("(")[0].removesuffix("_imagenet")
    return RISING.index(name) if name in RISING else None


def pairs(places: Sequence[Place]) -> Iterator[tuple[Place, Place]]:
    """Yield pairs (smaller, larger) of places with one task and two encoders."""
    for one, other in itertools.combinations(places, 2):
        ranks = (_rank(one), _rank(other))
        if one.task == other.task and ranks[0] is not None and ranks[1] is not None and ranks[0] != ranks[1]:
            yield (one, other) if ranks[0] < ranks[1] else (other, one)


def helps_larger_more(folders: Sequence[Folder]) -> Outcome:
    """Pool the differences of label ratios between a larger and a smaller encoder."""
    effects: list[Effect] = []
    names: list[str] = []
    for folder in folders:
        by_pair: dict[tuple[Place, Place], list[Effect]] = {}
        for means in ratios(folder).values():
            for small, large in pairs(list(means)):
                one, other = means[small], means[large]
                difference = Effect(other.value - one.value, math.hypot(one.error, other.error))
                by_pair.setdefault((small, large), []).append(difference)
        effects += [averaged(differences) for differences in by_pair.values()]
        names += [_pair(folder, *pair) for pair in by_pair]
    outcome = LARGER.decide(effects, "pairs of encoders", "No study has a finetuned arm by two encoders.")
    return replace(outcome, evidence=outcome.evidence + _listed(names))


def turns_around(folders: Sequence[Folder]) -> Outcome:
    """Compare the larger encoder with the smaller at the fewest labels, from scratch and pretrained."""
    scratch: list[Effect] = []
    pretrained: list[Effect] = []
    names: list[str] = []
    for folder in folders:
        measured = folder.findings.measured
        arms = dict.fromkeys(item.arm for item in folder.finetuned())
        for small, large in pairs(measured.places):
            shared = set(measured.at(small, measured.baseline)) & set(measured.at(large, measured.baseline))
            if not shared:
                continue
            n = min(shared)
            base = _difference(folder, measured.baseline, n, small, large)
            others = [each for arm in arms if (each := _difference(folder, arm, n, small, large)) is not None]
            if base is not None and others:
                scratch.append(Effect(-base.value, base.error))
                pretrained.append(averaged(others))
                names.append(f"{_pair(folder, small, large)} at {n:,} labels")
    if not scratch:
        return Outcome("not tested", "No study has one task by two encoders.")
    halves = [
        criterion.decide(effects, "pairs of encoders", "")
        for criterion, effects in ((WORSE, scratch), (BETTER, pretrained))
    ]
    evidence = " ".join(half.evidence for half in halves)
    return Outcome(both([half.judgement for half in halves]), evidence + _listed(names))


def both(judgements: Sequence[Judgement]) -> Judgement:
    """Judge a finding that needs all of several: not reproduced as soon as one isn't."""
    if "not reproduced" in judgements:
        return "not reproduced"
    return "reproduced" if set(judgements) == {"reproduced"} else "can't tell"


def _difference(folder: Folder, arm: str, n: int, small: Place, large: Place) -> Effect | None:
    """Accuracy of the larger encoder minus that of the smaller at `n` labels; None without runs of both."""
    one, other = (folder.findings.measured.at(place, arm) for place in (small, large))
    if n not in one or n not in other:
        return None
    [gap] = compare({1: one[n]}, {1: other[n]}, level=folder.level).rungs
    return from_difference(gap, folder.level)


def _pair(folder: Folder, small: Place, large: Place) -> str:
    return f"{large.encoder} and {small.encoder} ({folder.name})"


def _listed(names: Sequence[str]) -> str:
    return f" Compared: {'; '.join(names)}." if names else ""
