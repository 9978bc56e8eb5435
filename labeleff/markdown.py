"""Numbers and tables as the report prints them; nothing is rounded before it comes here."""

from __future__ import annotations

from collections.abc import Sequence

from labeleff.break_even import Crossing
from labeleff.utilities import UtilityPoint

OPEN = "…"
"""Stands for the end of an interval on a side where nothing was measured."""


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table padded to be read as text too; the first `left` columns are flush left."""
    cells = [[text.replace("|", "\\|") for text in row] for row in (header, *rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        padded = (
            text.ljust(width) if column < left else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = [":" + "-" * (w - 1) if c < left else "-" * (w - 1) + ":" for c, w in enumerate(widths)]
    return "\n".join([line(cells[0]), line(rule), *(line(row) for row in cells[1:])])


def count(value: float) -> str:
    """A label count: whole under 10,000 and thousands by commas, three significant digits above."""
    if value >= 10_000:
        digits = len(f"{value:.0f}") - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:,.0f}"


def percent(value: float | None) -> str:
    """A share in 0..1 as per cent with one decimal."""
    return "" if value is None else f"{100 * value:.1f}"


def ratio(value: float) -> str:
    """A utility: two decimals under 10, one under 100, none above."""
    size = abs(value)
    text = f"{value:.2f}" if size < 9.995 else f"{value:.1f}" if size < 99.95 else f"{value:,.0f}"
    return "0.00" if text == "-0.00" else text


def interval(low: float | None, high: float | None) -> str:
    """`[low, high]` of a utility; an end that wasn't measured is three dots."""
    ends = (OPEN if low is None else ratio(low), OPEN if high is None else ratio(high))
    return f"[{ends[0]}, {ends[1]}]"


def worth(point: UtilityPoint) -> str:
    """A utility or its bound, then its interval: `2.10 [1.20, 3.40]`, `>= 12.3 [9.80, …]`."""
    text = f"{'>=' if point.kind == 'above' else '<='} {ratio(point.bound)}" if point.bound is not None else ""
    if point.utility is not None:
        text = ratio(point.utility)
    return text if point.p_above is None else f"{text} {interval(point.low, point.high)}"


def break_even(crossing: Crossing | None) -> str:
    """A label count with its interval, or the end of the ladder that it lies beyond."""
    if crossing is None:
        return "not measured"
    if crossing.n is None:
        return f"{'> ' if crossing.kind == 'above' else '< '}{crossing.bound:,}"
    if crossing.low is None and crossing.high is None:
        return count(crossing.n)
    low = OPEN if crossing.low is None else count(crossing.low)
    high = OPEN if crossing.high is None else count(crossing.high)
    return f"{count(crossing.n)} [{low}, {high}]"
