"""Values and differences of compared quantities as text."""

from __future__ import annotations

from labeleff.reporting.markdown import ratio
from labeleff.study.quantities import Quantity


def scale(what: Quantity) -> str:
    """Heading of a quantity with its unit: `accuracy (%)`, `throughput (/s)`."""
    unit = "%" if what.percent else what.unit
    return f"{what.name} ({unit})" if unit else what.name


def value(what: Quantity, number: float) -> str:
    """Format a value: shares in percent with one decimal, utilities as in reports, speeds with three or more digits.

    Other scores, as R2 and correlations, have three decimals.
    """
    if what.name == "utility":
        return ratio(number)
    if what.unit == "tasks":
        return f"{number:.0f}"
    if what.relative:
        return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
    return f"{100 * number:.1f}" if what.percent else f"{number:.3f}"


def difference(what: Quantity, number: float) -> str:
    """Format a difference with its sign, in points, utility, tasks, or percent of BASE: `-3.5`, `+0.21`, `-10.2 %`.

    Scores that aren't shares differ by their own units: `+0.012`.
    """
    if what.name == "utility":
        text = ratio(number)
        return text if text.startswith("-") else f"+{text}"
    if what.unit == "tasks":
        return f"{_no_minus_zero(number):+.1f}".removesuffix(".0")
    if not (what.relative or what.percent):
        return f"{_no_minus_zero(number, 0.0005):+.3f}"
    return f"{_no_minus_zero(100 * number):+.1f}{' %' if what.relative else ''}"


def _no_minus_zero(number: float, half: float = 0.05) -> float:
    return 0.0 if abs(number) < half else number


def between(what: Quantity, low: float | None, high: float | None) -> str:
    """Format the interval of a difference; empty where there is none."""
    return "" if low is None or high is None else f"[{difference(what, low)}, {difference(what, high)}]"


def limit(what: Quantity, margin: float) -> str:
    """Format a margin: `±1.0`, `±5 %`."""
    if what.relative:
        return f"±{100 * margin:.3g} %"
    return f"±{100 * margin if what.percent else margin:.3g}"


def p_text(p_value: float | None) -> str:
    """Format a p value with two digits, never as 0; empty where nothing was tested."""
    if p_value is None:
        return ""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}" if p_value < 0.0995 else f"{p_value:.2f}"
