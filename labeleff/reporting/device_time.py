"""What arms take on their device, pretraining charged, and utility per device-hour; also as `device_time.csv`.

A run of a pretrained arm is charged the whole pretraining that it starts from, as it would cost whoever wants that one
network; the same encoder serves several cells of a study, which the plan and the clock know and this doesn't.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import TYPE_CHECKING

from labeleff.curves.reading import Reading, worth
from labeleff.durations import duration
from labeleff.record import Record
from labeleff.reporting.comparison import Comparison
from labeleff.reporting.findings import Findings
from labeleff.reporting.markdown import amount, money, table
from labeleff.reporting.outputs import Section
from labeleff.reporting.results import Results
from labeleff.reporting.tables import Row, columns, frame, to_csv

if TYPE_CHECKING:
    import pandas as pd

HOUR = 3600.0
COLUMNS = columns(
    "task encoder arm n pretraining_seconds cell_seconds device_hours utility_per_hour utility_per_hour_low "
    "utility_per_hour_high utility_per_hour_at_least utility_per_hour_at_most labels_saved_per_hour"
)
"""Seconds are means over finished runs, on one process or GPU; bounds as in utility.csv."""


def _pretraining_seconds(results: Results, cells: list[Record]) -> float | None:
    """Mean over cells of what their pretraining took, 0 where they start from none; None where it isn't known."""
    known = {item.key: item for item in results.pretrainings if item.status == "ok"}
    started = [known.get(cell.pretraining) for cell in cells if cell.pretraining is not None]
    if not cells or None in started:
        return None
    taken = [item.training.seconds for item in started if item is not None and item.training is not None]
    return sum(taken) / len(cells)


def _rows(results: Results, comparison: Comparison) -> Iterator[tuple[Row, Reading]]:
    """A row a rung, and the utility per hour that it prints."""
    place, arm = comparison.place, comparison.arm
    for point in comparison.points:
        cells = [cell for cell in results.at(place, arm) if cell.cell.n == point.n and cell.status == "ok"]
        seconds = [cell.seconds for cell in cells if cell.seconds is not None]
        before = _pretraining_seconds(results, cells)
        if before is None or not seconds or before + statistics.fmean(seconds) <= 0:
            continue
        hours = (before + statistics.fmean(seconds)) / HOUR
        reading = worth(point).mapped(lambda utility, hours=hours: utility / hours)  # type: ignore[misc]
        shown = reading.shown in ("point", "extrapolated")
        yield (
            {
                "task": place.task,
                "encoder": place.encoder,
                "arm": arm,
                "n": point.n,
                "pretraining_seconds": before,
                "cell_seconds": statistics.fmean(seconds),
                "device_hours": hours,
                "utility_per_hour": reading.value,
                "utility_per_hour_low": reading.low,
                "utility_per_hour_high": reading.high,
                "utility_per_hour_at_least": reading.bound if point.kind in ("extrapolated", "above") else None,
                "utility_per_hour_at_most": reading.bound if point.kind == "below" else None,
                "labels_saved_per_hour": reading.value * point.n if shown and reading.value is not None else None,
            },
            reading,
        )


def device_time(results: Results, findings: Findings) -> pd.DataFrame:
    """One row a rung of every arm that is compared with the baseline."""
    return frame([row for item in findings.comparisons for row, _ in _rows(results, item)], COLUMNS)


def to_files(results: Results, findings: Findings) -> dict[str, bytes]:
    """`device_time.csv`; nothing where no arm is compared."""
    found = device_time(results, findings)
    return {} if found.empty else {"device_time.csv": to_csv(found)}


def _cell(reading: Reading) -> str:
    """A gain an hour; where there is none, the quicker arm would only look worse."""
    number = reading.value if reading.shown in ("point", "extrapolated") else reading.bound
    if reading.shown == "lower limit":
        number = reading.low
    return "no gain" if number is None or number <= 0 else amount(reading, money)


def _line(rows: list[tuple[Row, Reading]], rungs: list[int]) -> list[str]:
    """Times and gains of an arm, a column a rung."""
    gains = {row["n"]: _cell(reading) for row, reading in rows}
    before = statistics.fmean(row["pretraining_seconds"] for row, _ in rows)
    cells = sorted(row["cell_seconds"] for row, _ in rows)
    spread = list(dict.fromkeys(duration(seconds) for seconds in (cells[0], cells[-1])))
    return [
        rows[0][0]["arm"],
        duration(before) if before else "–",
        " to ".join(spread),
        *(gains.get(n, "") for n in rungs),
    ]


def section(results: Results, findings: Findings) -> Section:
    """A table per place: what a run of every arm takes, and its utility per device-hour at each rung."""
    return Section([*_paragraphs(results, findings)], to_files(results, findings))


def _paragraphs(results: Results, findings: Findings) -> Iterator[str]:
    tables = []
    for place in results.ladders:
        found = [list(_rows(results, item)) for item in findings.comparisons if item.place == place]
        found = [rows for rows in found if rows]
        rungs = sorted({row["n"] for rows in found for row, _ in rows})
        if not found:
            continue
        if len(results.ladders) > 1:
            tables.append(f"{results.title(place)}:")
        header = ["arm", "pretraining", "a cell", *(f"n = {n:,}" for n in rungs)]
        tables.append(table(header, [_line(rows, rungs) for rows in found]))
    if not tables:
        return
    yield "## Utility per device-hour"
    yield from tables
    yield (
        "U(n) divided by the hours that one run takes on one process (or GPU), charged the whole pretraining that it "
        "starts from; *no gain* where U(n) isn't above 0. Intervals are those of U(n): the spread of times is left out."
    )
