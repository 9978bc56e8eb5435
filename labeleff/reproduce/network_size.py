"""Findings: self-supervision helps larger networks more; with few labels a larger one is worse from scratch."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

from labeleff.curves.mean_ratio import MeanRatio
from labeleff.reporting.measured import Place
from labeleff.reproduce.dependence import ratios
from labeleff.reproduce.evidence2020 import Folder, Judgement, Outcome, agreed, counted, order
from labeleff.statistics.differences import Difference, compare

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
