"""Findings on utility: its fall with labels, its dependence on data and encoder size."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from labeleff.commands.reproduce.evidence import JUDGEMENTS, Folder, Judgement, Outcome, consensus, majority, order
from labeleff.curves.bounds import worth
from labeleff.curves.mean_ratio import MeanRatio
from labeleff.curves.utility import UtilityPoint
from labeleff.reporting.findings import Comparison
from labeleff.reporting.markdown import join_texts
from labeleff.reporting.measurements import Place
from labeleff.reporting.sections.agreement import interval
from labeleff.stats.differences import Difference, compare
from labeleff.stats.rank_correlation import FEWEST, rank_correlation

SHARE = 0.1
"""Share of pairs with separate intervals above which utility depends on the task; chance alone gives about 0.02."""

Ratios = dict[str, list[tuple[Place, MeanRatio]]]


def ratios(folder: Folder) -> Ratios:
    """Collect mean label ratios of finetuned arms by name, with the places where they were measured."""
    by_arm: Ratios = {}
    for item in folder.finetuned():
        if item.mean is not None and item.mean.low is not None and item.mean.high is not None:
            by_arm.setdefault(item.arm, []).append((item.place, item.mean))
    return by_arm


def depends_on_task_and_data(folders: Sequence[Folder]) -> Outcome:
    """Compare each arm's mean label ratio between places of one study that share the encoder and the rungs."""
    apart, pairs, arms = 0, 0, []
    for folder in folders:
        for arm, places in ratios(folder).items():
            for (place, one), (other_place, other) in itertools.combinations(places, 2):
                if place.encoder != other_place.encoder or one.ns != other.ns:
                    continue
                pairs += 1
                if order((one.low, one.high), (other.low, other.high)):
                    apart += 1
                    arms.append(arm)
    judgement: Judgement = "not tested" if not pairs else "reproduced" if apart > SHARE * pairs else "can't tell"
    evidence = "No study has a finetuned arm on several tasks or several versions of the data."
    if pairs:
        evidence = (
            f"The mean label ratios of one arm on two tasks (or versions of the images) have intervals that lie apart "
            f"in {apart} of {pairs} pairs" + (f" ({join_texts(dict.fromkeys(arms), ', ')})." if arms else ".")
        )
    return Outcome(judgement, evidence)


def helps_harder_more(folders: Sequence[Folder]) -> Outcome:
    """Rank versions of one task by the baseline's mean error and by the arms' mean label ratio."""
    judgements: list[Judgement] = []
    sentences = []
    for folder in folders:
        for arm, places in ratios(folder).items():
            groups: dict[tuple[str, str | None], list[tuple[Place, MeanRatio]]] = {}
            for place, mean in places:
                groups.setdefault((str(place.task).partition("(")[0], place.encoder), []).append((place, mean))
            for (task, _), versions in groups.items():
                if len(versions) < FEWEST:
                    continue
                errors = np.array([[folder.difficulty(place) for place, _ in versions]])
                worths = np.array([[mean.log2 for _, mean in versions]])
                correlation = rank_correlation(errors, worths, level=folder.findings.measured.level)
                judgements.append(JUDGEMENTS[order((0.0, 0.0), (correlation.low, correlation.high))])
                sentences.append(
                    f"{arm} on {len(versions)} versions of {task}: rank correlation of the baseline's error with the "
                    f"mean label ratio {interval(correlation)}"
                )
    evidence = "; ".join(sentences) + "." if sentences else f"No study has {FEWEST} versions of one task's images."
    return Outcome(consensus(judgements), evidence)


Trend = Literal["falls", "rises", "unclear"]

TRENDS: dict[int, Trend] = {-1: "falls", 1: "rises", 0: "unclear"}


def trend(points: Sequence[UtilityPoint], joint: Sequence[UtilityPoint]) -> Trend | None:
    """Judge the trend from the first rung where utility excludes 0 to the last; None without one before the last.

    It falls where all of the first interval lies above all of the last. The first rung is chosen by its interval, so
    that this is the one in `joint`, which holds for all rungs at once; the last rung has its own, in `points`.
    """
    bounded = [point for point in points if point.low is not None or point.high is not None]
    paying = [point for point in joint if point.sign > 0]
    if not paying or paying[0].n == bounded[-1].n:
        return None
    first, last = worth(paying[0]), worth(bounded[-1])
    return TRENDS[order((first.low, first.high), (last.low, last.high))]


