"""Finding: utility falls towards zero as labels grow, and curves merge before accuracy saturates."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from labeleff.commands.reproduce.evidence import JUDGED, Folder, Judgement, Outcome, agreed, counted, order
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
"""Pairs whose intervals lie apart, over which utility depends on the task: chance alone parts some two in a hundred."""

Ratios = dict[str, list[tuple[Place, MeanRatio]]]


def ratios(folder: Folder) -> Ratios:
    """Mean label ratios of finetuned arms by name, with the places where they were measured."""
    found: Ratios = {}
    for item in folder.finetuned():
        if item.mean is not None and item.mean.low is not None and item.mean.high is not None:
            found.setdefault(item.arm, []).append((item.place, item.mean))
    return found


def depends_on_task_and_data(folders: Sequence[Folder]) -> Outcome:
    """Compares each arm's mean label ratio between places of one study that share the encoder and the rungs."""
    apart, pairs, arms = 0, 0, []
    for folder in folders:
        for arm, places in ratios(folder).items():
            for (here, one), (there, other) in itertools.combinations(places, 2):
                if here.encoder != there.encoder or one.ns != other.ns:
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
    """Ranks versions of one task by the baseline's mean error and by the arms' mean label ratio."""
    judgements: list[Judgement] = []
    told = []
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
                found = rank_correlation(errors, worths, level=folder.findings.measured.level)
                judgements.append(JUDGED[order((0.0, 0.0), (found.low, found.high))])
                told.append(
                    f"{arm} on {len(versions)} versions of {task}: rank correlation of the baseline's error with the "
                    f"mean label ratio {interval(found)}"
                )
    evidence = "; ".join(told) + "." if told else f"No study has {FEWEST} versions of one task's images."
    return Outcome(agreed(judgements), evidence)


Trend = Literal["falls", "rises", "unclear"]

TRENDS: dict[int, Trend] = {-1: "falls", 1: "rises", 0: "unclear"}


def trend(points: Sequence[UtilityPoint]) -> Trend | None:
    """Trend from the first rung where utility excludes 0 to the last; None without such a rung before the last.

    It falls where all of the first interval lies over all of the last.
    """
    known = [point for point in points if point.low is not None or point.high is not None]
    paying = [point for point in known if point.sign > 0]
    if not paying or paying[0].n == known[-1].n:
        return None
    first, last = worth(paying[0]), worth(known[-1])
    return TRENDS[order((first.low, first.high), (last.low, last.high))]


def falls_with_labels(folders: Sequence[Folder]) -> Outcome:
    """Counts arms that are finetuned, at every place."""
    trends: Counter[Trend] = Counter()
    merged = saturated = 0
    for folder in folders:
        for item in folder.finetuned():
            found = trend(item.points)
            if found is None:
                continue
            trends[found] += 1
            apart, still_rising = _at_the_end(folder, item)
            merged += not apart and still_rising
            saturated += not still_rising
    judgement = counted(trends["falls"], trends["rises"], trends["unclear"])
    total = sum(trends.values())
    evidence = "No finetuned arm has a utility that excludes 0 before the last rung."
    if total:
        evidence = (
            f"Of {total} finetuned arms (arm, task, encoder) whose utility excludes 0 at some rung before the last, it "
            f"falls for {trends['falls']} beyond doubt from there to the last rung, rises for {trends['rises']}, and "
            f"can't be told for {trends['unclear']}. {merged} can't be told from scratch at the last rung while the "
            f"accuracy from scratch still rises; for {saturated} it has stopped rising there."
        )
    return Outcome(judgement, evidence)


def _at_the_end(folder: Folder, item: Comparison) -> tuple[bool, bool]:
    """At the last rung: whether arm and baseline differ, and whether the baseline rose to it, beyond doubt."""
    measured = folder.findings.measured
    base, arm = measured.at(item.place, item.baseline), measured.at(item.place, item.arm)
    last = compare(base, arm, level=measured.level).rungs[-1]
    apart = last.low is not None and last.high is not None and not last.low <= 0 <= last.high
    *_, before, end = sorted(base)
    [rise] = compare({1: base[before]}, {1: base[end]}, level=measured.level).rungs
    return apart, rise.low is not None and rise.low > 0


RISING = ("resnet9", "resnet18", "resnet50")
"""Encoders whose sizes are compared, the smallest first."""


def _rank(place: Place) -> int | None:
    name = str(place.encoder).partition("(")[0].removesuffix("_imagenet")
    return RISING.index(name) if name in RISING else None


def pairs(places: Sequence[Place]) -> Iterator[tuple[Place, Place]]:
    """(smaller, larger): one task by two encoders."""
    for one, other in itertools.combinations(places, 2):
        ranks = (_rank(one), _rank(other))
        if one.task == other.task and ranks[0] is not None and ranks[1] is not None and ranks[0] != ranks[1]:
            yield (one, other) if ranks[0] < ranks[1] else (other, one)


def helps_larger_more(folders: Sequence[Folder]) -> Outcome:
    """Compares an arm's mean label ratio between two encoders."""
    votes: Counter[str] = Counter()
    told = []
    for folder in folders:
        for arm, found in ratios(folder).items():
            means = dict(found)
            for small, large in pairs(list(means)):
                votes[_vote(means[small], means[large])] += 1
                told.append(
                    f"{arm} {means[small].ratio:.2f} by {small.encoder}, {means[large].ratio:.2f} by {large.encoder}"
                )
    judgement: Judgement = counted(votes["more"], votes["less"], votes["unclear"])
    evidence = f"Mean label ratios: {'; '.join(told)}." if told else "No study has a finetuned arm by two encoders."
    return Outcome(judgement, evidence)


def _vote(small: MeanRatio, large: MeanRatio) -> str:
    return {1: "more", -1: "less", 0: "unclear"}[order((small.low, small.high), (large.low, large.high))]


def turns_around(folders: Sequence[Folder]) -> Outcome:
    """At the fewest labels: the larger encoder minus the smaller, from scratch and pretrained."""
    judgements: list[Judgement] = []
    told = []
    for folder in folders:
        measured = folder.findings.measured
        pretrained = dict.fromkeys(item.arm for item in folder.finetuned())
        for small, large in pairs(measured.places):
            scratch = _difference(folder, measured.baseline, small, large)
            for arm in pretrained:
                other = _difference(folder, arm, small, large)
                if scratch is None or other is None:
                    continue
                judgements.append(_judged(scratch, other))
                told.append(
                    f"{large.encoder} minus {small.encoder} at {scratch.ns[0]:,} labels: from scratch "
                    f"{_points(scratch)}, {arm} {_points(other)}"
                )
    evidence = f"{'; '.join(told)}." if told else "No study has one task by two encoders."
    return Outcome(agreed(judgements), evidence)


def _difference(folder: Folder, arm: str, small: Place, large: Place) -> Difference | None:
    measured = folder.findings.measured
    one, other = measured.at(small, arm), measured.at(large, arm)
    shared = sorted(set(one) & set(other))
    if not shared:
        return None
    first = shared[0]
    return compare({first: one[first]}, {first: other[first]}, level=measured.level).rungs[0]


def _judged(scratch: Difference, pretrained: Difference) -> Judgement:
    if scratch.high is None or pretrained.low is None or scratch.low is None or pretrained.high is None:
        return "can't tell"
    if scratch.high < 0 < pretrained.low:
        return "reproduced"
    return "not reproduced" if scratch.low > 0 or pretrained.high < 0 else "can't tell"


def _points(found: Difference) -> str:
    ends = "" if found.low is None or found.high is None else f" [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
    return f"{100 * found.mean:+.1f}{ends} points"
