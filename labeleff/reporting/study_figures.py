"""Figures that only a study's records have: pretraining, probes, agreement of ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from labeleff.reporting.figures import agreement as agreement_figures
from labeleff.reporting.figures import pretexts, style
from labeleff.reporting.figures import probes as probe_figures
from labeleff.reporting.measurements import Measurements, Place
from labeleff.reporting.place_figures import Draw
from labeleff.reporting.rank_agreement import Agreement
from labeleff.reporting.results import Results
from labeleff.reporting.sections import probes
from labeleff.study.names import short_names


def study_figures(
    results: Results, measured: Measurements, agreements: Sequence[Agreement]
) -> Mapping[str, Callable[[Place], Iterator[Draw]]]:
    """Drawing functions by kind (`place_figures.OF_STUDIES`), in the order of a place's section."""

    looks = _looks(results, measured)

    def learning_curves(place: Place) -> Iterator[Draw]:
        panels = pretexts.panels(results.pretrainings_at(place))
        if panels:
            yield partial(pretexts.learning_curves, panels, style.title(measured, place), looks)

    def of_probes(place: Place) -> Iterator[Draw]:
        curves = probes.curves(results, place)
        if curves:
            yield partial(probe_figures.figure, curves, style.title(measured, place), looks)

    def of_agreement(place: Place) -> Iterator[Draw]:
        for item in agreements:
            if item.place == place:
                setting = measured.settings[place]
                yield partial(agreement_figures.draw, item, style.title(measured, place), setting.quantity, looks)

    return {"pretexts": learning_curves, "probes": of_probes, "agreement": of_agreement}


def _looks(results: Results, measured: Measurements) -> dict[str, style.Style]:
    """Colour, marker and line of every pretext: those of its first arm."""
    names, by_arm = short_names(arm.pretext for arm in results.study.arms), style.styles_of_all(measured)
    arms = [(names[arm.pretext.label], name) for arm, name in zip(results.study.arms, results.arms, strict=True)]
    return {pretext: by_arm[name] for pretext, name in reversed(arms)}
