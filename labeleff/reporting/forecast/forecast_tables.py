"""Tables of forecasts: as Markdown for the report, and as CSV."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from labeleff.catalogue.metrics import Units
from labeleff.curves.forecast import Range
from labeleff.curves.next_rung import Learning
from labeleff.reporting.csv_tables import Row, columns, frame, to_csv
from labeleff.reporting.forecast.arm_forecasts import ArmForecast
from labeleff.reporting.forecast.options import Options
from labeleff.reporting.forecast.sentences import in_order, interval, learned, price, rung, share, with_interval
from labeleff.reporting.markdown import bold, count, table
from labeleff.reporting.measurements import Setting
from labeleff.study.prices import Cost

FORECAST = columns("task arm n factor additional cost cost_unit accuracy low high run_low run_high")
"""`additional`: labels beyond those that are there; `cost`: their price; `low`, `high`: interval of the true accuracy;
`run_low`, `run_high`: of one future run's."""
REACHED = columns("task arm n target probability")
LABELS = columns(
    "task arm target kind n n_low n_high p_enough p_never factor cost cost_low cost_high labelled additional "
    "additional_low additional_high additional_cost additional_cost_low additional_cost_high cost_unit"
)
"""`n`: labels needed, empty where most curves never reach the target; an empty upper end is open;
`p_enough`: probability that the `labelled` ones are enough; costs are of `n` and of the `additional` labels."""
NEXT_RUNGS = columns("task arm target accuracy_at n additional cost cost_unit runs sd_now sd_then removed best")
"""`sd_now`, `sd_then`: standard deviation, before and as expected after the rung, of ln n for a target, or of the
accuracy at `accuracy_at` labels; `removed`: share of its variance; `best`: whether it removes most per label."""


def accuracies(item: ArmForecast, options: Options) -> str:
    """Table of the expected accuracy, and of the probabilities of reaching the targets, by label count."""
    forecast, cost, units = item.forecast, options.table.cost, item.setting.units
    header = ["labels n", "x last rung", "additional", *_price_header(cost)]
    header += [f"{item.setting.metric_entry.words}{units.axis}", f"one run{units.axis}"]
    header += [f"P({units.exact(each.target)})" for each in forecast.labels]
    rows = [
        [
            count(each.n),
            f"{each.factor:.3g}",
            count(max(each.n - forecast.labelled, 0)),
            *_price(max(each.n - forecast.labelled, 0), cost),
            with_interval(in_order(each.accuracy, units), units.text),
            interval(in_order(each.run, units), units.text),
            *map(share, each.reached),
        ]
        for each in forecast.accuracies
    ]
    return table(header, rows, left=0)


def labels(item: ArmForecast, options: Options) -> str:
    """Table of the labels that targets need, with their price."""
    cost = options.table.cost
    header = [
        "target",
        "labels n",
        *_price_header(cost),
        "x last rung",
        "additional",
        *_price_header(cost),
        "enough now",
        "never",
    ]
    rows = [
        [
            item.setting.units.exact(each.target),
            f"<= {count(each.labels.value)}" if each.kind == "below" else with_interval(each.labels, count),
            *_price_range(each.labels, cost),
            "–" if each.factor == math.inf else f"{each.factor:.3g}",
            with_interval(each.additional, count),
            *_price_range(each.additional, cost),
            share(each.p_enough),
            share(each.p_never),
        ]
        for each in item.forecast.labels
    ]
    return table(header, rows)


def learning(each: Learning, setting: Setting, options: Options) -> Iterator[str]:
    """What candidates for the next rung teach about one quantity: a sentence and a table."""
    units = setting.units
    yield f"### Next rung, to learn about {learned(each, setting)}"
    yield f"{_known(each, units)} {_advice(each)}".rstrip()
    cost = options.table.cost
    header = ["rung n", "additional", *_price_header(cost), "then known to", "variance removed", "per 100 labels"]
    rows = [
        [
            bold(count(one.n)) if one == each.best else count(one.n),
            count(one.additional),
            *_price(one.additional, cost),
            spread(each, one.sd, units),
            share(one.removed),
            f"{1e4 * one.per_label:.2g} %" if one.additional else "free",
        ]
        for one in each.rungs
    ]
    yield table(header, rows, left=0)


def spread(each: Learning, sd: float, units: Units) -> str:
    """Format a standard deviation: a factor for label counts, points for an accuracy."""
    if each.target is not None:
        return f"a factor of {count_factor(math.exp(sd))}"
    return f"± {units.size * sd:.2g}{' points' if units.percent else ''}"


