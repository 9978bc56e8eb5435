"""Number of runs needed: what the draws resolve, and where spread comes from."""

from __future__ import annotations

import math
from collections.abc import Iterator

from labeleff.catalogue.metrics import Units
from labeleff.reporting.markdown import table
from labeleff.reporting.measurements import Measurements, Place
from labeleff.stats.differences import Difference, Differences
from labeleff.stats.power import POWER, Resolution, resolve
from labeleff.stats.variance_components import split

LEAST = 0.005
"""Least difference of accuracy (0..1) to resolve, also for an arm that is closer to the baseline."""


def runs_needed(measured: Measurements, place: Place) -> Iterator[str]:
    """Paragraphs of "How many runs are enough", for the arm closest to the baseline; none without another arm."""
    closest_arm = _closest(measured, place)
    if closest_arm is None:
        return
    yield "### How many runs are enough"
    arm, differences, ladder = closest_arm
    base, runs = measured.at(place, measured.baseline), measured.at(place, arm)
    away = _away(differences)
    gain, units = max(away, LEAST), measured.settings[place].units
    closest = (
        f"Closest to {measured.baseline} is {arm}, {units.points(away)} away on average over the rungs (mean "
        f"difference {_points(ladder.mean, units)}{_ends(ladder, units)})."
    )
    rows = resolve(base, runs, gain, level=measured.level)
    reasons = list(dict.fromkeys(row.reason for row in rows if row.reason))
    if all(row.draws is None and row.detectable is None for row in rows):
        yield f"{closest} How many runs would tell them apart can't be said: {'; '.join(reasons) or 'no spread'}."
        return
    header = [
        "n",
        f"difference{' (points)' if units.percent else ''}",
        "p",
        "draws",
        "least gain they resolve",
        f"draws for {units.points(gain)}",
    ]
    least = {n: min(len(base[n]), len(runs[n])) for n in base if n in runs}
    yield table(header, [_row(one, row, least[row.n], units) for one, row in zip(differences.rungs, rows, strict=True)])
    limit = "; in brackets, if the spread lies at its upper limit" if any(row.cautious for row in rows) else ""
    notes = f" Noted: {'; '.join(reasons)}." if reasons else ""
    yield (
        f"{closest} Draws are runs of both arms with labels of their own, paired where arms share them. A gain counts "
        f"as resolved where a test at {100 * measured.level:g} % sees it with probability {100 * POWER:.0f} %{limit}."
        f"{notes}"
    )
    yield from _sources(measured, place)


def _closest(measured: Measurements, place: Place) -> tuple[str, Differences, Difference] | None:
    """The arm whose means are nearest to the baseline's, over the rungs that both have."""
    candidates = [
        (arm, item, item.ladder)
        for (where, arm), item in measured.differences.items()
        if where == place and item.ladder is not None
    ]
    return min(candidates, key=lambda entry: _away(entry[1]), default=None)


def _away(differences: Differences) -> float:
    """Mean absolute difference over the rungs."""
    return math.fsum(abs(item.mean) for item in differences.rungs) / len(differences.rungs)


def _points(value: float, units: Units) -> str:
    printed = 100 * units.change(value) if units.percent else units.change(value)
    return f"{round(printed, units.digits) + 0.0:+.{units.digits}f}"


def _ends(item: Difference, units: Units) -> str:
    if item.low is None or item.high is None:
        return ""
    low, high = (_points(end, units) for end in units.in_order(item.low, item.high))
    return f" [{low}, {high}]"


def _row(item: Difference, resolution: Resolution, runs: int, units: Units) -> list[str]:
    chance = "–" if item.p_value is None else "< 0.001" if item.p_value < 0.001 else f"{item.p_value:.2g}"
    least = "–" if resolution.detectable is None else units.spread(resolution.detectable)
    cautious = "" if resolution.cautious is None else f" [{resolution.cautious:,}]"
    draws = f"{resolution.draws:,}{cautious}" if resolution.draws is not None else "–"
    pairs = f"{resolution.pairs:,}" if resolution.pairs else f"{runs:,} unpaired"
    return [f"{resolution.n:,}", f"{_points(item.mean, units)}{_ends(item, units)}", chance, pairs, least, draws]


def _sources(measured: Measurements, place: Place) -> Iterator[str]:
    """Sentence on the shares of draws and seeds in the variance of the baseline's runs, where runs have both."""
    if set(measured.shared) != {"draw", "seed"} or (place, measured.baseline) in measured.summarised:
        return
    ladder = split(measured.at(place, measured.baseline), level=measured.level).ladder
    if ladder is None:
        return
    if not ladder.components:
        yield f"How much of the spread is the draw of labels and how much the seed can't be told: {ladder.reason}."
        return
    names = {"draw": "draws of labels", "seed": "seeds", "interaction": "only their combination"}
    parts = [
        f"{names[part.source]} {100 * part.share:.0f} % [{100 * part.share_low:.0f}, {100 * part.share_high:.0f}]"
        for part in ladder.components
    ]
    note = f" ({ladder.reason})" if ladder.reason else ""
    yield (
        f"Of the variance of single runs of {measured.baseline}, averaged over the ladder, {parts[0]}, {parts[1]} and "
        f"{parts[2]} decide{note}: more of what decides most helps most."
    )
