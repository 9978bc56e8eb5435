"""Rows as Markdown tables and as CSV: theirs, ours, difference, why."""

from __future__ import annotations

from collections.abc import Sequence

from labeleff.reporting.markdown import table
from labeleff.reporting.report2021 import NAMES
from labeleff.reporting.tables import columns, frame, to_csv
from labeleff.reproduce.published import Unit
from labeleff.reproduce.rows import ReportRow

COLUMNS = columns("part what unit theirs theirs_to ours difference why")
"""`theirs_to`: the upper end where the report has a range; shares are in 0..1; missing values are empty cells."""
_WORDS = {"": "", "epoch": "", "ms": " ms", "s": " s", "min": " min"}


def number(value: float, unit: Unit) -> str:
    """A number as the report prints it: shares and losses with four decimals."""
    if unit == "epoch":
        return f"{value:.0f}"
    return f"{value:.4f}" if not unit else f"{value:,.3g}{_WORDS[unit]}"


def _theirs(row: ReportRow) -> str:
    low, high = (number(end, row.printed.unit) for end in row.printed.ends)
    return low if low == high else f"{low} to {high}"


def _difference(row: ReportRow) -> str:
    """Signed; of times how many times as fast, as they differ by orders of magnitude."""
    if row.ours is None or row.difference is None:
        return "–"
    unit = row.printed.unit
    if unit in ("ms", "s", "min"):
        return f"x{sum(row.printed.ends) / 2 / row.ours:,.3g} as fast" if row.ours else "–"
    return f"{'+' if row.difference >= 0 else '−'}{number(abs(row.difference), unit)}"


def _ours(row: ReportRow) -> str:
    return "–" if row.ours is None else number(row.ours, row.printed.unit)


def markdown(rows: Sequence[ReportRow]) -> str:
    """One line a row."""
    header = ["part", "what", "2021", "here", "difference", "why it may differ"]
    cells = [[r.printed.part, r.printed.what, _theirs(r), _ours(r), _difference(r), r.why] for r in rows]
    return table(header, cells, left=2, last=True)


def epochs(rows: Sequence[ReportRow]) -> str:
    """The rows of bAbI, one line an epoch: every number of 2021, ours, and the difference."""
    words = [name.replace("_", " ") for name in NAMES]
    header = ["epoch", *(f"{word}{what}" for word in words for what in (" 2021", " here", ": difference"))]
    lines = []
    for start in range(0, len(rows), len(NAMES)):
        group = rows[start : start + len(NAMES)]
        cells = [text for row in group for text in (_theirs(row), _ours(row), _difference(row))]
        lines.append([str(start // len(NAMES) + 1), *cells])
    return table(header, lines, left=0)


def to_bytes(rows: Sequence[ReportRow]) -> bytes:
    """All rows as CSV."""
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
