"""Rows of the report of 2021: its number, ours, the difference, and why."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labeleff.commands.reproduce.printed2021 import EPOCH_OF, TESTED, WANTED_EPOCHS, WEIGHTS, Printed, Unit
from labeleff.records.entries import PretrainingRecord, Record
from labeleff.records.training_log import Training
from labeleff.reporting.csv_tables import columns, frame, to_csv
from labeleff.reporting.effort.throughput import rates
from labeleff.reporting.markdown import table
from labeleff.reporting.results import Results
from labeleff.reporting.sections.stories import NAMES
from labeleff.scheduling.speeds import reads_stories

PartRecord = Record | PretrainingRecord
SHORT = 0.95
"""Share of the report's epochs below which a row says how many were trained."""


@dataclass(frozen=True)
class ReportRow:
    """One number of the report beside ours, which is None where there is none."""

    printed: Printed
    ours: float | None
    why: str

    @property
    def difference(self) -> float | None:
        """Our number minus theirs; from the nearer end of a range, 0 inside it."""
        if self.ours is None:
            return None
        low, high = self.printed.ends
        return self.ours - low if self.ours < low else max(self.ours - high, 0.0)


def by_part(results: Results) -> dict[str, PartRecord]:
    """Assign records, finished or failed, to the parts of the report."""
    records: dict[str, PartRecord] = {}
    for record in results.cells:
        records[_part(record)] = record
    for item in results.pretrainings:
        records["B1"] = item
    return records


def _part(record: Record) -> str:
    cell = record.cell
    if reads_stories(cell.task):
        return "bAbI"
    if cell.protocol.name != "joint":
        return "A" if cell.pretext.name == "scratch" else "B2"
    weights = (cell.protocol.options["class_weight"], cell.protocol.options["rotation_weight"])
    return next((part for part, values in WEIGHTS.items() if values == weights), "")


def rows(printed: Sequence[Printed], results: Results) -> list[ReportRow]:
    """Make a row for every printed number, in order."""
    records = by_part(results)
    return [_row(one, records, results) for one in printed]


def _row(printed: Printed, records: dict[str, PartRecord], results: Results) -> ReportRow:
    if printed.part == "all":
        minutes = _minutes(list(records.values())) if len(records) == len(WANTED_EPOCHS) else None
        alone = "training alone, for as many epochs as the rows above say"
        return ReportRow(printed, minutes, alone if minutes is not None else "not every part was trained in these runs")
    run = records.get(printed.part)
    if run is None:
        return ReportRow(printed, None, "not measured yet")
    if run.status != "ok" or run.training is None:
        return ReportRow(printed, None, f"failed: {run.reason}")
    if printed.unit in ("ms", "s") and isinstance(run, PretrainingRecord) and run.cached:
        return ReportRow(
            printed, None, "the pretrained encoder came from the cache: its time belongs to an earlier run"
        )
    ours = value(printed, run, run.training)
    if ours is None:
        return ReportRow(printed, None, "its record has no such number")
    note = f"on {_device(run, results)}" if printed.unit in ("ms", "s") else _short(printed.part, run.training)
    return ReportRow(printed, ours, "; ".join(text for text in (note, printed.why) if text))


def _short(part: str, training: Training) -> str:
    """Say how long a part was trained, where that is less than in the report."""
    epochs, published = training.history[-1]["epoch"], WANTED_EPOCHS[part]
    return "" if epochs >= SHORT * published else f"{epochs:.2g} of the report's {published} epochs"


def _device(run: PartRecord, results: Results) -> str:
    entry = next(entry for entry in results.runs if entry.run == run.run)
    threads = run.training.threads if run.training is not None else 1
    device = entry.conditions.device
    return f"{device}, {threads} thread{'s' if threads != 1 else ''}" if device == "cpu" else device


def _minutes(records: Sequence[PartRecord]) -> float | None:
    """Sum the training time of all parts in minutes; None where one wasn't trained in this run."""
    if any(run.training is None or (isinstance(run, PretrainingRecord) and run.cached) for run in records):
        return None
    return sum(run.training.seconds for run in records if run.training is not None) / 60


def value(printed: Printed, run: PartRecord, training: Training) -> float | None:
    """Find our value for a printed number; None where the records don't have it."""
    name, _, epoch = printed.ours.partition("@")
    if epoch:
        return training.history[int(epoch) - 1].get(name) if len(training.history) >= int(epoch) else None
    if name in VALUES:
        return VALUES[name](printed.part, run, training)
    return training.history[-1].get(name)


def _metric(part: str, run: PartRecord, training: Training) -> float | None:  # noqa: ARG001
    return run.metrics.get("accuracy") if isinstance(run, Record) else None


def _test_loss(part: str, run: PartRecord, training: Training) -> float | None:  # noqa: ARG001
    return run.test_loss if isinstance(run, Record) else None


