"""First sentences of a report: what an arm is worth, where it breaks even."""

from __future__ import annotations

from labeleff.curves.bounds import equivalent, worth
from labeleff.curves.break_even import Crossing
from labeleff.curves.utility import UtilityPoint
from labeleff.reporting.findings import Comparison
from labeleff.reporting.markdown import amount, count, extent, interval, ratio


def verdict(comparison: Comparison) -> str:
    """Describe an arm's utility at the rung where it is most certain, then its break-even point."""
    return f"{_utility_sentence(comparison)} {_break_even(comparison)}".strip()


def _most_certain(points: list[UtilityPoint]) -> UtilityPoint:
    """The point with the highest lower end of its interval; without intervals the one of the highest utility or bound.

    Beyond the ladder a lower end counts only up to the measured bound.
    """

    def merit(point: UtilityPoint) -> tuple[float, float]:
        value = point.utility if point.bound is None else point.bound
        assert value is not None
        low = -1.0 if point.low is None else point.low
        return (low if point.kind in ("inside", "below") else min(low, value), value)

    return max(points, key=merit)


def _utility_sentence(item: Comparison) -> str:
    point = _most_certain(item.points)
    if point.sign == 1 or (point.p_above is None and (point.utility or point.bound or 0) > 0):
        return f"At {point.n:,} labels, {item.arm} is worth {_gain(point, item.baseline)}"
    if point.p_above is None:
        return f"{item.arm} is worth no labels at any rung (one run a rung: without intervals)."
    if all(p.high is not None and p.high <= 0 for p in item.points) and any(p.sign == -1 for p in item.points):
        return f"{item.arm} costs labels: at no rung does the interval of its utility reach over 0."
    value = amount(worth(point), ratio)
    sign = "" if value.startswith(("<", ">")) else "= "
    return f"No rung shows beyond doubt that {item.arm} is worth anything; U {sign}{value} at {point.n:,} labels."


def _gain(point: UtilityPoint, baseline: str) -> str:
    """Describe a utility over 0; beyond the ladder with a model's value and the measured bound."""
    utility, labels = worth(point), equivalent(point)
    doubt = "" if utility.interval else " (one run a rung: without an interval)"
    within = f" {interval(utility, ratio)}" if utility.interval else ""
    work = f"{point.n:,} labels do the work of"
    if utility.value is not None and labels.value is not None and utility.shown == "point":
        return f"U = {ratio(utility.value)}{within}{doubt}: {work} {count(labels.value)}."
    assert utility.bound is not None
    assert labels.bound is not None
    last = f"{count(labels.bound)}, the last rung of {baseline}"
    if utility.shown == "at least":
        return f"at least U = {ratio(utility.bound)}{within}{doubt}: {work} over {last}."
    measured = f"measured is U >= {ratio(utility.bound)}, over {last}"
    if utility.value is not None and labels.value is not None and utility.shown == "extrapolated":
        tag = f" ({extent(utility)})"
        return f"U = {ratio(utility.value)}{within}{tag}{doubt}: {work} about {count(labels.value)}; {measured}."
    assert utility.low is not None
    assert labels.low is not None
    over = f"more than U = {ratio(utility.low)} ({extent(utility)}): {work} over {count(labels.low)}"
    never = f", and most curves that fit {baseline} never get there" if utility.kind == "above" else ""
    return f"{over}{never}; {measured}."


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
    """Clause to add where the arm's lead at the last rung isn't certain; empty where it is."""
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
