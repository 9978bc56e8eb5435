"""Measured accuracies to tidy tables: `summary.csv`, `utility.csv`; missing values are empty cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from labeleff.comparison import Comparison
from labeleff.measured import Measured, Place
from labeleff.stats import MeanInterval, Runs, mean_intervals, paired_differences, wilson

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]

INTEGERS = ("draws", "seeds", "failed", "missing", "test_count", "seed", "peak_memory_bytes")


def columns(text: str) -> list[str]:
    """Names of columns from words."""
    return text.split()


SUMMARY = columns(
    "task encoder arm n metric mean sd low high runs draws seeds failed missing chance test_count test_low "
    "test_high baseline difference difference_low difference_high"
)
"""`low`, `high`: interval of the mean over draws and seeds; `test_low`, `test_high`: the test set's sampling
error; `difference`: from the baseline, over the runs that both have; `missing`: runs that were wanted
and aren't there yet."""
UTILITY = columns(
    "task encoder arm baseline n runs accuracy baseline_accuracy kind utility utility_at_least "
    "utility_at_most utility_low utility_high low_is_bound high_is_bound n1 n1_at_least n1_at_most "
    "n1_low n1_high p_above p_below flags"
)
"""`utility` is empty unless measured; a bound stands in `utility_at_least` or `utility_at_most`."""


def frame(rows: Sequence[Row], names: Sequence[str]) -> pd.DataFrame:
    """Rows as a frame with columns `names`, in which counts stay whole where some are missing."""
    import pandas as pd

    whole = {name: "Int64" for name in INTEGERS if name in names}
    return pd.DataFrame(rows, columns=list(names)).astype(whole)


def to_csv(table: pd.DataFrame) -> bytes:
    """The table as UTF-8 CSV with `\\n` line ends; the same table gives the same bytes everywhere."""
    return table.to_csv(index=False, lineterminator="\n", float_format="%.10g").encode()


def summary(measured: Measured) -> pd.DataFrame:
    """One row a task, encoder, arm and rung, also where runs are wanted and none has finished."""
    rows = [row for place in measured.places for arm in measured.arms for row in _arm_rows(measured, place, arm)]
    return frame(rows, SUMMARY)


def _intervals(runs: Runs, level: float) -> dict[int, MeanInterval]:
    return {item.n: item for item in mean_intervals(runs, level=level)} if runs else {}


def _arm_rows(measured: Measured, place: Place, arm: str) -> Iterable[Row]:
    setting, level, runs = measured.settings[place], measured.level, measured.at(place, arm)
    base = measured.at(place, measured.baseline)
    failures = measured.failed.get((place, arm), {})
    intervals = _intervals(runs, level)
    differences = _intervals(paired_differences(base, runs), level) if arm != measured.baseline else {}
    for n in measured.asked(place, arm):
        values = list(runs.get(n, {}).values())
        interval, difference = intervals.get(n), differences.get(n)
        failed, count = failures.get(n, 0), setting.test_count if values else None
        test = wilson(interval.mean, count, level=level) if interval and count else (None, None)
        yield {
            "task": place.task,
            "encoder": place.encoder,
            "arm": arm,
            "n": n,
            "metric": setting.metric,
            "mean": interval and interval.mean,
            "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            "low": interval and interval.low,
            "high": interval and interval.high,
            "runs": len(values),
            "draws": len({draw for draw, _ in runs.get(n, {})}) if "draw" in measured.shared else None,
            "seeds": len({seed for _, seed in runs.get(n, {})}) if "seed" in measured.shared else None,
            "failed": None if measured.wanted is None else failed,
            "missing": None if measured.wanted is None else measured.wanted - len(values) - failed,
            "chance": setting.chance,
            "test_count": count,
            "test_low": test[0],
            "test_high": test[1],
            "baseline": measured.baseline,
            "difference": difference and difference.mean,
            "difference_low": difference and difference.low,
            "difference_high": difference and difference.high,
        }


def utilities(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """One row an arm and rung."""
    rows = [
        {
            "task": item.place.task,
            "encoder": item.place.encoder,
            "arm": item.arm,
            "baseline": item.baseline,
            "n": point.n,
            "runs": point.runs,
            "accuracy": point.accuracy,
            "baseline_accuracy": point.baseline_accuracy,
            "kind": point.kind,
            "utility": point.utility,
            "utility_at_least": point.bound if point.kind == "above" else None,
            "utility_at_most": point.bound if point.kind == "below" else None,
            "utility_low": point.low,
            "utility_high": point.high,
            "low_is_bound": point.low_bound,
            "high_is_bound": point.high_bound,
            "n1": point.n1,
            "n1_at_least": point.n1_bound if point.kind == "above" else None,
            "n1_at_most": point.n1_bound if point.kind == "below" else None,
            "n1_low": point.n1_low,
            "n1_high": point.n1_high,
            "p_above": point.p_above,
            "p_below": point.p_below,
            "flags": "; ".join(point.flags),
        }
        for item in comparisons
        for point in item.points
    ]
    return frame(rows, UTILITY)
