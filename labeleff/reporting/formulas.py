"""The baseline's curve by every single formula, with what speaks for and against each."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import special

from labeleff.curves.families import FAMILIES, FamilyFit, fit_family, needed
from labeleff.reporting.measured import Measured, Place


@dataclass(frozen=True)
class Formula:
    """One family fitted to the baseline's runs at one place."""

    place: Place
    family: str
    rungs: int
    fit: FamilyFit | None
    """None where there are fewer rungs than parameters."""
    df: int | None
    """Rungs over the number of parameters."""
    p_value: float | None
    """Of the chi-square test that the formula is right; None without measured noise, or with no rung to spare."""

    @property
    def reason(self) -> str | None:
        """Why there is no fit."""
        return None if self.fit else f"{needed(self.family)} parameters, and {self.rungs} label counts"


def formulas(measured: Measured) -> list[Formula]:
    """Every family at every place whose baseline has two rungs and accuracies in 0..1."""
    return [
        _fit(place, name, [(n, list(rung.values())) for n, rung in sorted(runs.items())])
        for place in measured.places
        if len(runs := measured.at(place, measured.baseline)) > 1
        and all(0 <= value <= 1 for rung in runs.values() for value in rung.values())
        for name in FAMILIES
    ]


def _fit(place: Place, name: str, rungs: list[tuple[int, list[float]]]) -> Formula:
    df = len(rungs) - needed(name)
    if df < 0:
        return Formula(place, name, len(rungs), None, None, None)
    ns, groups = zip(*rungs, strict=True)
    fit = fit_family(name, ns, groups, exact=False)
    tested = df > 0 and max(map(len, groups)) > 1
    return Formula(place, name, len(rungs), fit, df, float(special.chdtrc(df, fit.rss)) if tested else None)