def count_factor(value: float) -> str:
    """Format a factor: two decimals under 2, one under 10, none above."""
    return f"{value:.{2 if value < 1.995 else 1 if value < 9.95 else 0}f}"


def _known(each: Learning, units: Units) -> str:
    return f"Now it is known to {spread(each, each.sd, units)} either way (one standard deviation)."


def _advice(each: Learning) -> str:
    texts = []
    if each.best is not None:
        texts.append(
            f"A rung at {rung(each.best)} with {each.best.runs} run{'s' if each.best.runs > 1 else ''} removes most "
            f"per label: {share(each.best.removed)} of the variance."
        )
    else:
        texts.append("No candidate beyond the ladder removes any of that variance.")
    if each.free is not None:
        texts.append(
            f"Without new labels, a rung at {count(each.free.n)} labels removes {share(each.free.removed)}: it takes "
            "training alone."
        )
    return " ".join(texts)


def _price_header(cost: Cost | None) -> list[str]:
    return [] if cost is None else [f"cost ({cost.unit})"]


def _price(labels: float, cost: Cost | None) -> list[str]:
    return [] if cost is None else [price(labels * cost.per_label)]


def _price_range(labels: Range, cost: Cost | None) -> list[str]:
    return [] if cost is None else [with_interval(labels.cost(cost.per_label), price)]


def csvs(items: Sequence[ArmForecast], cost: Cost | None) -> dict[str, bytes]:
    """All tables of a forecast as CSV, by file name."""
    makers = {
        "forecast.csv": (_accuracy_rows, FORECAST),
        "reached.csv": (_reached_rows, REACHED),
        "labels.csv": (_label_rows, LABELS),
        "next_rungs.csv": (_next_rows, NEXT_RUNGS),
    }
    return {
        name: to_csv(frame([{"task": i.task, "arm": i.arm, **row} for i in items for row in rows(i, cost)], names))
        for name, (rows, names) in makers.items()
    }


def _accuracy_rows(item: ArmForecast, cost: Cost | None) -> Iterator[Row]:
    units = item.setting.units
    for each in item.forecast.accuracies:
        (low, high), (run_low, run_high) = (
            map(units.value, units.in_order(x.low, x.high)) for x in (each.accuracy, each.run)
        )
        additional = max(each.n - item.forecast.labelled, 0.0)
        yield {
            "n": each.n,
            "factor": each.factor,
            "additional": additional,
            "cost": cost and additional * cost.per_label,
            "cost_unit": cost and cost.unit,
            "accuracy": units.value(each.accuracy.value),
            "low": low,
            "high": high,
            "run_low": run_low,
            "run_high": run_high,
        }


def _reached_rows(item: ArmForecast, cost: Cost | None) -> Iterator[Row]:
    del cost
    for each in item.forecast.accuracies:
        for target, probability in zip(item.forecast.labels, each.reached, strict=True):
            yield {"n": each.n, "target": item.setting.units.value(target.target), "probability": probability}


def _label_rows(item: ArmForecast, cost: Cost | None) -> Iterator[Row]:
    for each in item.forecast.labels:
        yield {
            "target": item.setting.units.value(each.target),
            "kind": each.kind,
            **_numbers("n", each.labels),
            "p_enough": each.p_enough,
            "p_never": each.p_never,
            "factor": _finite(each.factor),
            "labelled": item.forecast.labelled,
            **_numbers("additional", each.additional),
            **(_numbers("cost", each.labels.cost(cost.per_label)) if cost else {}),
            **(_numbers("additional_cost", each.additional.cost(cost.per_label)) if cost else {}),
            "cost_unit": cost and cost.unit,
        }


def _numbers(name: str, value: Range) -> Row:
    return {name: _finite(value.value), f"{name}_low": _finite(value.low), f"{name}_high": _finite(value.high)}


def _finite(value: float) -> float | None:
    return value if value < math.inf else None


def _sd(each: Learning, sd: float, units: Units) -> float:
    return sd if each.target is not None else abs(units.change(sd))


def _next_rows(item: ArmForecast, cost: Cost | None) -> Iterator[Row]:
    for each in item.forecast.learning:
        for one in each.rungs:
            yield {
                "target": None if each.target is None else item.setting.units.value(each.target),
                "accuracy_at": each.n,
                "n": one.n,
                "additional": one.additional,
                "cost": cost and one.additional * cost.per_label,
                "cost_unit": cost and cost.unit,
                "runs": one.runs,
                "sd_now": _sd(each, each.sd, item.setting.units),
                "sd_then": _sd(each, one.sd, item.setting.units),
                "removed": one.removed,
                "best": one == each.best,
            }
