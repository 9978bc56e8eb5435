"""The report's first sentences: what an arm is worth, and where it stops paying."""

from __future__ import annotations

from labeleff.break_even import Crossing
from labeleff.comparison import Comparison
from labeleff.markdown import count, interval, ratio
from labeleff.utilities import UtilityPoint


def verdict(comparison: Comparison) -> str:
    """One arm against the baseline in words, at the rung where its worth is surest, then its break-even."""
    return f"{_worth(comparison)} {_break_even(comparison)}".strip()


def _surest(points: list[UtilityPoint]) -> UtilityPoint:
    """The rung with the highest lower end; without intervals the one of the highest utility or bound."""

    def merit(point: UtilityPoint) -> tuple[float, float]:
        value = point.utility if point.utility is not None else point.bound
        assert value is not None
        return (-1.0 if point.low is None else point.low, value)

    return max(points, key=merit)


def _worth(item: Comparison) -> str:
    point = _surest(item.points)
    within = "" if point.p_above is None else f" {interval(point.low, point.high)}"
    at = f"At {point.n:,} labels, {item.arm}"
    if point.sign == 1 or (point.p_above is None and (point.utility or point.bound or 0) > 0):
        doubt = "" if point.p_above is not None else " (one run a rung: without an interval)"
        if point.kind == "above" and point.bound is not None and point.n1_bound is not None:
            return (
                f"{at} is worth at least U = {ratio(point.bound)}{within}{doubt}: {point.n:,} labels do the work of "
                f"over {count(point.n1_bound)}, the last rung of {item.baseline}."
            )
        if point.utility is not None and point.n1 is not None:
            return (
                f"{at} is worth U = {ratio(point.utility)}{within}{doubt}: {point.n:,} labels do the work of "
                f"{count(point.n1)}."
            )
    if point.p_above is None:
        return f"{item.arm} is worth no labels at any rung (one run a rung: without intervals)."
    if all(p.high is not None and p.high <= 0 for p in item.points) and any(p.sign == -1 for p in item.points):
        return f"{item.arm} costs labels: at no rung does the interval of its utility reach over 0."
    value = (
        f"U = {ratio(point.utility)}" if point.utility is not None else f"U {_sided(point)} {ratio(point.bound or 0)}"
    )
    return f"No rung shows a worth of {item.arm} whose interval excludes 0; {value}{within} at {point.n:,} labels."


def _sided(point: UtilityPoint) -> str:
    return ">=" if point.kind == "above" else "<="


def _break_even(item: Comparison) -> str:
    crossing = item.crossing
    if crossing is None:
        return "Where it stops paying is not measured."
    if crossing.kind == "below":
        return f"No crossing inside the ladder: it is over {item.baseline} at no rung."
    if crossing.kind == "above":
        over = f"it is still over {item.baseline} at {crossing.bound:,} labels"
        return f"No crossing inside the ladder: {over}{_reservation(crossing, item)}."
    assert crossing.n is not None
    what = "It stops paying" if any(point.sign == 1 for point in item.points) else "The two curves cross"
    return f"{what} at about {count(crossing.n)} labels{_range(crossing)}."


def _reservation(crossing: Crossing, item: Comparison) -> str:
    """What to add where the arm's lead at the last rung might as well be none."""
    last = next((point for point in item.points if point.n == crossing.bound), None)
    if last is None or last.sign == 1 or last.p_above is None:
        return ""
    if crossing.low is not None and crossing.bound is not None and crossing.low < crossing.bound:
        return f", though break-even may be as low as {count(crossing.low)}"
    return ""


def _range(crossing: Crossing) -> str:
    if crossing.low is None and crossing.high is None:
        return ""
    low = "no measured lower end" if crossing.low is None else count(crossing.low)
    high = "no measured upper end" if crossing.high is None else count(crossing.high)
    return f" [{low} to {high}]"
