"""Figures of a place, in the order in which its section shows them: a new one is one entry of FIGURES."""

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
    """What figures are drawn from."""

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
    drawn = pretexts.learning_curves(pretrainings, style.title(material.findings.measured, place))
    if drawn is not None:
        yield drawn


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
"""By the first part of their file names and their words in the report; METRIC stands for the metric's own name."""


def draw(material: Material) -> dict[Place, list[PlaceFigure]]:
    """All figures of every place, as far as there is something to draw."""
    measured = material.findings.measured
    drawn: dict[Place, list[PlaceFigure]] = {place: [] for place in measured.places}
    names: set[str] = set()
    for place, slug in slugs(measured).items():
        setting = measured.settings[place]
        for kind, figures_of in FIGURES.items():
            prefix, words = (_prefix(setting.metric), setting.told.words) if kind == METRIC else (kind, kind)
            for figure in figures_of(material, place):
                name = first_free(f"{prefix}-{slug}", names)
                names.add(name)
                drawn[place].append(PlaceFigure(name, words, figure))
    return drawn


def _prefix(metric: str) -> str:
    """What the name of a metric's figure begins with: no dash in it, and no other figure's."""
    name = plain(metric).strip("-").replace("-", "_")
    return name if name and name not in FIGURES else METRIC
