"""Figures that only a study's records have: pretraining, probes, agreement of ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from labeleff.reporting.figures import agreement as agreement_figures
from labeleff.reporting.figures import pretexts, style
from labeleff.reporting.figures import probes as probe_figures
from labeleff.reporting.measurements import Measurements, Place
from labeleff.reporting.rank_agreement import Agreement
from labeleff.reporting.results import Results
from labeleff.reporting.sections import probes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def study_figures(
    results: Results, measured: Measurements, agreements: Sequence[Agreement]
) -> Mapping[str, Callable[[Place], Iterator[Figure]]]:
    """Drawing functions by kind (`place_figures.OF_STUDIES`), in the order of a place's section."""

    def learning_curves(place: Place) -> Iterator[Figure]:
        figure = pretexts.learning_curves(results.pretrainings_at(place), style.title(measured, place))
        if figure is not None:
            yield figure

    def of_probes(place: Place) -> Iterator[Figure]:
        curves = probes.curves(results, place)
        if curves:
            yield probe_figures.figure(curves, style.title(measured, place))

    def of_agreement(place: Place) -> Iterator[Figure]:
        for item in agreements:
            if item.place == place:
                yield agreement_figures.draw(item, style.title(measured, place), measured.settings[place].quantity)

    return {"pretexts": learning_curves, "probes": of_probes, "agreement": of_agreement}
