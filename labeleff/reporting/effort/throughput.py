"""Speed of pretrainings and trained arms; utility per device-hour.

Both are also written, as `throughput.csv` and `device_time.csv`.

A run of a pretrained arm is charged the whole pretraining up to the step whose encoder it starts from: that is the cost
of one such network. In a study one encoder serves several cells, so the study itself takes less.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from labeleff.curves.bounds import Reading, worth
from labeleff.records.conditions import precision_of
from labeleff.records.entries import PretrainingRecord, Record
from labeleff.records.run_estimate import duration
from labeleff.records.training_log import Training
from labeleff.reporting import csv_tables
from labeleff.reporting.csv_tables import Row, columns, frame, to_csv
from labeleff.reporting.effort.charges import HOUR, charges
from labeleff.reporting.findings import Comparison, Findings
from labeleff.reporting.markdown import amount, money, table
from labeleff.reporting.measurements import Place
from labeleff.reporting.output_files import Section
from labeleff.reporting.results import Results, place_of
from labeleff.reporting.sections.accuracy_and_utility import DOUBT
from labeleff.study.names import short_names

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = columns(
    "task encoder arm n pretraining_seconds cell_seconds selection_seconds device_hours utility_per_hour "
    "utility_per_hour_low utility_per_hour_high utility_per_hour_at_least utility_per_hour_at_most "
    "labels_saved_per_hour assumption"
)
"""Seconds are means over finished runs, on one process or GPU; bounds and `assumption` as in utility.csv.

