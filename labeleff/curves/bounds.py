"""How a number got by inversion is presented: a point, an extrapolation, a limit or a bound.

Beyond FAR times the last rung an extrapolated point is too uncertain to be shown, and where most of the posterior's
curves never reach the target there is none: the interval's lower end is shown for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from labeleff.curves.inversion import FittedCurve, Inversion, Kind, Targets
from labeleff.curves.utility import FAR, UtilityPoint

Shown = Literal["point", "extrapolated", "lower limit", "at least", "at most"]
"""Part of a number that is shown: its value, measured or by a model; the interval's lower end; or a measured bound."""


@dataclass(frozen=True)
class Reading:
    """A label count, or what rises with it: a utility, an amount saved."""

    kind: Kind
    value: float | None
    """None for "above" and "below"."""
    bound: float | None
    """Measured bound where the number lies outside the ladder: at least this, for "below" at most; None inside."""
    low: float | None
    high: float | None
    """Ends of the interval; None: open on that side, or no interval at all."""
    interval: bool
    """Whether runs show noise, so that there is an interval."""
    factor: float | None
    """How many times the last rung an extrapolated label count is."""
    p_never: float | None
    """Share of a model's curves that never reach the target; None without a model or an interval."""

    def mapped(self, change: Callable[[float], float]) -> Reading:
        """The reading of `change` of this number, a function that rises."""
        value, bound, low, high = (
            None if number is None else change(number) for number in (self.value, self.bound, self.low, self.high)
        )
        return replace(self, value=value, bound=bound, low=low, high=high)

    @property
    def far(self) -> bool:
        """Whether the extrapolation goes too far for its point to be shown."""
        return self.factor is not None and self.factor > FAR

    @property
    def shown(self) -> Shown:
        """The part of the number to show."""
        if self.kind == "below":
            return "at most"
        if self.kind == "above" or self.far:
            return "lower limit" if self.p_never is not None and self.low is not None else "at least"
        return "extrapolated" if self.kind == "extrapolated" else "point"


def equivalent(point: UtilityPoint) -> Reading:
    """The baseline's label count n1 that equals n labels of the arm."""
    return Reading(
        kind=point.kind,
        value=point.n1,
        bound=point.n1_bound,
        low=point.n1_low,
        high=point.n1_high,
        interval=point.p_above is not None,
        factor=point.factor,
        p_never=point.p_never,
    )


def worth(point: UtilityPoint) -> Reading:
    """The utility n1/n - 1."""
    return equivalent(point).mapped(lambda n1: n1 / point.n - 1)


def multiplier(point: UtilityPoint) -> Reading:
    """The effective data multiplier n1/n = U(n) + 1 (Hernandez et al. 2021, Scaling Laws for Transfer)."""
    return equivalent(point).mapped(lambda n1: n1 / point.n)


def savings(point: UtilityPoint, per_label: float) -> Reading:
    """The price of the labels that the arm saves, n1 - n, at `per_label` each.

    At a price of 1 it is n U(n), the effective data transferred (Hernandez et al. 2021, Scaling Laws for Transfer).
    """
    return equivalent(point).mapped(lambda n1: (n1 - point.n) * per_label)


def label_counts(curve: FittedCurve, targets: Targets, level: float, *, models: bool) -> list[Reading]:
    """The label counts at which a curve reaches targets; `models` as of `label_count`."""
    first, last = curve.measured.first, curve.measured.last
    return [label_count(row, first, last, models=models) for row in curve.solve(targets, level).rows]


def label_count(row: Inversion, first: float, last: float, *, models: bool) -> Reading:
    """The label count at which a curve reaches a target.

    The curve is measured from `first` to `last` labels; `models` says whether its method models it beyond.
    """
    low, high = row.ends
    return Reading(
        kind=row.kind,
        value=row.value,
        bound=row.bound(first, last),
        low=low,
        high=high,
        interval=row.p_above is not None,
        factor=row.n / last if row.kind == "extrapolated" else None,
        p_never=row.p_above if models else None,
    )
