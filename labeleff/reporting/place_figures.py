"""Figures of a place, in the order of its section.

A new kind of figure is one entry of FIGURES.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeleff.reporting.figures import accuracy as accuracy_figures
from labeleff.reporting.figures import agreement as agreement_figures
from labeleff.reporting.figures import pretexts, style, utility
from labeleff.reporting.figures import probes as probe_figures
from labeleff.reporting.findings import Findings
from labeleff.reporting.measurements import Place
from labeleff.reporting.output_files import first_free, plain, slugs
from labeleff.reporting.rank_agreement import Agreement
from labeleff.reporting.sections import probes
from labeleff.reporting.sections.accuracy_and_utility import PlaceFigure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from labeleff.reporting.results import Results


@dataclass(frozen=True)
class Material:
    """Input of all figures."""

    findings: Findings
    results: Results | None = None
    """The study's records; None for runs that were measured elsewhere."""
    agreements: Sequence[Agreement] = ()


def _accuracy(material: Material, place: Place) -> Iterator[Figure]:
    measured = material.findings.measured
    if any(measured.at(place, arm) for arm in measured.arms):
        yield accuracy_figures.accuracy(measured, place)


def _utility(material: Material, place: Place) -> Iterator[Figure]:
    comparisons = material.findings.at(place)
    if comparisons:
        yield utility.utility(material.findings.measured, comparisons)


def _pretexts(material: Material, place: Place) -> Iterator[Figure]:
    pretrainings = material.results.pretrainings_at(place) if material.results else []
    figure = pretexts.learning_curves(pretrainings, style.title(material.findings.measured, place))
    if figure is not None:
        yield figure


def _probes(material: Material, place: Place) -> Iterator[Figure]:
    curves = probes.curves(material.results, place) if material.results else {}
    if curves:
        yield probe_figures.figure(curves, style.title(material.findings.measured, place))


def _agreement(material: Material, place: Place) -> Iterator[Figure]:
    measured = material.findings.measured
    for item in material.agreements:
        if item.place == place:
            yield agreement_figures.draw(item, style.title(measured, place), measured.settings[place].quantity)


METRIC = "metric"
FIGURES: Mapping[str, Callable[[Material, Place], Iterator[Figure]]] = {
    METRIC: _accuracy,
    "utility": _utility,
    "pretexts": _pretexts,
    "probes": _probes,
    "agreement": _agreement,
}
"""Drawing functions by the first part of their file names, which is also the figure's name in the report.

METRIC stands for the name of the place's metric.
"""


def draw(material: Material) -> dict[Place, list[PlaceFigure]]:
    """Draw all figures of every place; kinds without data are left out."""
    measured = material.findings.measured
    by_place: dict[Place, list[PlaceFigure]] = {place: [] for place in measured.places}
    names: set[str] = set()
    for place, slug in slugs(measured).items():
        setting = measured.settings[place]
        for kind, figures_of in FIGURES.items():
            prefix, words = (_prefix(setting.metric), setting.metric_entry.words) if kind == METRIC else (kind, kind)
            for figure in figures_of(material, place):
                name = first_free(f"{prefix}-{slug}", names)
                names.add(name)
                by_place[place].append(PlaceFigure(name, words, figure))
    return by_place


def _prefix(metric: str) -> str:
    """Beginning of the file name of a metric's figure: without dashes, and different from every kind of FIGURES."""
    name = plain(metric).strip("-").replace("-", "_")
    return name if name and name not in FIGURES else METRIC