`selection_seconds`, only where labels are selected, are those of the rungs below: training, scoring the pool, choosing.
"""


def _rows(results: Results, comparison: Comparison) -> Iterator[tuple[Row, Reading]]:
    """One table row per rung, each with the utility per hour that the report prints."""
    place, arm = comparison.place, comparison.arm
    by_rung = charges(results, place, arm)
    for point in comparison.points:
        charge = by_rung.get(point.n)
        if charge is None:
            continue
        hours = charge.seconds / HOUR
        reading = worth(point).mapped(lambda utility, hours=hours: utility / hours)  # type: ignore[misc]
        shown = reading.shown in ("point", "extrapolated")
        yield (
            {
                "task": place.task,
                "encoder": place.encoder,
                "arm": arm,
                "n": point.n,
                "pretraining_seconds": charge.pretraining,
                "cell_seconds": charge.cell,
                "selection_seconds": charge.selection,
                "device_hours": hours,
                "utility_per_hour": reading.value,
                "utility_per_hour_low": reading.low,
                "utility_per_hour_high": reading.high,
                "utility_per_hour_at_least": reading.bound if point.kind in ("extrapolated", "above") else None,
                "utility_per_hour_at_most": reading.bound if point.kind == "below" else None,
                "labels_saved_per_hour": reading.value * point.n if shown and reading.value is not None else None,
                "assumption": "; ".join(comparison.doubts(point.n)),
            },
            reading,
        )


def device_time(results: Results, findings: Findings) -> pd.DataFrame:
    """Table of one row per rung of every arm that is compared with the baseline."""
    selected = any(arm.selected for arm in results.study.arms)
    names = [name for name in COLUMNS if selected or name != "selection_seconds"]
    return frame([row for item in findings.comparisons for row, _ in _rows(results, item)], names)


def to_files(results: Results, findings: Findings) -> dict[str, bytes]:
    """Content of `device_time.csv` by file name; empty where no arm is compared."""
    rows = device_time(results, findings)
    return {} if rows.empty else {"device_time.csv": to_csv(rows)}


def _cell(reading: Reading) -> str:
    """Format a gain per hour; no number where there is no gain, as a quicker arm would only look worse by it."""
    number = reading.value if reading.shown in ("point", "extrapolated") else reading.bound
    if reading.shown == "lower limit":
        number = reading.low
    return "no gain" if number is None or number <= 0 else amount(reading, money)


def _line(rows: list[tuple[Row, Reading]], rungs: list[int]) -> list[str]:
    """Times of an arm, then its gains with one column per rung."""
    gains = {row["n"]: f"{_cell(reading)}{DOUBT if row['assumption'] else ''}" for row, reading in rows}
    before = statistics.fmean(row["pretraining_seconds"] for row, _ in rows)
    cells = sorted(row["cell_seconds"] for row, _ in rows)
    spread = list(dict.fromkeys(duration(seconds) for seconds in (cells[0], cells[-1])))
    return [
        rows[0][0]["arm"],
        duration(before) if before else "–",
        " to ".join(spread),
        *(gains.get(n, "") for n in rungs),
    ]


def device_time_section(results: Results, findings: Findings) -> Section:
    """Section with a table per place: time of a run of every arm, and its utility per device-hour at each rung."""
    return Section([*_paragraphs(results, findings)], files=to_files(results, findings))


def _paragraphs(results: Results, findings: Findings) -> Iterator[str]:
    by_arm = [
        (item.place, list(_rows(results, item))) for item in findings.comparisons if item.place in results.ladders
    ]
    by_arm = [(place, rows) for place, rows in by_arm if rows]
    if not by_arm:
        return
    rungs = sorted({row["n"] for _, rows in by_arm for row, _ in rows})
    several = len({place for place, _ in by_arm}) > 1
    header = [*(["place"] if several else []), "arm", "pretraining", "a cell", *(f"n = {n:,}" for n in rungs)]
    lines = [[*([results.title(place)] if several else []), *_line(rows, rungs)] for place, rows in by_arm]
    yield "## Utility per device-hour"
    yield table(header, lines, left=2 if several else 1)
    yield (
        "U(n) divided by the hours that one run takes on one process (or GPU), charged the whole pretraining that it "
        "starts from; *no gain* where U(n) isn't above 0. Intervals are those of U(n): the spread of times is left out."
    )
    if any(arm.selected for arm in results.study.arms):
        yield (
            "A run whose labels were selected is charged the rungs below it too: their training, the scoring of the "
            "pool and the choices, which its labels rest on."
        )


THROUGHPUT = columns(
    "what task encoder arm seed images_per_second lower_quartile upper_quartile windows warm_up device "
    "precision layout threads batch steps images seconds peak_memory_bytes"
)
"""Images or stories per second over timed windows (epochs, or stretches of steps where epochs are short)."""


def throughput(results: Results) -> pd.DataFrame:
    """Table of one row per pretraining and per trained arm.

    The first window of each training is warm-up and left out where there are more; pretrainings taken from
    the cache are left out, as their time belongs to an earlier run.
    """
    names = short_names(item.pretraining.pretext for item in results.pretrainings)
    rows = [_pretraining_row(results, item, names) for item in results.pretrainings if not item.cached]
    once = {tuple(item.key for item in results.at(*key)): key for key in reversed(results.groups)}
    rows += [_training_row(results, place, arm) for place, arm in reversed(once.values())]
    return frame([row for row in rows if row is not None], THROUGHPUT)


def _pretraining_row(results: Results, item: PretrainingRecord, names: Mapping[str, str]) -> Row | None:
    if item.training is None:
        return None
    place, what = place_of(item.pretraining), item.pretraining
    row = {"what": "pretraining", "arm": names[what.pretext.label], "seed": what.seed}
    return row | _speed(results, place, [(item, item.training)])


def _training_row(results: Results, place: Place, arm: str) -> Row | None:
    done = [(item, item.training) for item in results.at(place, arm) if item.training is not None]
    return {"what": "training", "arm": arm, "seed": None} | _speed(results, place, done) if done else None


def rates(training: Training, *, processor: bool = False) -> tuple[list[float], bool]:
    """Examples per second of each window, and whether the first window was left out as warm-up.

    With `processor` by processor time, else by the wall clock.
    """
    warm_up = len(training.windows) > 1
    windows = training.windows[1:] if warm_up else training.windows
    amounts = [(window.images, window.processor_seconds if processor else window.seconds) for window in windows]
    return [images / seconds for images, seconds in amounts if seconds], warm_up


def _speed(results: Results, place: Place, done: Sequence[tuple[PretrainingRecord | Record, Training]]) -> Row:
    rates_and_warm_up = [rates(training) for _, training in done]
    speeds = [rate for each, _ in rates_and_warm_up for rate in each]
    quartiles = np.percentile(speeds, [25, 50, 75]).tolist() if speeds else [None] * 3
    entries = [run for run in results.runs if run.run in {record.run for record, _ in done}]
    peaks = [record.peak_memory for record, _ in done if record.peak_memory is not None]
    warm_ups = sum(warm_up for _, warm_up in rates_and_warm_up)
    return {
        "task": place.task,
        "encoder": place.encoder,
        "images_per_second": quartiles[1],
        "lower_quartile": quartiles[0],
        "upper_quartile": quartiles[2],
        "windows": len(speeds),
        "warm_up": f"first window left out in {warm_ups} of {len(done)} trainings",
        "device": _join(run.conditions.device for run in entries),
        "precision": _join(precision_of(run.conditions, place.encoder or "") for run in entries),
        "layout": _join(_layout(training) for _, training in done),
        "threads": _join(training.threads for _, training in done),
        "batch": _join(training.batch for _, training in done),
        "steps": sum(training.steps for _, training in done),
        "images": sum(training.images for _, training in done),
        "seconds": sum(training.seconds for _, training in done),
        "peak_memory_bytes": max(peaks, default=None),
    }


def _layout(training: Training) -> str:
    """Memory layout, and how many models were computed as one."""
    if training.slots == 1:
        return training.layout
    return f"{training.layout} ({training.slots} models as one: {training.packing}, {training.backend})"


def _join(values: Iterable[object]) -> str:
    """Join distinct values in the order they appear; usually there is one."""
    return ", ".join(dict.fromkeys(str(value) for value in values))


def throughput_section(results: Results) -> Section:
    """Section on the speeds of pretrainings and trained arms, with `throughput.csv`."""
    frame = throughput(results)
    return Section(details=[*_throughput(results, frame)], files={"throughput.csv": csv_tables.to_csv(frame)})


def _throughput(results: Results, frame: pd.DataFrame) -> Iterator[str]:
    cached = sum(item.cached for item in results.pretrainings)
    if frame.empty and not cached:
        return
    yield "## Throughput"
    unit = " or ".join(dict.fromkeys(results.about(place) for place, _ in results.groups))
    header = ["what", "encoder", f"{unit}/s, median [quartiles]", "windows", "device", "precision", "layout"]
    rows = []
    for row in frame.to_dict("records"):
        if not row["windows"]:
            continue
        speed = f"{row['images_per_second']:,.0f} [{row['lower_quartile']:,.0f}, {row['upper_quartile']:,.0f}]"
        seed = f", seed {row['seed']}" if isinstance(row["seed"], int) else ""
        peak = row["peak_memory_bytes"]
        rows.append(
            [f"{row['what']} {row['arm']}{seed}", row["encoder"], speed, f"{row['windows']}"]
            + [row[key] for key in ("device", "precision", "layout", "threads", "batch")]
            + [f"{peak / 2**20:,.0f}" if isinstance(peak, int) else "–"]
        )
    if rows:
        yield table([*header, "threads", "batch", "peak MiB"], rows, left=2)
    note = (
        "A window is an epoch, or a stretch of steps where epochs are short. The first window of a training is "
        "warm-up and left out where there are more."
    )
    yield note + (
        f" {cached} pretrained encoders came from the cache; their time belongs to an earlier run and is not shown."
        if cached
        else ""
    )
