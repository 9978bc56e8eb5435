"""Agreement of the pretexts' ranks by frozen evaluation and by finetuning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from labeleff.reporting.measurements import Measurements, Place
from labeleff.reporting.results import Results
from labeleff.stats.moderation import Array
from labeleff.stats.rank_correlation import FEWEST, RankCorrelation, rank_correlation, reliability
from labeleff.study.names import short_names


@dataclass(frozen=True)
class Agreement:
    """Ranks of pretexts by a frozen and a trained protocol at one place, on the rungs that all of these arms have."""

    place: Place
    frozen: str
    trained: str
    pretexts: tuple[str, ...]
    rungs: tuple[int, ...]
    means: tuple[Array, Array]
    """Means in 0..1 by the frozen and by the trained protocol, each of shape (R rungs, P pretexts)."""
    overall: RankCorrelation
    by_rung: tuple[RankCorrelation, ...]


def agreements(results: Results, measured: Measurements) -> list[Agreement]:
    """Agreements per place and pair of protocols, where at least FEWEST pretexts have both protocols at some rung."""
    items = [
        _agreement(measured, place, protocols, arms)
        for place in results.ladders
        for protocols, arms in _paired_arms(results).items()
    ]
    return [item for item in items if item is not None]


def _paired_arms(results: Results) -> dict[tuple[str, str], dict[str, tuple[str, str]]]:
    """Pairs of arms by (frozen, trained protocol) and pretext; arms from scratch or of selected labels are left out."""
    study = results.study
    pretexts, protocols = (short_names(getattr(arm, kind) for arm in study.arms) for kind in ("pretext", "protocol"))
    arms: dict[str, dict[str, str]] = {}
    trained: dict[str, bool] = {}
    for arm, name in zip(study.arms, results.arms, strict=True):
        protocol = arm.protocol_plugin
        if not arm.pretext_plugin.makes_encoder or protocol.unlabelled or arm.selected:
            continue
        protocol_name = protocols[arm.protocol.label]
        arms.setdefault(protocol_name, {})[pretexts[arm.pretext.label]] = name
        trained[protocol_name] = protocol.trained
    return {
        (frozen, other): {name: (arms[frozen][name], arms[other][name]) for name in arms[frozen] if name in arms[other]}
        for frozen in arms
        for other in arms
        if trained[other] and not trained[frozen]
    }


def _agreement(
    measured: Measurements, place: Place, protocols: tuple[str, str], arms: Mapping[str, tuple[str, str]]
) -> Agreement | None:
    pairs = {name: pair for name, pair in arms.items() if measured.at(place, pair[0]) and measured.at(place, pair[1])}
    rungs = [
        n
        for n in measured.settings[place].rungs
        if all(n in measured.at(place, arm) for pair in pairs.values() for arm in pair)
    ]
    if len(pairs) < FEWEST or not rungs:
        return None
    sides = [[pair[side] for pair in pairs.values()] for side in (0, 1)]
    first, second = (_means(measured, place, side, rungs) for side in sides)
    noise = [reliability(_single_runs(measured, place, side, rungs)) for side in sides]
    ceiling = None if noise[0] is None or noise[1] is None else float(np.sqrt(noise[0] * noise[1]))

    def correlation(rows: slice) -> RankCorrelation:
        return rank_correlation(first[rows], second[rows], level=measured.level)

    return Agreement(
        place,
        *protocols,
        tuple(pairs),
        tuple(rungs),
        (first, second),
        replace(correlation(slice(None)), ceiling=ceiling),
        tuple(correlation(slice(row, row + 1)) for row in range(len(rungs))),
    )


def _means(measured: Measurements, place: Place, arms: list[str], rungs: list[int]) -> Array:
    return np.array([[np.mean(list(measured.at(place, arm)[n].values())) for arm in arms] for n in rungs])


def _single_runs(measured: Measurements, place: Place, arms: list[str], rungs: list[int]) -> list[Array]:
    """Scores (R rungs, P arms) of each run that all of these arms have at all of these rungs."""
    shared = set.intersection(*(set(measured.at(place, arm)[n]) for arm in arms for n in rungs))
    return [np.array([[measured.at(place, arm)[n][run] for arm in arms] for n in rungs]) for run in sorted(shared)]


def pool_places(agreements: Sequence[Agreement], level: float) -> Iterator[tuple[str, str, int, RankCorrelation]]:
    """Pool places that rank the same pretexts; yields (frozen, trained, number of places, correlation)."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[Agreement]] = {}
    for item in agreements:
        groups.setdefault((item.frozen, item.trained, tuple(sorted(item.pretexts))), []).append(item)
    for (frozen, trained, _), items in groups.items():
        if len(items) > 1:
            yield frozen, trained, len(items), together(items, level)


def together(items: Sequence[Agreement], level: float) -> RankCorrelation:
    """The correlation over places that have the same pretexts, in any order."""
    orders = [np.argsort(item.pretexts) for item in items]
    first, second = (
        np.concatenate([item.means[side][:, order] for item, order in zip(items, orders, strict=True)])
        for side in (0, 1)
    )
    return rank_correlation(first, second, level=level)
