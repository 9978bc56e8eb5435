"""Check of the baseline's curve: whether it passes through what was measured, and where it is interpolated."""

from __future__ import annotations

from collections.abc import Iterator

from labeleff.curves.model_average import AverageCurve
from labeleff.curves.posterior_curves import CHECK, interpolation_shares
from labeleff.reporting.markdown import table
from labeleff.reporting.measurements import Measurements, Place

LARGE = 0.5
"""Share of interpolation over which a rung between two would be worth more than runs at them."""


def curve_check(measured: Measurements, place: Place) -> Iterator[str]:
    """Table of the measured means in the bands of the curve, for the method that has bands; nothing for others."""
    curve = measured.baseline_curves.get(place)
    if curve is None or not isinstance(curve.fitted, AverageCurve):
        return
    fitted, average = curve.fitted, curve.fitted.average
    ns, setting = fitted.measured.ns, measured.settings[place]
    units, plural = setting.units, setting.metric_entry.plural
    shares = interpolation_shares(average, ns)
    outside = (fitted.measured.means < average.bands[:, 0]) | (fitted.measured.means > average.bands[:, 1])
    yield f"### Check of the curve of {measured.baseline}"
    means = [
        f"{units.text(mean)}{' (outside)' if out else ''}"
        for mean, out in zip(fitted.measured.means, outside, strict=True)
    ]
    bands = [" to ".join(map(units.text, units.in_order(max(low, 0.0), min(high, 1.0)))) for low, high in average.bands]
    gaps = [f"{100 * share:.0f} %" for share in shares]
    header = ["", *(f"n = {n:,.0f}" for n in ns)]
    yield table(
        header,
        [[f"measured{units.axis}", *means], [f"band{units.axis}", *bands], ["interpolated up to the next", *gaps, "–"]],
    )
    yield (
        f"The curve predicts that {100 * CHECK:g} % of such measurements have all {plural} in their bands, noise of "
        "the runs and scatter between rungs included. Interpolated is the share of the doubt half way to the next rung "
        f"that comes from the gap and not from the noise of both rungs.{_advice(list(ns), list(shares))}"
    )


def _advice(ns: list[float], shares: list[float]) -> str:
    wide = [
        f"{low:,.0f} and {high:,.0f}" for low, high, share in zip(ns, ns[1:], shares, strict=False) if share > LARGE
    ]
    return f" A rung between {'; '.join(wide)} labels would tell more there than further runs." if wide else ""