def falls_with_labels(folders: Sequence[Folder]) -> Outcome:
    """Count the trends of finetuned arms at every place."""
    trends: Counter[Trend] = Counter()
    merged = saturated = 0
    for folder in folders:
        for item in folder.finetuned():
            direction = trend(item.points, item.joint)
            if direction is None:
                continue
            trends[direction] += 1
            apart, still_rising = _at_the_end(folder, item)
            merged += not apart and still_rising
            saturated += not still_rising
    judgement = majority(trends["falls"], trends["rises"], trends["unclear"])
    total = sum(trends.values())
    evidence = "No finetuned arm has a utility that excludes 0 before the last rung."
    if total:
        evidence = (
            f"Of {total} finetuned arms (arm, task, encoder) whose utility excludes 0 at some rung before the last (by "
            f"an interval that holds for all rungs together), it falls for {trends['falls']} beyond doubt from there "
            f"to the last rung, rises for {trends['rises']}, and can't be told for {trends['unclear']}. {merged} can't "
            "be told from scratch at the last rung while the accuracy from scratch still rises; for "
            f"{saturated} it has stopped rising there."
        )
    return Outcome(judgement, evidence)


def _at_the_end(folder: Folder, item: Comparison) -> tuple[bool, bool]:
    """Test at the last rung whether arm and baseline differ, and whether the baseline rose to it, beyond doubt."""
    measured = folder.findings.measured
    base, arm = measured.at(item.place, item.baseline), measured.at(item.place, item.arm)
    last = compare(base, arm, level=measured.level).rungs[-1]
    apart = last.low is not None and last.high is not None and not last.low <= 0 <= last.high
    *_, before, end = sorted(base)
    [rise] = compare({1: base[before]}, {1: base[end]}, level=measured.level).rungs
    return apart, rise.low is not None and rise.low > 0


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
    """Compare an arm's mean label ratio between two encoders."""
    votes: Counter[str] = Counter()
    sentences = []
    for folder in folders:
        for arm, places in ratios(folder).items():
            means = dict(places)
            for small, large in pairs(list(means)):
                votes[_vote(means[small], means[large])] += 1
                sentences.append(
                    f"{arm} {means[small].ratio:.2f} by {small.encoder}, {means[large].ratio:.2f} by {large.encoder}"
                )
    judgement: Judgement = majority(votes["more"], votes["less"], votes["unclear"])
    evidence = (
        f"Mean label ratios: {'; '.join(sentences)}." if sentences else "No study has a finetuned arm by two encoders."
    )
    return Outcome(judgement, evidence)


def _vote(small: MeanRatio, large: MeanRatio) -> str:
    return {1: "more", -1: "less", 0: "unclear"}[order((small.low, small.high), (large.low, large.high))]


def turns_around(folders: Sequence[Folder]) -> Outcome:
    """Compare the larger encoder with the smaller at the fewest labels, from scratch and pretrained."""
    judgements: list[Judgement] = []
    sentences = []
    for folder in folders:
        measured = folder.findings.measured
        pretrained = dict.fromkeys(item.arm for item in folder.finetuned())
        for small, large in pairs(measured.places):
            scratch = _difference(folder, measured.baseline, small, large)
            for arm in pretrained:
                other = _difference(folder, arm, small, large)
                if scratch is None or other is None:
                    continue
                judgements.append(_judge(scratch, other))
                sentences.append(
                    f"{large.encoder} minus {small.encoder} at {scratch.ns[0]:,} labels: from scratch "
                    f"{_points(scratch)}, {arm} {_points(other)}"
                )
    evidence = f"{'; '.join(sentences)}." if sentences else "No study has one task by two encoders."
    return Outcome(consensus(judgements), evidence)


def _difference(folder: Folder, arm: str, small: Place, large: Place) -> Difference | None:
    measured = folder.findings.measured
    one, other = measured.at(small, arm), measured.at(large, arm)
    shared = sorted(set(one) & set(other))
    if not shared:
        return None
    first = shared[0]
    return compare({first: one[first]}, {first: other[first]}, level=measured.level).rungs[0]


def _judge(scratch: Difference, pretrained: Difference) -> Judgement:
    if scratch.high is None or pretrained.low is None or scratch.low is None or pretrained.high is None:
        return "can't tell"
    if scratch.high < 0 < pretrained.low:
        return "reproduced"
    return "not reproduced" if scratch.low > 0 or pretrained.high < 0 else "can't tell"


def _points(gain: Difference) -> str:
    ends = "" if gain.low is None or gain.high is None else f" [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
    return f"{100 * gain.mean:+.1f}{ends} points"
