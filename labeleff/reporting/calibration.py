"""Calibration of probabilities against label count: `calibration.csv`, and a table per place in the details."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from labeleff.reporting.csv_tables import Row, columns, frame, to_csv
from labeleff.reporting.markdown import table
from labeleff.reporting.measurements import Place
from labeleff.reporting.output_files import Section
from labeleff.reporting.results import Results
from labeleff.stats.intervals import MeanInterval, mean_intervals
from labeleff.stats.resampling import Runs

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = columns(
    "task encoder arm n metric predicted predicted_low predicted_high predicted_runs "
    "scaled scaled_low scaled_high scaled_runs temperature temperature_labels"
)
"""Means over finished runs with their intervals, as predicted and after temperature scaling; temperature is their
geometric mean, `temperature_labels` the mean number of labels that it was fitted on."""
METRICS = {"ece": "calibration error (%)", "brier": "Brier score", "nll": "negative log-likelihood"}
SHOWN = ("ece", "brier")
STATES = {"predicted": "as predicted", "scaled": "scaled"}


def calibration(results: Results) -> pd.DataFrame:
    """Table of one row per task, encoder, arm, rung and metric."""
    return frame([row for place in results.places for row in _rows(results, place)], COLUMNS)


def to_files(results: Results) -> dict[str, bytes]:
    """Content of `calibration.csv` by file name; empty where no record has calibration."""
    rows = calibration(results)
    return {} if rows.empty else {"calibration.csv": to_csv(rows)}


def section(results: Results, place: Place) -> Section:
    """Section of the details of one place; empty where its records have no calibration."""
    return Section(details=[*_paragraphs(results, [*_rows(results, place)], place)])


def _rows(results: Results, place: Place) -> Iterator[Row]:
    for arm in results.arms:
        for metric in METRICS:
            sides = {
                "predicted": _intervals(results, _runs(results, place, arm, metric)),
                "scaled": _intervals(results, _runs(results, place, arm, f"{metric}_scaled")),
            }
            for n in sorted({n for side in sides.values() for n in side}):
                key = {"task": place.task, "encoder": place.encoder, "arm": arm, "n": n, "metric": metric}
                cells = {name: value for state, side in sides.items() for name, value in _cells(state, side, n).items()}
                yield {**key, **cells, **_temperature(results, place, arm, n)}


def _runs(results: Results, place: Place, arm: str, name: str) -> Runs:
    """One number of calibration by label count and (draw, seed); rungs without any are left out."""
    runs: dict[int, dict[tuple[int, int], float]] = {}
    for record in results.at(place, arm):
        if record.status == "ok" and name in record.calibration:
            runs.setdefault(record.cell.n, {})[record.cell.draw, record.cell.seed] = record.calibration[name]
    return runs


def _intervals(results: Results, runs: Runs) -> dict[int, tuple[MeanInterval, int]]:
    """Means with intervals, and their numbers of runs, by label count."""
    means = mean_intervals(runs, level=results.study.level) if runs else []
    return {mean.n: (mean, len(runs[mean.n])) for mean in means}


def _cells(state: str, side: Mapping[int, tuple[MeanInterval, int]], n: int) -> Row:
    mean, runs = side.get(n, (None, 0))
    ends = {} if mean is None else {state: mean.mean, f"{state}_low": mean.low, f"{state}_high": mean.high}
    return {state: None, f"{state}_low": None, f"{state}_high": None, **ends, f"{state}_runs": runs}


def _temperature(results: Results, place: Place, arm: str, n: int) -> Row:
    values, labels = (
        [*_runs(results, place, arm, name).get(n, {}).values()] for name in ("temperature", "temperature_labels")
    )
    return {
        "temperature": math.exp(statistics.fmean(map(math.log, values))) if values else None,
        "temperature_labels": statistics.fmean(labels) if labels else None,
    }


def _paragraphs(results: Results, rows: list[Row], place: Place) -> Iterator[str]:
    if not rows:
        return
    yield f"## Calibration: {results.title(place)}"
    found = {(row["metric"], row["arm"], row["n"]): row for row in rows}
    rungs = sorted({row["n"] for row in rows})
    lines = [
        [METRICS[metric], arm, words, *(_cell(found.get((metric, arm, n)), state, metric) for n in rungs)]
        for metric in SHOWN
        for arm in results.arms
        for state, words in STATES.items()
        if any(row[state] is not None for row in rows if (row["metric"], row["arm"]) == (metric, arm))
    ]
    yield table(["metric", "arm", "probabilities", *(f"n = {n:,}" for n in rungs)], lines, left=3)
    yield _explanation(results, rows)


def _explanation(results: Results, rows: list[Row]) -> str:
    """What the table's numbers are, and what they can't tell."""
    texts = [
        f"Means over runs with intervals of {100 * results.study.level:g} %; less is better. Calibration error: "
        "distance of the predicted class's probability from its accuracy, in 15 bins of equal width (Guo et al. 2017); "
        "it is over 0 by chance alone, the more the fewer test items there are, and is small too where probabilities "
        "tell nothing. Brier score: squared distance of the probabilities from the true class, summed over classes, in "
        "0..2 (Brier 1950), which falls by calibration and by telling classes apart alike."
    ]
    if any(row["scaled"] is not None for row in rows):
        texts.append(
            "*Scaled*: scores are divided by a temperature, which was fitted on some of the n labels by scores of "
            "predictors that weren't trained on them, and so have fewer labels than the one that is scored; "
            "`calibration.csv` has it."
        )
    if any(row["scaled"] is None for row in rows):
        texts.append("Where no such scores came with the arm, no temperature is given.")
    return " ".join(texts)


def _cell(row: Row | None, state: str, metric: str) -> str:
    """Format a mean as `4.1 [3.2, 5.0]`, or as `0.412` without an interval."""
    if row is None or row[state] is None:
        return "–"
    numbers = [row[state], row[f"{state}_low"], row[f"{state}_high"]]
    mean, *ends = [f"{100 * x:.1f}" if metric == "ece" else f"{x:.3f}" for x in numbers if x is not None]
    return f"{mean} [{', '.join(ends)}]" if ends else mean
