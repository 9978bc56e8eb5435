"""Accuracies by place, arm, label count and run, wherever they come from: what tables, figures and verdicts read.

A study's folder gives this view of itself (labeleff.reporting.results), and so does a table of runs measured elsewhere.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labeleff.catalogue.metrics import SCORE, Metric, metric
from labeleff.curves.method_table import rungs_needed
from labeleff.curves.rung_means import BASELINE, NoisyMeans, means_of_runs
from labeleff.curves.utility import BaselineCurve, check_runs
from labeleff.stats.differences import Differences, compare
from labeleff.stats.intervals import MeanInterval, mean_intervals
from labeleff.stats.resampling import Runs
from labeleff.study.prices import Cost


@dataclass(frozen=True)
class Place:
    """Task and encoder, by their full labels: what a section of the report is about; None where nothing names one."""

    task: str | None
    encoder: str | None = None

    def __str__(self) -> str:
        return ", ".join(name for name in (self.task, self.encoder) if name is not None)


@dataclass(frozen=True)
class Setting:
    """What the accuracies of one place are."""

    title: str
    """The place in few words."""
    rungs: tuple[int, ...]
    """Label counts in rising order."""
    metric: str = "accuracy"
    """As records have it."""
    chance: float | None = None
    """Chance level in 0..1."""
    test_count: int | None = None
    """Number of examples that the accuracies are of."""
    unit: str = "examples"
    """What is counted there, in the plural."""
    split: str | None = None
    """The split that they are of."""

    @property
    def told(self) -> Metric:
        """What is known of the metric."""
        return metric(self.metric)

    @property
    def sampled(self) -> int | None:
        """Number of independent test examples that the accuracies are shares of; None for metrics of pixels."""
        return self.test_count if self.told.of_examples else None

    @property
    def quantity(self) -> str:
        """What an axis or a heading says: `accuracy on the test split (%)`."""
        return f"{self.told.words}{f' on the {self.split} split' if self.split else ''} (%)"


def common(settings: Sequence[Setting]) -> Metric:
    """The metric of these settings, or what stands for several."""
    names = {setting.metric for setting in settings}
    return metric(names.pop()) if len(names) == 1 else SCORE


@dataclass(frozen=True)
class Measured:
    """Accuracies of arms at one place or several, with what is needed to compare them."""

    settings: Mapping[Place, Setting]
    """Every place, in order."""
    arms: tuple[str, ...]
    """Names of the arms, in order."""
    baseline: str
    """The arm that the others are measured against."""
    runs: Mapping[tuple[Place, str], Runs]
    """Accuracies by place and arm; rungs without a finished run are left out."""
    level: float
    """Probability that intervals are made for."""
    method: str
    """How the baseline's curve runs between its rungs."""
    design: str
    """How many runs a rung has and what they share, in words."""
    wanted: int | None = None
    """Runs that every rung should have; None where nobody said."""
    failed: Mapping[tuple[Place, str], Mapping[int, int]] = field(default_factory=dict)
    """Number of runs a rung that gave no accuracy."""
    shared: tuple[str, ...] = ("draw", "seed")
    """What runs of different arms have in common where its number is the same."""
    rehearsal: bool = False
    """The numbers mean nothing, and every figure says so."""
    targets: tuple[float, ...] = ()
    """Accuracies in 0..1 that labels are to be given for."""
    cost: Cost | None = None
    """Price of a label, where what is saved is to be given."""

    @property
    def places(self) -> list[Place]:
        """Every task with every encoder, in order."""
        return list(self.settings)

    def at(self, place: Place, arm: str) -> Runs:
        """Accuracy by label count and (draw, seed) of one arm; empty where it has none."""
        return self.runs.get((place, arm), {})

    def noisy(self, place: Place, arm: str) -> NoisyMeans:
        """The means of one arm with their noise, by the streams that stand for the arm everywhere."""
        return means_of_runs(self.at(place, arm), BASELINE if arm == self.baseline else arm)

    def asked(self, place: Place, arm: str) -> Sequence[int]:
        """Rungs to report on: all of the place where runs were wanted, else those that the arm has."""
        return self.settings[place].rungs if self.wanted is not None else sorted(self.at(place, arm))

    def arms_at(self, place: Place) -> list[str]:
        """Arms to report on at a place."""
        return [arm for arm in self.arms if self.asked(place, arm)]

    @property
    def told(self) -> Metric:
        """The metric of all places, or what stands for several."""
        return common(list(self.settings.values()))

    @property
    def size(self) -> int:
        """Runs a rung as wanted, else the most that any rung has."""
        found = (len(rung) for runs in self.runs.values() for rung in runs.values())
        return self.wanted if self.wanted is not None else max(found, default=0)

    @functools.cached_property
    def baseline_curves(self) -> Mapping[Place, BaselineCurve]:
        """The baseline's curve at every place where it has as many rungs as the method needs and it is asked for.

        Raises CurveError for accuracies that the method can't take.
        """
        found = {}
        for place in self.places:
            base = self.at(place, self.baseline)
            others = [runs for arm in self.arms if arm != self.baseline and (runs := self.at(place, arm))]
            if len(base) >= rungs_needed(self.method) and (others or self.targets):
                check_runs(base, others, self.method)
                found[place] = BaselineCurve.fit(base, self.method)
        return found

    @functools.cached_property
    def intervals(self) -> Mapping[tuple[Place, str], list[MeanInterval]]:
        """Means with their intervals, in rising order of label counts, by place and arm that has runs."""
        return {key: mean_intervals(runs, level=self.level) for key, runs in self.runs.items() if runs}

    @functools.cached_property
    def differences(self) -> Mapping[tuple[Place, str], Differences]:
        """Every other arm against the baseline, where both have runs."""
        return {
            (place, arm): compare(base, runs, level=self.level)
            for (place, arm), runs in self.runs.items()
            if arm != self.baseline and runs and (base := self.at(place, self.baseline))
        }
