"""The noise floor for people and programs."""

from __future__ import annotations

from collections.abc import Sequence

from labeleff.reporting.amounts import limit
from labeleff.reporting.markdown import table
from labeleff.reporting.tables import columns, frame, to_csv
from labeleff.tracking.noise_floor import SHARE, Floor, NoiseFloor, gate_table

COLUMNS = columns("quantity n numbers relative rms largest margin usual_margin start_sd")
"""`rms`, `largest`: of the differences between two runs, where `relative` of ln; `start_sd`: standard deviation of a
run."""


def _cells(item: Floor) -> list[str]:
    what = item.quantity
    size = [limit(what, number).removeprefix("±") for number in (item.rms, item.largest)]
    margin = limit(what, item.margin) if item.rms else "none: the same to the last digit"
    return [f"`{item.name}`", str(item.numbers), *size, margin, limit(what, what.margin)]


def rows(found: NoiseFloor) -> str:
    """A table of the floors."""
    header = [
        "quantity",
        "numbers",
        "two runs differ by (rms)",
        "at most",
        f"{100 * SHARE:g} % lie within",
        "usual margin",
    ]
    return table(header, [_cells(item) for item in found.floors])


def summary(found: NoiseFloor) -> str:
    """How many runs and alarms."""
    return (
        f"{found.runs} runs of the same study, {found.compared} comparisons of two: "
        f"{found.alarms} would have been called a regression"
    )


def document(found: NoiseFloor, names: Sequence[str]) -> str:
    """The report."""
    parts = [
        "# Noise floor",
        f"{summary(found)}.",
        "\n".join(f"- `{name}`" for name in names),
        rows(found),
        "Scores in points, utility in its own units, speeds in percent. Where two runs gave the same scores to the "
        "last digit, their seeds fix everything: noise between other seeds is what the spread over draws shows.",
        f"For the study:\n\n```toml\n{gate_table(found)}```",
    ]
    return "\n\n".join(parts) + "\n"


def as_csv(found: NoiseFloor) -> bytes:
    """One row a quantity and rung."""
    table_rows = [
        {
            "quantity": item.metric,
            "n": item.n,
            "numbers": item.numbers,
            "relative": item.quantity.relative,
            "rms": item.rms,
            "largest": item.largest,
            "margin": item.margin,
            "usual_margin": item.quantity.margin,
            "start_sd": item.start,
        }
        for item in found.floors
    ]
    return to_csv(frame(table_rows, COLUMNS))
