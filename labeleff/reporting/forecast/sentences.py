"""Forecasts in sentences: the verdict on every arm, what it rests on, and its weak points."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from labeleff.catalogue.metrics import Units
from labeleff.curves.forecast import FLAT, AccuracyForecast, Forecast, LabelForecast, Range
from labeleff.curves.next_rung import Learning, NextRung
from labeleff.curves.utility import FAR
from labeleff.reporting.assumptions import NEAR_CHANCE
from labeleff.reporting.forecast.arm_forecasts import ArmForecast, Forecasts
from labeleff.reporting.forecast.options import Options
from labeleff.reporting.markdown import ENDLESS, count, counts, join_texts, money
from labeleff.reporting.measurements import Setting

VERY_FAR = 10.0
"""Multiple of the last rung beyond which a forecast is one scenario among many."""


def interval(value: Range, show: Callable[[float], str]) -> str:
    """Format an interval as `[low, high]`, ENDLESS for an open end."""
    return f"[{show(value.low)}, {ENDLESS if value.high == math.inf else show(value.high)}]"


def with_interval(value: Range, show: Callable[[float], str]) -> str:
    """Format a number as `2,300 [1,200, no upper limit]`, or `> 1,200` where its median is infinite."""
    return f"> {show(value.low)}" if value.value == math.inf else f"{show(value.value)} {interval(value, show)}"


def price(value: float) -> str:
    """Format what labels cost, with no more digits than their count: three from 10,000 on."""
    return count(value) if value >= 10_000 else money(value)


def share(value: float) -> str:
    """Format a probability: whole percent, `<1` and `>99` at its ends."""
    return f"{'<1' if value < 0.01 else '>99' if value > 0.99 else f'{100 * value:.0f}'} %"


def headline(forecast: Forecast, at: Sequence[int]) -> AccuracyForecast:
    """The label count of the first sentence: the first one requested, or FAR times the last rung."""
    wanted = at[0] if at else FAR * forecast.last.n
    return min(forecast.accuracies, key=lambda each: abs(each.n - wanted))


def verdict(item: ArmForecast, options: Options) -> str:
    """The forecast of one arm in one sentence."""
    point, words, units = headline(item.forecast, options.at), item.setting.metric_entry.words, item.setting.units
    parts = [
        f"with {count(point.n)} labels {words} is expected at {units.text(point.accuracy.value)}{units.mark} "
        f"{interval(in_order(point.accuracy, units), units.text)}{_extrapolated(point.factor)}",
        *(_needed(each, item.forecast, options, units.exact(each.target)) for each in item.forecast.labels),
        *(text for text in [_next(item)] if text),
    ]
    return f"{item.title}: {'; '.join(parts)}."


def _extrapolated(factor: float) -> str:
    return f" (extrapolated x{factor:.3g})" if 1 < factor < math.inf else ""


def _needed(each: LabelForecast, forecast: Forecast, options: Options, target: str) -> str:
    """The labels for a `target` in a clause, with what they cost."""
    labels = each.labels
    if each.kind == "below":
        return f"{target} is reached already by the first rung, {count(labels.value)} labels"
    if labels.value <= forecast.labelled:
        unseen = ", though no measured mean reaches it" if each.kind == "extrapolated" else ""
        return (
            f"{target} is reached by {count(labels.value)} labels in the median {interval(labels, count)}, which are "
            f"there already (enough with probability {share(each.p_enough)}{unseen})"
        )
    if labels.value == math.inf:
        surely = share((1 + forecast.level) / 2)
        more = f", {count(each.additional.low)} more than are labelled" if each.additional.low > 0 else ""
        return (
            f"{target} is never reached by most curves ({share(each.p_never)}): it takes over {count(labels.low)} "
            f"labels with probability {surely}{more}{_costs(each.additional, options)}"
        )
    return (
        f"{target} is reached by {count(labels.value)} labels in the median {interval(labels, count)}"
        f"{_extrapolated(each.factor)}, {count(each.additional.value)} more than the {count(forecast.labelled)} "
        f"labelled{_costs(each.additional, options)}"
    )


def _costs(additional: Range, options: Options) -> str:
    cost = options.table.cost
    if cost is None:
        return ""
    total = additional.cost(cost.per_label)
    if total.value == math.inf:
        return f", which cost over {price(total.low)} {cost.unit}" if total.low > 0 else ""
    return f", which cost {price(total.value)} {cost.unit} {interval(total, price)}"


def _next(item: ArmForecast) -> str:
    """The rung that teaches most per additional label about the first target that may need further labels."""
    forecast = item.forecast
    surely = {each.target for each in forecast.labels if each.p_enough >= (1 + forecast.level) / 2}
    pairs = [(each, each.best) for each in forecast.learning if each.target not in surely]
    what = (
        f"{rung(best)} would say most per label about {learned(each, item.setting)}" for each, best in pairs if best
    )
    return next((f"a rung at {text}" for text in what), "")


def learned(each: Learning, setting: Setting) -> str:
    """The quantity that a next rung teaches about."""
    if each.target is not None:
        return f"the labels for {setting.units.exact(each.target)}"
    return f"{setting.metric_entry.words} at {count(each.n or 0)} labels"


def in_order(value: Range, units: Units) -> Range:
    """The range of scores, whose ends are in the order of their values."""
    return Range(value.value, *units.in_order(value.low, value.high))


def rung(best: NextRung) -> str:
    """Format a next rung: `2,000 labels (1,000 more)`."""
    return f"{count(best.n)} labels ({count(best.additional)} more)"


def basis(item: ArmForecast) -> str:
    """What a forecast rests on: rungs, runs, and how far it goes beyond them."""
    forecast = item.forecast
    runs = [each.runs for each in forecast.rungs]
    per_rung = f"{runs[0]:,}" if min(runs) == max(runs) else f"{min(runs):,} to {max(runs):,}"
    return (
        f"It rests on {len(runs)} rungs from {forecast.rungs[0].n:,.0f} to {forecast.last.n:,.0f} labels with "
        f"{per_rung} run{'' if max(runs) == 1 else 's'} per rung ({sum(runs):,} in all), and goes up to "
        f"{forecast.accuracies[-1].factor:.3g} times the last rung. {count(forecast.labelled)} labels count as "
        "labelled already."
    )


def weak_points(found: Forecasts) -> Iterator[str]:
    """One text per kind of weakness, with the arms that have it."""
    units = found.arms[0].setting.units
    rises = "falls" if units.lower else "rises"
    if found.without:
        yield f"**No forecast**: {join_texts(found.without)}. One label count alone gives no curve."
    sentences: Sequence[tuple[str, Callable[[ArmForecast], str], str]] = (
        *(
            (kind, functools.partial(_flagged, flag), advice.format(rises=rises, least=units.near(FLAT)))
            for flag, (kind, advice) in _FLAGS.items()
        ),
        (f"{units.fall}s".capitalize(), _falls, "The forecast takes it that more labels never hurt."),
        (
            "Near chance",
            _near_chance,
            "Such a curve may take off later, or never: rungs that are clear of chance say more.",
        ),
        (
            f"Extrapolated over {FAR:g} times the last rung",
            lambda item: _far(item, FAR, VERY_FAR),
            "On real curves label counts were then off by a factor of two to three in the mean.",
        ),
        (
            f"Extrapolated over {VERY_FAR:g} times the last rung",
            lambda item: _far(item, VERY_FAR, math.inf),
            "These are scenarios, not predictions: measure a larger rung before money depends on them.",
        ),
        ("Mostly never", _never, "Most curves never reach these targets: plan without them, or with another method."),
        ("No upper limit", _open, "No budget makes these targets safe."),
        ("Reached already", _reached, "The pilot is there already; the probability says how surely."),
    )
    for kind, describe, advice in sentences:
        texts = [f"{item.title}{what}".rstrip() for item in found.arms if (what := describe(item))]
        if texts:
            yield f"**{kind}**: {join_texts(texts)}. {advice}"


_FLAGS = {
    "one run per rung": (
        "One run per rung",
        "The noise of a run isn't measured here; intervals rest on what is assumed or learned of it.",
    ),
    "few runs": ("Few runs", "Fewer than 3 at some rung: intervals rest on what the rungs have in common."),
    "two rungs": (
        "Two rungs",
        "How the curve bends isn't measured; intervals rest on how learning curves bend in general. A third rung helps "
        "most.",
    ),
    "flat": (
        "Flat",
        "The ladder {rises} by less than {least}: label counts on such curves are the worst of all.",
    ),
}
"""Kinds of weakness by flag of a forecast, with advice."""


def _flagged(flag: str, item: ArmForecast) -> str:
    return " " if flag in item.forecast.flags else ""


def _falls(item: ArmForecast) -> str:
    fall = item.forecast.fall
    if fall is None or not fall.clear:
        return ""
    by = item.setting.units.points(fall.size)
    return f" (by {by} from {count(fall.n)} to {count(fall.after)} labels)"


def _near_chance(item: ArmForecast) -> str:
    chance, units = item.setting.chance, item.setting.units
    near = [int(each.n) for each in item.forecast.rungs if chance is not None and each.mean - chance < NEAR_CHANCE]
    return f" (less than {units.near(NEAR_CHANCE)} {units.over} it at {counts(near)} labels)" if near else ""


def _far(item: ArmForecast, over: float, up_to: float) -> str:
    """Accuracies and label counts over one multiple of the last rung and up to another."""
    ns = [int(each.n) for each in item.forecast.accuracies if over < each.factor <= up_to]
    labels = [
        f"labels for {item.setting.units.exact(each.target)}"
        for each in item.forecast.labels
        if over < each.factor <= up_to and each.factor < math.inf
    ]
    words = item.setting.metric_entry.words
    return _listed([*([f"{words} at {counts(ns)} labels"] if ns else []), *labels])


def _listed(texts: Iterable[str]) -> str:
    """Texts in parentheses; empty where there are none."""
    listed = ", ".join(texts)
    return f" ({listed})" if listed else ""


def _never(item: ArmForecast) -> str:
    return _listed(
        f"{item.setting.units.exact(each.target)}: {share(each.p_never)} of curves"
        for each in item.forecast.labels
        if each.labels.value == math.inf
    )


def _open(item: ArmForecast) -> str:
    return _listed(
        f"{item.setting.units.exact(each.target)}: {share(each.p_never)} of curves never"
        for each in item.forecast.labels
        if each.labels.high == math.inf and each.labels.value < math.inf
    )


def _reached(item: ArmForecast) -> str:
    return _listed(
        f"{item.setting.units.exact(each.target)}: enough with probability {share(each.p_enough)}"
        for each in item.forecast.labels
        if each.kind in ("below", "inside")
    )
