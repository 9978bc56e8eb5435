"""Findings on encoders of two sizes: whether the larger one gains more, and whether pretraining turns their order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from labeleff.commands.reproduce.evidence import (
    Criterion,
    Folder,
    Judgement,
    Outcome,
    factor,
    from_difference,
    once_each,
    points,
)
from labeleff.commands.reproduce.utility_findings import ratios, with_cut
from labeleff.reporting.measurements import Place
from labeleff.stats.differences import compare
from labeleff.stats.pooling import Effect, averaged

LARGER = Criterion("By the larger network the label ratio is higher by", math.log2(1.25), factor)
WORSE = Criterion("From scratch the larger network is worse by", 0.02, points)
BETTER = Criterion("Pretrained it is better by", 0.02, points)
RISING = ("resnet9", "resnet18", "resnet50")
"""Encoders whose sizes are compared, smallest first."""


def _rank(place: Place) -> int | None:
    name = str(place.encoder).partition("(")[0].removesuffix("_imagenet")
    return RISING.index(name) if name in RISING else None


def pairs(places: Sequence[Place]) -> Iterator[tuple[Place, Place]]:
    """Yield pairs (smallest, largest) of places with one task: encoders between them would count twice."""
    by_task: dict[str | None, list[tuple[int, Place]]] = {}
    for place in places:
        rank = _rank(place)
        if rank is not None:
            by_task.setdefault(place.task, []).append((rank, place))
    for ranked in by_task.values():
        least, most = min(rank for rank, _ in ranked), max(rank for rank, _ in ranked)
        if least < most:
            ends = ([place for rank, place in ranked if rank == end] for end in (least, most))
            yield from itertools.product(*ends)


def helps_larger_more(folders: Sequence[Folder]) -> Outcome:
    """Pool the differences of label ratios between the largest and the smallest encoder."""
    effects: list[tuple[int, Effect]] = []
    names: dict[str, None] = {}
    cut = 0
    for folder in folders:
        by_arm, left = ratios(folder)
        cut += left if any(pairs(folder.places)) else 0
        for means in by_arm.values():
            for small, large in pairs(list(means)):
                one, other = means[small], means[large]
                if one.rungs != other.rungs or (one.again and other.again):
                    continue
                difference = Effect(
                    other.effect.value - one.effect.value, math.hypot(one.effect.error, other.effect.error)
                )
                effects.append((folder.clusters[large], difference))
                names[_pair(folder, small, large)] = None
    missing = "No study has the label ratio of a finetuned arm by two encoders, over the same rungs."
    outcome = LARGER.decide(once_each(effects), "places of the larger network", missing)
    return with_cut(replace(outcome, evidence=outcome.evidence + _listed(names)), cut)


def turns_around(folders: Sequence[Folder]) -> Outcome:
    """Compare the largest encoder with the smallest at the fewest labels, from scratch and pretrained."""
    scratch: list[tuple[int, Effect]] = []
    pretrained: list[tuple[int, Effect]] = []
    names: dict[str, None] = {}
    for folder in folders:
        for small, large in pairs([place for place in folder.places if folder.in_points(place)]):
            found = _both_differences(folder, small, large)
            if found is not None:
                n, base, others = found
                scratch.append((folder.clusters[large], Effect(-base.value, base.error)))
                pretrained.append((folder.clusters[large], averaged(others)))
                names[f"{_pair(folder, small, large)} at {n:,} labels"] = None
    if not scratch:
        return Outcome("not tested", "No study has one task by two encoders.")
    halves = [
        criterion.decide(once_each(effects), "places of the larger network", "")
        for criterion, effects in ((WORSE, scratch), (BETTER, pretrained))
    ]
    evidence = " ".join(half.evidence for half in halves)
    return Outcome(both([half.judgement for half in halves]), evidence + _listed(names))


def both(judgements: Sequence[Judgement]) -> Judgement:
    """Judge a finding that needs all of several: not reproduced as soon as one isn't."""
    if "not reproduced" in judgements:
        return "not reproduced"
    return "reproduced" if set(judgements) == {"reproduced"} else "can't tell"


def _both_differences(folder: Folder, small: Place, large: Place) -> tuple[int, Effect, list[Effect]] | None:
    """The fewest labels that both baselines have, and the gain by the larger encoder: from scratch, and of each arm."""
    measured = folder.findings.measured
    shared = set(measured.at(small, measured.baseline)) & set(measured.at(large, measured.baseline))
    if not shared or not folder.from_scratch:
        return None
    n = min(shared)
    arms = [
        name
        for name in folder.results.arms
        if folder.finetunes(name) and not {(small, name), (large, name)} <= folder.repeated
    ]
    base = _difference(folder, measured.baseline, n, small, large)
    others = [each for arm in arms if (each := _difference(folder, arm, n, small, large)) is not None]
    return None if base is None or not others else (n, base, others)


def _difference(folder: Folder, arm: str, n: int, small: Place, large: Place) -> Effect | None:
    """Accuracy of the larger encoder minus that of the smaller at `n` labels; None without runs of both."""
    one, other = (folder.findings.measured.at(place, arm) for place in (small, large))
    if n not in one or n not in other:
        return None
    [gap] = compare({1: one[n]}, {1: other[n]}, level=folder.level).rungs
    return from_difference(gap, folder.level)


def _pair(folder: Folder, small: Place, large: Place) -> str:
    return f"{large.encoder} and {small.encoder} ({folder.name})"


def _listed(names: dict[str, None]) -> str:
    return f" Compared: {'; '.join(names)}." if names else ""
