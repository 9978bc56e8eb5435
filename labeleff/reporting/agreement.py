"""Does evaluating frozen encoders foretell finetuning? Ranks of the pretexts by both, place by place.

Newell and Deng (2020, abstract): "linear evaluation does not correlate with finetuning performance".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from labeleff.arms import told_apart
from labeleff.reporting import figures
from labeleff.reporting.markdown import table
from labeleff.reporting.measured import Measured, Place
from labeleff.reporting.results import Results
from labeleff.reporting.tables import Row, columns, frame, to_csv
from labeleff.statistics.rank_correlation import FEWEST, RankCorrelation, rank_correlation, reliability
from labeleff.statistics.stats import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AGREEMENT = columns("task encoder frozen trained n pretexts correlation low high ceiling")
"""`correlation`: Spearman's, of the pretexts' means by two protocols, with its interval over pretexts; `n`: the rung,
empty for the mean over all of them; `ceiling`: what it would be if only noise kept the two apart."""
PANELS = 4
"""Rungs of a figure."""


@dataclass(frozen=True)
class Agreement:
    """Pretexts by a frozen protocol and by a trained one at one place, on the rungs that all of these arms have."""

    place: Place
    frozen: str
    trained: str
    pretexts: tuple[str, ...]
    rungs: tuple[int, ...]
    means: tuple[Array, Array]
    """Means (R, P) in 0..1, by the frozen and the trained protocol."""
    overall: RankCorrelation
    by_rung: tuple[RankCorrelation, ...]


def agreements(results: Results, measured: Measured) -> list[Agreement]:
    """One a place and pair of protocols that FEWEST pretexts or more have both of, at a rung or more."""
    found = [
        _agreement(measured, place, protocols, arms)
        for place in results.ladders
        for protocols, arms in _paired_arms(results).items()
    ]
    return [item for item in found if item is not None]


def _paired_arms(results: Results) -> dict[tuple[str, str], dict[str, tuple[str, str]]]:
    """Arms by (frozen, trained protocol) and pretext; from scratch isn't a pretext."""
    study = results.study
    pretexts, protocols = (told_apart(getattr(arm, kind) for arm in study.arms) for kind in ("pretext", "protocol"))
    arms: dict[str, dict[str, str]] = {}
    trained: dict[str, bool] = {}
    for arm, name in zip(study.arms, results.arms, strict=True):
        protocol = arm.protocol_plugin
        if not arm.pretext_plugin.makes_encoder or protocol.unlabelled:
            continue
        told = protocols[arm.protocol.label]
        arms.setdefault(told, {})[pretexts[arm.pretext.label]] = name
        trained[told] = protocol.trained
    return {
        (frozen, whole): {name: (arms[frozen][name], arms[whole][name]) for name in arms[frozen] if name in arms[whole]}
        for frozen in arms
        for whole in arms
        if trained[whole] and not trained[frozen]
    }


def _agreement(
    measured: Measured, place: Place, protocols: tuple[str, str], arms: Mapping[str, tuple[str, str]]
) -> Agreement | None:
    there = {name: pair for name, pair in arms.items() if measured.at(place, pair[0]) and measured.at(place, pair[1])}
    rungs = [
        n
        for n in measured.settings[place].rungs
        if all(n in measured.at(place, arm) for pair in there.values() for arm in pair)
    ]
    if len(there) < FEWEST or not rungs:
        return None
    sides = [[pair[side] for pair in there.values()] for side in (0, 1)]
    first, second = (_means(measured, place, side, rungs) for side in sides)
    noise = [reliability(_single_runs(measured, place, side, rungs)) for side in sides]
    ceiling = None if noise[0] is None or noise[1] is None else float(np.sqrt(noise[0] * noise[1]))

    def correlation(rows: slice) -> RankCorrelation:
        return rank_correlation(first[rows], second[rows], level=measured.level)

    return Agreement(
        place,
        *protocols,
        tuple(there),
        tuple(rungs),
        (first, second),
        replace(correlation(slice(None)), ceiling=ceiling),
        tuple(correlation(slice(row, row + 1)) for row in range(len(rungs))),
    )


def _means(measured: Measured, place: Place, arms: list[str], rungs: list[int]) -> Array:
    return np.array([[np.mean(list(measured.at(place, arm)[n].values())) for arm in arms] for n in rungs])


def _single_runs(measured: Measured, place: Place, arms: list[str], rungs: list[int]) -> list[Array]:
    """The scores of each run, (R, P), that all of these arms have at all of these rungs."""
    shared = set.intersection(*(set(measured.at(place, arm)[n]) for arm in arms for n in rungs))
    return [np.array([[measured.at(place, arm)[n][run] for arm in arms] for n in rungs]) for run in sorted(shared)]


def to_files(found: list[Agreement]) -> dict[str, bytes]:
    """`agreement.csv`, where there is anything in it."""
    rows = [row for item in found for row in _rows(item)]
    return {"agreement.csv": to_csv(frame(rows, AGREEMENT))} if rows else {}


def _rows(item: Agreement) -> Iterator[Row]:
    for n, one in [(None, item.overall), *zip(item.rungs, item.by_rung, strict=True)]:
        yield {
            "task": item.place.task,
            "encoder": item.place.encoder,
            "frozen": item.frozen,
            "trained": item.trained,
            "n": n,
            "pretexts": one.methods,
            "correlation": one.value,
            "low": one.low,
            "high": one.high,
            "ceiling": one.ceiling,
        }