def _best(training: Training) -> dict[str, float] | None:
    name = "heldout_rotation_accuracy"
    entries = [entry for entry in training.history if name in entry]
    return max(entries, key=lambda entry: entry[name], default=None)


def _best_accuracy(part: str, run: PartRecord, training: Training) -> float | None:  # noqa: ARG001
    best = _best(training)
    return None if best is None else best["heldout_rotation_accuracy"]


def _best_epoch(part: str, run: PartRecord, training: Training) -> float | None:  # noqa: ARG001
    best = _best(training)
    return None if best is None else float(round(best["epoch"]))


def _rate(training: Training) -> float | None:
    """Median images or stories per second, without the first window."""
    speeds, _ = rates(training)
    return statistics.median(speeds) if speeds else None


def _step_time(part: str, run: PartRecord, training: Training) -> float | None:  # noqa: ARG001
    rate = _rate(training)
    return rate and 1000 * training.batch / rate


def _epoch_time(part: str, run: PartRecord, training: Training) -> float | None:  # noqa: ARG001
    rate = _rate(training)
    return rate and EPOCH_OF[part] / rate


def _test_time(part: str, run: PartRecord, training: Training) -> float | None:  # noqa: ARG001
    """Scale the seconds of scoring to as many images as the report had."""
    if not isinstance(run, Record) or run.test_seconds is None or not run.test_count:
        return None
    return run.test_seconds * TESTED / run.test_count


VALUES: dict[str, Callable[[str, PartRecord, Training], float | None]] = {
    "test_accuracy": _metric,
    "test_loss": _test_loss,
    "best_rotation_accuracy": _best_accuracy,
    "best_rotation_epoch": _best_epoch,
    "step_ms": _step_time,
    "epoch_s": _epoch_time,
    "test_s": _test_time,
}
"""Functions of the values that aren't the last entry of the learning curve, by name."""


COLUMNS = columns("part what unit theirs theirs_to ours difference why")
"""Columns of `rows.csv`. `theirs_to` is the upper end of a range; shares are in 0..1; missing values are empty."""
_WORDS = {"": "", "epoch": "", "ms": " ms", "s": " s", "min": " min"}


def number(value: float, unit: Unit) -> str:
    """Write a number as the report prints it: shares and losses with four decimals."""
    if unit == "epoch":
        return f"{value:.0f}"
    return f"{value:.4f}" if not unit else f"{value:,.3g}{_WORDS[unit]}"


def _theirs(row: ReportRow) -> str:
    low, high = (number(end, row.printed.unit) for end in row.printed.ends)
    return low if low == high else f"{low} to {high}"


def _difference(row: ReportRow) -> str:
    """Write the signed difference; for times, which differ by orders of magnitude, how many times as fast."""
    if row.ours is None or row.difference is None:
        return "–"
    unit = row.printed.unit
    if unit in ("ms", "s", "min"):
        return f"x{sum(row.printed.ends) / 2 / row.ours:,.3g} as fast" if row.ours else "–"
    return f"{'+' if row.difference >= 0 else '−'}{number(abs(row.difference), unit)}"


def _ours(row: ReportRow) -> str:
    return "–" if row.ours is None else number(row.ours, row.printed.unit)


def markdown(rows: Sequence[ReportRow]) -> str:
    """Write a Markdown table, one line per row."""
    header = ["part", "what", "2021", "here", "difference", "why it may differ"]
    cells = [[r.printed.part, r.printed.what, _theirs(r), _ours(r), _difference(r), r.why] for r in rows]
    return table(header, cells, left=2, last=True)


def epochs(rows: Sequence[ReportRow]) -> str:
    """Write the rows of bAbI, one line per epoch: every number of 2021, ours, and the difference."""
    words = [name.replace("_", " ") for name in NAMES]
    header = ["epoch", *(f"{word}{what}" for word in words for what in (" 2021", " here", ": difference"))]
    lines = []
    for start in range(0, len(rows), len(NAMES)):
        group = rows[start : start + len(NAMES)]
        cells = [text for row in group for text in (_theirs(row), _ours(row), _difference(row))]
        lines.append([str(start // len(NAMES) + 1), *cells])
    return table(header, lines, left=0)


def to_bytes(rows: Sequence[ReportRow]) -> bytes:
    """Write all rows as CSV."""
    lines = []
    for row in rows:
        low, high = row.printed.ends
        lines.append(
            {
                "part": row.printed.part,
                "what": row.printed.what,
                "unit": row.printed.unit,
                "theirs": low,
                "theirs_to": None if low == high else high,
                "ours": row.ours,
                "difference": row.difference,
                "why": row.why,
            }
        )
    return to_csv(frame(lines, COLUMNS))
