"""How a number got by inversion is to be read: as a point, an extrapolation, a lower limit, or a bound.

Beyond FAR times the last rung an extrapolated point is too uncertain to be given, and where most of the posterior's
curves never reach the target there is none: the interval's lower end stands for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from labeleff.curves.inversion import Inversion, Kind
from labeleff.curves.utility import FAR, UtilityPoint

Shown = Literal["point", "extrapolated", "lower limit", "at least", "at most"]
"""What is given of it: the value with its interval, measured or by a model; the interval's lower end; what was measured
where nothing else is known."""


@dataclass(frozen=True)
class Reading:
    """A label count, or what rises with it: a utility, an amount saved."""

    kind: Kind
    value: float | None
    """None for "above" and "below"."""
    bound: float | None
    """What was measured of it where it lies outside the ladder: at least this, for "below" at most; None inside."""
    low: float | None
    high: float | None
    """None: open on that side, or no interval at all."""
    interval: bool
    """Runs show noise, so that ends can be given."""
    factor: float | None
    """How many times the last rung an extrapolated label count is."""
    p_never: float | None
    """Share of a model's curves that never reach the target; None without a model or an interval."""

    def mapped(self, change: Callable[[float], float]) -> Reading:
        """The same of a number that rises with this one."""
        value, bound, low, high = (
            None if number is None else change(number) for number in (self.value, self.bound, self.low, self.high)
        )
        return replace(self, value=value, bound=bound, low=low, high=high)

    @property
    def far(self) -> bool:
        """The extrapolation goes too far for its point to be given."""
        return self.factor is not None and self.factor > FAR

    @property
    def shown(self) -> Shown:
        """What is to be given."""
        if self.kind == "below":
            return "at most"
        if self.kind == "above" or self.far:
            return "lower limit" if self.p_never is not None and self.low is not None else "at least"
        return "extrapolated" if self.kind == "extrapolated" else "point"


def equivalent(point: UtilityPoint) -> Reading:
    """The baseline's labels n1 that do the work of the arm's n."""
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


def saved(point: UtilityPoint, per_label: float) -> Reading:
    """What the labels that the arm saves would have cost."""
    return equivalent(point).mapped(lambda n1: (n1 - point.n) * per_label)


def inverted(row: Inversion, first: float, last: float, *, models: bool) -> Reading:
    """Labels at which a curve measured from `first` to `last` reaches a target; `models` beyond it or not."""
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
