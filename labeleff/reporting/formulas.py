"""The baseline's curve by every single formula, with what speaks for and against each."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import special

from labeleff.curves.families import FormulaFit, fit_formula
from labeleff.curves.method_table import FORMULAS, parameters
from labeleff.reporting.measured import Measured, Place


@dataclass(frozen=True)
class FittedFormula:
    """One formula fitted to the baseline's runs at one place."""

    place: Place
    name: str
    rungs: int
    fit: FormulaFit | None
    """None where there are fewer rungs than parameters."""
    df: int | None
    """Rungs over the number of parameters."""
    p_value: float | None
    """Of the chi-square test that the formula is correct; None without measured noise, or with no rung to spare."""

    @property
    def reason(self) -> str | None:
        """Why there is no fit."""
        return None if self.fit else f"{parameters(self.name)} parameters, and {self.rungs} label counts"


def formulas(measured: Measured) -> list[FittedFormula]:
    """Every formula at every place whose baseline has two rungs and accuracies in 0..1."""
    return [
        _fit(place, name, [(n, list(rung.values())) for n, rung in sorted(runs.items())])
        for place in measured.places
        if len(runs := measured.at(place, measured.baseline)) > 1
        and all(0 <= value <= 1 for rung in runs.values() for value in rung.values())
        for name in FORMULAS
    ]


def _fit(place: Place, name: str, rungs: list[tuple[int, list[float]]]) -> FittedFormula:
    df = len(rungs) - parameters(name)
    if df < 0:
        return FittedFormula(place, name, len(rungs), None, None, None)
    ns, groups = zip(*rungs, strict=True)
    fit = fit_formula(name, ns, groups, exact=False)
    tested = df > 0 and max(map(len, groups)) > 1
    return FittedFormula(place, name, len(rungs), fit, df, float(special.chdtrc(df, fit.rss)) if tested else None)
