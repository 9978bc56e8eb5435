"""Records to tidy tables: `summary.csv`, `utility.csv`, `throughput.csv`; missing values are empty cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from labeleff.record import PretrainingRecord, Record, RunEntry, Training
from labeleff.results import Comparison, Place, Results, place_of
from labeleff.stats import MeanInterval, Runs, mean_intervals, paired_differences, wilson

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]

INTEGERS = ("test_count", "seed", "peak_memory_bytes")


def _columns(text: str) -> list[str]:
    return text.split()


SUMMARY = _columns(
    "task encoder arm n metric mean sd low high runs draws seeds failed missing chance test_count test_low "
    "test_high baseline difference difference_low difference_high"
)
"""`low`, `high`: interval of the mean over draws and seeds; `test_low`, `test_high`: the test set's sampling
error; `difference`: from the baseline, over the runs that both have; `missing`: cells not run yet."""
UTILITY = _columns(
    "task encoder arm baseline n runs accuracy baseline_accuracy kind utility utility_at_least "
    "utility_at_most utility_low utility_high low_is_bound high_is_bound n1 n1_at_least n1_at_most "
    "n1_low n1_high p_above p_below flags"
)
"""`utility` is empty unless measured; a bound stands in `utility_at_least` or `utility_at_most`."""
THROUGHPUT = _columns(
    "what task encoder arm seed images_per_second lower_quartile upper_quartile windows warm_up device "
    "precision layout threads batch steps images seconds peak_memory_bytes"
)
"""Images/s over timed windows (epochs, or stretches of steps where epochs are short)."""


def _frame(rows: Sequence[Row], columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(columns))
    return frame.astype({name: "Int64" for name in INTEGERS if name in columns})


def to_csv(frame: pd.DataFrame) -> bytes:
    """The frame as UTF-8 CSV with `\\n` line ends; the same frame gives the same bytes everywhere."""
    return frame.to_csv(index=False, lineterminator="\n", float_format="%.10g").encode()


def summary(results: Results) -> pd.DataFrame:
    """One row a task, encoder, arm and rung of the study, also where nothing has finished."""
    rows = [row for place in results.places for arm in results.arms for row in _arm_rows(results, place, arm)]
    return _frame(rows, SUMMARY)


def _intervals(runs: Runs, level: float) -> dict[int, MeanInterval]:
    return {item.n: item for item in mean_intervals(runs, level=level)} if runs else {}


def _arm_rows(results: Results, place: Place, arm: str) -> Iterable[Row]:
    study, records, runs = results.study, results.at(place, arm), results.arm_runs(place, arm)
    base = results.arm_runs(place, study.baseline)
    intervals = _intervals(runs, study.level)
    differences = _intervals(paired_differences(base, runs), study.level) if arm != study.baseline else {}
    for n in study.rungs:
        here = [record for record in records if record.cell.n == n]
        values = list(runs.get(n, {}).values())
        interval, difference = intervals.get(n), differences.get(n)
        count = next((record.test_count for record in here if record.test_count), None)
        test = wilson(interval.mean, count, level=study.level) if interval and count else (None, None)
        yield {
            "task": place.task,
            "encoder": place.encoder,
            "arm": arm,
            "n": n,
            "metric": results.metric(place.task),
            "mean": interval and interval.mean,
            "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            "low": interval and interval.low,
            "high": interval and interval.high,
            "runs": len(values),
            "draws": len({draw for draw, _ in runs.get(n, {})}),
            "seeds": len({seed for _, seed in runs.get(n, {})}),
            "failed": len(here) - len(values),
            "missing": len(study.runs) - len(here),
            "chance": results.chance(place.task),
            "test_count": count,
            "test_low": test[0],
            "test_high": test[1],
            "baseline": study.baseline,
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
    return _frame(rows, UTILITY)


def throughput(results: Results) -> pd.DataFrame:
    """One row a pretraining and a trained arm.

    The first window of each training is warm-up and left out where there are more; pretrainings taken from
    the cache are left out, as their time belongs to an earlier run.
    """
    rows = [_pretraining_row(results, item) for item in results.pretrainings if not item.cached]
    for place in results.places:
        rows += [_training_row(results, place, arm) for arm in results.arms]
    return _frame([row for row in rows if row is not None], THROUGHPUT)


def _pretraining_row(results: Results, item: PretrainingRecord) -> Row | None:
    if item.training is None:
        return None
    place, what = place_of(item.pretraining), item.pretraining
    row = {"what": "pretraining", "arm": what.pretext.name, "seed": what.seed}
    return row | _speed(results, place, [(item, item.training)])


def _training_row(results: Results, place: Place, arm: str) -> Row | None:
    done = [(item, item.training) for item in results.at(place, arm) if item.training is not None]
    return {"what": "training", "arm": arm, "seed": None} | _speed(results, place, done) if done else None


def rates(training: Training) -> tuple[list[float], bool]:
    """Images/s of each timed window, and whether a first one was left out as warm-up."""
    dropped = len(training.windows) > 1
    kept = training.windows[1:] if dropped else training.windows
    return [window.images / window.seconds for window in kept if window.seconds > 0], dropped


def _speed(results: Results, place: Place, done: Sequence[tuple[PretrainingRecord | Record, Training]]) -> Row:
    measured = [rates(training) for _, training in done]
    speeds = [rate for found, _ in measured for rate in found]
    quartiles = np.percentile(speeds, [25, 50, 75]).tolist() if speeds else [None] * 3
    entries = [run for run in results.runs if run.run in {record.run for record, _ in done}]
    peaks = [record.peak_memory for record, _ in done if record.peak_memory is not None]
    dropped = sum(left_out for _, left_out in measured)
    return {
        "task": place.task,
        "encoder": place.encoder,
        "images_per_second": quartiles[1],
        "lower_quartile": quartiles[0],
        "upper_quartile": quartiles[2],
        "windows": len(speeds),
        "warm_up": f"first window left out in {dropped} of {len(done)} trainings",
        "device": _listed(run.conditions.device for run in entries),
        "precision": _listed(_precision(run, place) for run in entries),
        "layout": _listed(training.layout for _, training in done),
        "threads": _listed(training.threads for _, training in done),
        "batch": _listed(training.batch for _, training in done),
        "steps": sum(training.steps for _, training in done),
        "images": sum(training.images for _, training in done),
        "seconds": sum(training.seconds for _, training in done),
        "peak_memory_bytes": max(peaks, default=None),
    }


def _precision(run: RunEntry, place: Place) -> str:
    """What `auto` stood for with this encoder, looked up by its label or bare name."""
    known = run.conditions.precision
    return known.get(place.encoder, known.get(place.encoder.partition("(")[0], "unknown"))


def _listed(values: Iterable[object]) -> str:
    """Distinct values in the order they appear; usually there is one."""
    return ", ".join(dict.fromkeys(str(value) for value in values))
