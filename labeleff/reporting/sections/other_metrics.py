"""Further recorded metrics: `metrics.csv`, and a short table per place."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from labeleff.catalogue.metrics import Metric, metric
from labeleff.reporting.csv_tables import Row, columns, frame, to_csv
from labeleff.reporting.markdown import percent, table
from labeleff.reporting.measurements import Place
from labeleff.reporting.output_files import Section
from labeleff.reporting.results import Results

if TYPE_CHECKING:
    import pandas as pd

METRICS = columns("task encoder arm n metric mean sd runs")
"""Means over finished runs, in 0..1 or in the metric's own unit; `sd` is empty where a rung has one run."""


def other_metrics(results: Results) -> pd.DataFrame:
    """Table of one row per task, encoder, arm, rung and metric, without the metric that the report is about."""
    return frame([row for place in results.places for row in _rows(results, place)], METRICS)


def to_files(results: Results) -> dict[str, bytes]:
    """Content of `metrics.csv` by file name; empty where it has no rows."""
    rows = other_metrics(results)
    return {} if rows.empty else {"metrics.csv": to_csv(rows)}


def section(results: Results, place: Place) -> Section:
    """Section with a table of one row per metric and arm; empty where a place has no other metric."""
    return Section([*_paragraphs(results, place)])


def _paragraphs(results: Results, place: Place) -> Iterator[str]:
    rows = list(_rows(results, place))
    if not rows:
        return
    yield "### Other metrics, mean ± standard deviation"
    means = {(row["metric"], row["arm"], row["n"]): row for row in rows}
    names, arms = (list(dict.fromkeys(row[key] for row in rows)) for key in ("metric", "arm"))
    rungs = results.study.rungs
    lines = [
        [_heading(metric(name)), arm, *(_cell(metric(name), means.get((name, arm, n))) for n in rungs)]
        for name in names
        for arm in arms
    ]
    yield table(["metric", "arm", *(f"n = {n:,}" for n in rungs)], lines, left=2)
    yield "\n".join(f"- {metric(name).words}: {metric(name).meaning}." for name in names if metric(name).meaning)


def _rows(results: Results, place: Place) -> Iterator[Row]:
    reported = results.metric(place.task)
    for arm in results.arms:
        values: dict[tuple[int, str], list[float]] = {}
        for record in results.at(place, arm):
            for name, value in record.metrics.items():
                if name != reported and value is not None:
                    values.setdefault((record.cell.n, name), []).append(value)
        for (n, name), numbers in values.items():
            yield {
                "task": place.task,
                "encoder": place.encoder,
                "arm": arm,
                "n": n,
                "metric": name,
                "mean": float(np.mean(numbers)),
                "sd": float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
                "runs": len(numbers),
            }


def _heading(entry: Metric) -> str:
    return f"{entry.words} (%)" if entry.share else entry.words


def _cell(entry: Metric, row: Row | None) -> str:
    """Format a mean as `61.3 ± 1.2`, or in the metric's unit with as many decimals as give the mean three digits."""
    if row is None:
        return "–"
    numbers = [row["mean"], *([] if row["sd"] is None else [row["sd"]])]
    decimals = max(0, 2 - math.floor(math.log10(row["mean"]))) if row["mean"] > 0 else 2
    return " ± ".join(percent(value) if entry.share else f"{value:.{decimals}f}" for value in numbers)
