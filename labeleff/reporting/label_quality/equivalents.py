"""Labels with noise or imbalance in labels without: the same arm's curve under both, compared like two arms.

The curve of the arm with clean labels is the baseline's, so n1 is the number of clean labels with which the arm is as
accurate as with n noisy ones of the same draws and seeds.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace

from labeleff.reporting.findings import Comparison, compare_arms
from labeleff.reporting.measurements import Measurements, Place
from labeleff.reporting.results import Results
from labeleff.study.label_conditions import LabelCondition


@dataclass(frozen=True)
class Equivalent:
    """An arm under one condition of its labels, in labels of the condition that it is compared with."""

    place: Place
    """The condition's place."""
    reference: Place
    """The place whose labels are counted in."""
    arm: str
    condition: LabelCondition
    comparison: Comparison
    """The arm's comparison, whose `joint` intervals hold for all conditions and rungs of the arm together."""
    alone: Measurements
    """Accuracies of the arm at the reference, named by it, and under all conditions compared with it."""
    wrong: dict[int, float]
    """Mean share of wrong labels by label count, as measured; empty without noise."""

    @property
    def noisy(self) -> bool:
        """Whether the condition has noise that its reference lacks; else it has imbalance."""
        return self.condition.noise is not None

    @property
    def clean(self) -> str:
        """The labels that are counted in, in a word."""
        return "clean" if self.noisy else "balanced"


def reference(condition: LabelCondition) -> LabelCondition | None:
    """The condition that a condition is compared with: without its noise, else without imbalance; None for neither."""
    if condition.noise is not None:
        return condition.model_copy(update={"noise": None})
    return LabelCondition() if condition.imbalance is not None else None


def missing_references(results: Results) -> list[LabelCondition]:
    """Conditions to which others would be compared, and that the study hasn't got."""
    conditions = results.study.label_conditions
    wanted = [one for item in conditions if (one := reference(item)) is not None]
    return [one for one in dict.fromkeys(wanted) if one not in conditions]


def equivalents(results: Results, measured: Measurements) -> list[Equivalent]:
    """Every arm under every condition whose reference is measured, place by place; without a curve there is none."""
    return [*_equivalents(results, measured)]


def _equivalents(results: Results, measured: Measurements) -> Iterator[Equivalent]:
    study = results.study
    groups: dict[LabelCondition, list[LabelCondition]] = {}
    for item in study.label_conditions:
        if (one := reference(item)) is not None and one in study.label_conditions:
            groups.setdefault(one, []).append(item)
    for task in study.tasks:
        for encoder in study.encoders:
            for clean, others in groups.items():
                named = {item: study.points[-1].named(item.named(task)) for item in (clean, *others)}
                places = {item: Place(name.label, encoder.label) for item, name in named.items()}
                for arm in measured.arms:
                    yield from _arm(results, measured, arm, places)


def _arm(
    results: Results, measured: Measurements, arm: str, places: dict[LabelCondition, Place]
) -> Iterator[Equivalent]:
    """Compare an arm's conditions with the first one of `places`."""
    clean, *others = places
    alone = single(measured, arm, {item.words: place for item, place in places.items()})
    compared = {item.arm: item for item in compare_arms(alone)}
    for item in others:
        if item.words in compared:
            place = places[item]
            wrong = _wrong(results, place, arm)
            yield Equivalent(place, places[clean], arm, item, compared[item.words], alone, wrong)


def single(measured: Measurements, arm: str, places: dict[str, Place]) -> Measurements:
    """Accuracies of one arm alone at several places, as arms of the first place, which is the baseline's."""
    home = next(iter(places.values()))
    return replace(
        measured,
        settings={home: measured.settings[home]},
        arms=tuple(places),
        baseline=next(iter(places)),
        runs={(home, name): measured.at(place, arm) for name, place in places.items()},
        failed={},
        summarised=frozenset(),
        run_numbers={},
    )


def _wrong(results: Results, place: Place, arm: str) -> dict[int, float]:
    shares: dict[int, list[float]] = {}
    for record in results.at(place, arm):
        if record.wrong_labels is not None:
            shares.setdefault(record.cell.n, []).append(record.wrong_labels)
    return {n: statistics.fmean(values) for n, values in shares.items()}