def together(found: list[Agreement], level: float) -> Iterator[tuple[str, str, int, RankCorrelation]]:
    """(frozen, trained, places, correlation) over all places that rank the same pretexts, where there are several."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[Agreement]] = {}
    for item in found:
        groups.setdefault((item.frozen, item.trained, item.pretexts), []).append(item)
    for (frozen, trained, _), items in groups.items():
        if len(items) > 1:
            first, second = (np.concatenate([item.means[side] for item in items]) for side in (0, 1))
            yield frozen, trained, len(items), rank_correlation(first, second, level=level)


def verdict(found: list[Agreement], measured: Measured) -> Iterator[str]:
    """One sentence a pair of protocols, over all places."""
    alone = {(item.frozen, item.trained): item for item in found}
    several = list(together(found, measured.level))
    for frozen, trained, places, correlation in several:
        yield (
            f"By {frozen} evaluation and by {trained} the pretexts' ranks agree to {interval(correlation)} over "
            f"{places} tasks (1: wholly, 0: not at all): {words(correlation)}"
        )
    if not several and len(found) == len(alone):
        for (frozen, trained), item in alone.items():
            yield (
                f"By {frozen} evaluation and by {trained} the pretexts' ranks agree to {interval(item.overall)} "
                f"(1: wholly, 0: not at all): {words(item.overall)}"
            )


def section(found: list[Agreement], place: Place, measured: Measured) -> Iterator[str]:
    """A table of one row a pair of protocols, and what it says in words; nothing where there is no pair."""
    here = [item for item in found if item.place == place]
    if not here:
        return
    yield "### Does frozen evaluation foretell finetuning?"
    rungs = here[0].rungs
    rows = [
        [f"{item.frozen}, {item.trained}", str(len(item.pretexts)), interval(item.overall)]
        + ["–" if item.overall.ceiling is None else f"{item.overall.ceiling:.2f}"]
        + [f"{one.value:.2f}" for one in item.by_rung]
        for item in here
    ]
    yield table(["ranks by", "pretexts", "mean over rungs", "ceiling", *(f"n = {n:,}" for n in rungs)], rows)
    yield "\n".join(f"- {item.frozen} and {item.trained}: {words(item.overall)}" for item in here)
    yield (
        "Spearman's correlation of the pretexts' means; 1: both rank them alike, 0: one says nothing of the other. "
        f"The {100 * measured.level:g} % interval is over pretexts (jackknife): what might be seen with other pretexts "
        "like these. The ceiling is what it would come to if noise of the runs alone kept the two rankings apart."
    )


def interval(found: RankCorrelation) -> str:
    """`0.31 [-0.20, 0.69]`."""
    ends = "" if found.low is None or found.high is None else f" [{found.low:.2f}, {found.high:.2f}]"
    return f"{found.value:.2f}{ends}"


def words(found: RankCorrelation) -> str:
    """What the interval says, in one sentence."""
    if found.low is None or found.high is None:
        return "too few pretexts for an interval."
    if found.high < 0:
        return "what ranks high by one ranks low by the other."
    if found.low > 0:
        return "what ranks high by one ranks high by the other, beyond doubt."
    if found.ceiling is not None and found.high < found.ceiling:
        return "no agreement is shown, and less than noise would leave of a full one."
    return "no agreement is shown, but a full one isn't excluded by so few pretexts and so much noise."


def names(found: list[Agreement], slugs: Mapping[Place, str]) -> list[str]:
    """File names of the figures: by place, and numbered where a place has several."""
    told: list[str] = []
    for item in found:
        number = sum(name.startswith(f"agreement-{slugs[item.place]}") for name in told)
        told.append(f"agreement-{slugs[item.place]}{f'-{number + 1}' if number else ''}")
    return told


def draw(item: Agreement, heading: str, quantity: str) -> Figure:
    """Means in % by the trained protocol against those by the frozen one, a dot a pretext, a panel a rung."""
    places = np.unique(np.linspace(0, len(item.rungs) - 1, min(PANELS, len(item.rungs))).round().astype(int))
    figure = figures.blank(1.5 + 2.7 * len(places), 3.4)
    panels = figure.subplots(1, len(places), squeeze=False)[0]
    for axes, place in zip(panels, places, strict=True):
        for column, name in enumerate(item.pretexts):
            lap, colour = divmod(column, len(figures.COLOURS))
            x, y = (100 * side[place, column] for side in item.means)
            style = {"color": figures.COLOURS[colour], "marker": figures.MARKERS[(column + lap) % len(figures.MARKERS)]}
            axes.plot([x], [y], linestyle="none", label=figures.label(name), **style)
        axes.set_title(f"n = {item.rungs[place]:,}, rank correlation {item.by_rung[place].value:.2f}", fontsize=8.5)
        axes.set_xlabel(f"{item.frozen} (%)")
        axes.grid(color="0.92", linewidth=0.6)
    panels[0].set_ylabel(f"{item.trained} (%)")
    figures.legend(panels[-1], 1)
    figure.suptitle(f"{heading}: {quantity}", fontsize=10, x=0.01, ha="left")
    return figure
