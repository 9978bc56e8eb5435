"""Figures of a place, in the order of its section.

A new kind of figure is one entry of FIGURES.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from labeleff.reporting.figures import accuracy as accuracy_figures
from labeleff.reporting.figures import utility
from labeleff.reporting.figures.forest import APART
from labeleff.reporting.figures.style import BEST, MOST_ARMS
from labeleff.reporting.findings import Findings
from labeleff.reporting.measurements import Place
from labeleff.reporting.output_files import first_free, plain, slugs
from labeleff.reporting.sections.accuracy_and_utility import PlaceFigure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


Draw = Callable[[], "Figure"]
"""What draws a figure when it is wanted."""


@dataclass(frozen=True)
class Material:
    """Input of all figures."""

    findings: Findings
    further: Mapping[str, Callable[[Place], Iterator[Draw]]] = field(default_factory=dict)
    """Drawing functions of what only a study's records have, by kind, as in FIGURES."""


def _accuracy(material: Material, place: Place) -> Iterator[Draw]:
    measured = material.findings.measured
    if any(measured.at(place, arm) for arm in measured.arms):
        yield partial(accuracy_figures.accuracy, measured, place)


def _utility(material: Material, place: Place) -> Iterator[Draw]:
    comparisons = material.findings.at(place)
    if comparisons:
        yield partial(utility.utility, material.findings.measured, comparisons)


METRIC = "metric"
FIGURES: Mapping[str, Callable[[Material, Place], Iterator[Draw]]] = {
    METRIC: _accuracy,
    "utility": _utility,
}
"""Drawing functions by the first part of their file names, which is also the figure's name in the report.

METRIC stands for the name of the place's metric.
"""
OF_STUDIES = ("pretexts", "probes", "agreement")
"""Kinds of figures that a study adds."""


def figures(material: Material) -> dict[Place, list[PlaceFigure]]:
    """All figures of every place; kinds without data are left out."""
    measured = material.findings.measured
    by_place: dict[Place, list[PlaceFigure]] = {place: [] for place in measured.places}
    names: set[str] = set()
    for place, slug in slugs(measured).items():
        setting = measured.settings[place]
        for kind, drawings in _kinds(material, place):
            prefix, words = (_prefix(setting.metric), setting.metric_entry.words) if kind == METRIC else (kind, kind)
            for draw in drawings:
                name = first_free(f"{prefix}-{slug}", names)
                names.add(name)
                left_out = _left_out(material.findings, place) if kind in FIGURES else ""
                by_place[place].append(PlaceFigure(name, words, draw, left_out))
    return by_place


def _kinds(material: Material, place: Place) -> Iterator[tuple[str, Iterator[Draw]]]:
    """Figures of a place by kind."""
    shown, findings = material, material.findings
    if arms := findings.measured.look.arms:
        shown = replace(material, findings=findings.only(place, arms))
    elif (compared := len(findings.at(place))) > APART:
        shown = replace(material, findings=findings.best(place, BEST if compared > MOST_ARMS else compared))
    for kind, figures_of in FIGURES.items():
        yield kind, figures_of(shown, place)
    for kind, further_of in material.further.items():
        yield kind, further_of(place)


def _left_out(findings: Findings, place: Place) -> str:
    """Sentence on the arms that a place's figures leave out; empty where they leave out what was asked for, or none."""
    compared = len(findings.at(place))
    if compared <= MOST_ARMS or findings.measured.look.arms:
        return ""
    best = f"the {BEST} arms with the highest mean label ratio, of {compared:,}"
    return f"Figures in `figures/` show {best}; the tables have all."


def _prefix(metric: str) -> str:
    """Beginning of the file name of a metric's figure: without dashes, and different from every kind of FIGURES."""
    name = plain(metric).strip("-").replace("-", "_")
    return name if name and name not in (*FIGURES, *OF_STUDIES) else METRIC
