"""Labels and device-hours together with which an arm reaches the target accuracies; also as `time_to_accuracy.csv`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from labeleff.curves.bounds import Reading
from labeleff.records.run_estimate import duration
from labeleff.reporting.csv_tables import Row, columns, frame, to_csv
from labeleff.reporting.effort.charges import HOUR, Charge, charges
from labeleff.reporting.findings import Findings, TargetLabels
from labeleff.reporting.markdown import amount, count, table
from labeleff.reporting.output_files import Section
from labeleff.reporting.results import Results
from labeleff.reporting.sections.accuracy_and_utility import DOUBT

COLUMNS = columns(
    "task encoder arm target n n_low n_high device_hours device_hours_low device_hours_high seconds_per_label_saved "
    "assumption"
)
"""One row per arm and target that is reached inside the ladder, or a little beyond.

`seconds_per_label_saved` are device-seconds beyond the baseline's for every label fewer than it needs.
"""


def section(results: Results, findings: Findings) -> Section:
    """Section with labels and time for every target; empty where the study has none."""
    rows = [*_rows(results, findings)]
    if not rows:
        return Section([])
    return Section(
        [*_paragraphs(results, findings, rows)],
        {"time_to_accuracy.csv": to_csv(frame([_row(*row) for row in rows], COLUMNS))},
    )


def hours(labels: Reading, by_rung: Mapping[int, Charge]) -> Reading:
    """Device-hours of one run with these labels: between rungs by a line in logarithms, never falling.

    Below the first rung those of the first, beyond the last those of the last, of which the training may be shorter.
    """
    rungs = sorted(by_rung)
    seconds = np.maximum.accumulate([by_rung[n].seconds for n in rungs])

    def at(n: float) -> float:
        logarithm = np.interp(math.log(max(n, 1.0)), np.log(rungs), np.log(seconds))
        return float(np.exp(logarithm)) / HOUR

    return labels.mapped(at)


def _rows(results: Results, findings: Findings) -> Iterator[tuple[TargetLabels, Reading, float | None]]:
    """Every target that an arm reaches, with its hours, and the seconds that each label saved costs."""
    reached: dict[tuple[object, float], tuple[float, float]] = {}
    by_arm = {key: charges(results, *key) for key in {(item.place, item.arm) for item in findings.labels}}
    ordered = sorted(findings.labels, key=lambda item: item.arm != findings.measured.baseline)
    for item in ordered:
        by_rung = by_arm[item.place, item.arm]
        if item.labels is None or item.labels.value is None or item.labels.far or not by_rung:
            continue
        time = hours(item.labels, by_rung)
        assert time.value is not None
        key = item.place, item.target
        if item.arm == findings.measured.baseline:
            reached[key] = item.labels.value, time.value
        base_n, base_hours = reached.get(key, (math.nan, math.nan))
        saved = base_n - item.labels.value
        yield item, time, HOUR * (time.value - base_hours) / saved if saved > 0 else None


def _paragraphs(
    results: Results, findings: Findings, rows: list[tuple[TargetLabels, Reading, float | None]]
) -> Iterator[str]:
    yield "## Labels and device time together"
    several = len({item.place for item, *_ in rows}) > 1
    header = [*(["place"] if several else []), "arm", "reaches", "labels", "device time", "a label saved costs"]
    lines = [
        [
            *([results.title(item.place)] if several else []),
            item.arm,
            findings.measured.settings[item.place].units.short(item.target),
            amount(item.labels, count) + (DOUBT if item.doubts else ""),
            amount(time, lambda value: duration(HOUR * value)),
            "–" if price is None else f"{price:.3g} s",
        ]
        for item, time, price in rows
        if item.labels is not None
    ]
    yield table(header, lines, left=3 if several else 2)
    yield (
        "Labels by each arm's own curve, and the time of one run with them on one process or GPU, its whole "
        f"pretraining included. *A label saved costs*: device time beyond {findings.measured.baseline}'s over the "
        "labels fewer; under 0 both are saved. Intervals are those of the labels: the spread of times is left out."
    )


def _row(item: TargetLabels, time: Reading, price: float | None) -> Row:
    assert item.labels is not None
    return {
        "task": item.place.task,
        "encoder": item.place.encoder,
        "arm": item.arm,
        "target": item.units.value(item.target),
        "n": item.labels.value,
        "n_low": item.labels.low,
        "n_high": item.labels.high,
        "device_hours": time.value,
        "device_hours_low": time.low,
        "device_hours_high": time.high,
        "seconds_per_label_saved": price,
        "assumption": "; ".join(item.doubts),
    }
