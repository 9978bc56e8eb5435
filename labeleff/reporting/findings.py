"""Everything that a report says of measured accuracies, computed once."""

from __future__ import annotations

from dataclasses import dataclass

from labeleff.reporting.comparison import Comparison, compare_arms
from labeleff.reporting.formulas import FittedFormula, formulas
from labeleff.reporting.measured import Measured, Place
from labeleff.reporting.targets import Needed, labels_needed


@dataclass(frozen=True)
class Findings:
    """Measured accuracies with what follows from them."""

    measured: Measured
    comparisons: list[Comparison]
    """Every other arm beside the baseline, place by place."""
    labels: list[Needed]
    """Labels for the accuracies asked for; empty where none was."""
    formulas: list[FittedFormula]
    """The baseline's curve by every single formula."""

    def at(self, place: Place) -> list[Comparison]:
        """The comparisons of one place."""
        return [item for item in self.comparisons if item.place == place]


def find(measured: Measured) -> Findings:
    """Raises CurveError for accuracies that the method can't take."""
    return Findings(measured, compare_arms(measured), labels_needed(measured), formulas(measured))
