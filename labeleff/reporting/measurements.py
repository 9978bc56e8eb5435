"""Accuracies by place, arm, label count, run: input of tables, figures, verdicts.

Other metrics are scores in 0..1 too, of which more is better; `Setting.units` maps them back to values for people.
They come from a study's folder (labeleff.reporting.results) or from a table of runs measured elsewhere
(labeleff.reporting.external).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labeleff.catalogue.metrics import SCORE, SHARES, Metric, Units, metric
from labeleff.curves.inversion import FittedCurve
from labeleff.curves.methods import rungs_needed
from labeleff.curves.rung_means import BASELINE, NoisyMeans, means_of_runs
from labeleff.curves.solvers import fit_curve
from labeleff.curves.utility import BaselineCurve, check_runs
from labeleff.reporting.figures.look import Look
from labeleff.stats.differences import Differences, compare
from labeleff.stats.intervals import MeanInterval, mean_intervals
from labeleff.stats.multiple_comparisons import GapToBest, tied_by_rung
from labeleff.stats.resampling import Run, Runs, fingerprint

if TYPE_CHECKING:
    from labeleff.study.prices import Cost


@dataclass(frozen=True)
class Place:
    """Task and encoder of a section, by their full labels; None where nothing names one."""

    task: str | None
    encoder: str | None = None

    def __str__(self) -> str:
        return ", ".join(name for name in (self.task, self.encoder) if name is not None)


@dataclass(frozen=True)
class Setting:
    """Description of the accuracies of one place."""

    title: str
    """Short name of the place."""
    rungs: tuple[int, ...]
    """Label counts in rising order."""
    metric: str = "accuracy"
    """Name of the metric, as in records."""
    chance: float | None = None
    """Score of guessing in 0..1."""
    test_count: int | None = None
    """Number of test examples behind each accuracy."""
    unit: str = "examples"
    """Word for test examples, in the plural."""
    split: str | None = None
    """Name of the split that was scored."""
    entry: Metric | None = None
    """The metric itself where the catalogue doesn't have one of that name; None where it has."""
    units: Units = SHARES
    """Units in which every table, figure and sentence gives the scores that are computed with."""
    noisy: bool = False
    """Whether training labels have noise."""

    @property
    def metric_entry(self) -> Metric:
        """The metric's words, range and direction."""
        return self.entry or metric(self.metric)

    @property
    def sampled(self) -> int | None:
        """Number of independent test examples that the accuracies are shares of; None for metrics of pixels."""
        return self.test_count if self.metric_entry.of_examples and self.units.percent else None

    @property
    def quantity(self) -> str:
        """Text of an axis or a heading: `accuracy on the test split (%)`."""
        return f"{self.metric_entry.words}{f' on the {self.split} split' if self.split else ''}{self.units.axis}"


def common(settings: Sequence[Setting]) -> Metric:
    """The metric that these settings share, or SCORE where they have several."""
    entries = {setting.metric_entry for setting in settings}
    return entries.pop() if len(entries) == 1 else SCORE


@dataclass(frozen=True)
class Measurements:
    """Accuracies of arms at one or more places, with all that comparing them needs."""

    settings: Mapping[Place, Setting]
    """Every place, in order."""
    arms: tuple[str, ...]
    """Names of the arms, in order."""
    baseline: str
    """Name of the arm that the others are compared with."""
    runs: Mapping[tuple[Place, str], Runs]
    """Accuracies by place and arm; rungs without a finished run are left out."""
    level: float
    """Probability of intervals, in 0..1."""
    method: str
    """Name of the method for the baseline's curve (labeleff.curves.methods)."""
    design: str
    """Number of runs per rung and what they share, in words."""
    planned_runs: int | None = None
    """Number of runs that every rung should have; None where no plan is known."""
    failed: Mapping[tuple[Place, str], Mapping[int, int]] = field(default_factory=dict)
    """Number of runs without an accuracy, by place and arm, then by label count."""
    shared: tuple[str, ...] = ("draw", "seed")
    """Kinds of numbers (draw, seed) whose equality means that runs of different arms share something."""
    rehearsal: bool = False
    """True where the numbers mean nothing; every figure then says so."""
    targets: tuple[float, ...] = ()
    """Target accuracies in 0..1, for which labels are reported."""
    cost: Cost | None = None
    """Price of a label; None where savings aren't reported."""
    headline: int | None = None
    """Label count named beforehand, whose utility opens the verdict; None: the mean over the ladder does."""
    summarised: frozenset[tuple[Place, str]] = frozenset()
    """Arms of a place that were given as means over runs: their `runs` are stand-ins, no measured run."""
    run_numbers: Mapping[tuple[Place, str], Mapping[tuple[int, Run], int]] = field(default_factory=dict)
    """Numbers that runs have in a table, by place and arm, then by label count and (draw, seed)."""
    look: Look = field(default_factory=Look)
    """How its figures are drawn."""

    @property
    def places(self) -> list[Place]:
        """Every task with every encoder, in order."""
        return list(self.settings)

    @property
    def names(self) -> set[str]:
        """Names of places, arms, tasks and encoders, which come from studies and tables of other people."""
        of_places = {text for place in self.places for text in (place.task, place.encoder, self.settings[place].title)}
        return {*self.arms, *self.look.names.values(), *(text for text in of_places if text is not None)}

    def at(self, place: Place, arm: str) -> Runs:
        """Accuracy by label count and (draw, seed) of one arm; empty where it has none."""
        return self.runs.get((place, arm), {})

    def noisy(self, place: Place, arm: str) -> NoisyMeans:
        """Means of one arm with their noise; an arm has the same random streams everywhere, whatever its name."""
        runs = self.at(place, arm)
        return means_of_runs(runs, BASELINE if arm == self.baseline else fingerprint(runs))

    def rungs_at(self, place: Place, arm: str) -> Sequence[int]:
        """Rungs to report on: all rungs of the place where runs were planned, else those that the arm has."""
        return self.settings[place].rungs if self.planned_runs is not None else sorted(self.at(place, arm))

    def arms_at(self, place: Place) -> list[str]:
        """Arms to report on at a place."""
        return [arm for arm in self.arms if self.rungs_at(place, arm)]

    @property
    def metric_entry(self) -> Metric:
        """The metric that all places share, or SCORE where they have several."""
        return common(list(self.settings.values()))

    @property
    def size(self) -> int:
        """Number of planned runs per rung; without a plan the largest number that any rung has."""
        counts = (len(rung) for runs in self.runs.values() for rung in runs.values())
        return self.planned_runs if self.planned_runs is not None else max(counts, default=0)

    def cost_at(self, place: Place) -> Cost | None:
        """Price of a label at a place, where one is known."""
        return None if self.cost is None else self.cost.where(noisy=self.settings[place].noisy)

    @functools.cached_property
    def baseline_curves(self) -> Mapping[Place, BaselineCurve]:
        """The baseline's curve at every place where it is needed and has as many rungs as the method takes.

        Raises CurveError for accuracies that the method can't take.
        """
        curves = {}
        for place in self.places:
            base = self.at(place, self.baseline)
            others = [runs for arm in self.arms if arm != self.baseline and (runs := self.at(place, arm))]
            if len(base) >= rungs_needed(self.method) and (others or self.targets):
                check_runs(base, others, self.method)
                curves[place] = BaselineCurve.fit(base, self.method)
        return curves

    def curve(self, place: Place, arm: str) -> FittedCurve:
        """An arm's curve; raises CurveError for fewer rungs than the method takes, or accuracies that it can't take."""
        if arm == self.baseline and place in self.baseline_curves:
            return self.baseline_curves[place].fitted
        return fit_curve(self.noisy(place, arm), self.method)

    @functools.cached_property
    def intervals(self) -> Mapping[tuple[Place, str], list[MeanInterval]]:
        """Means with intervals, in rising order of label counts, by place and arm; arms without runs are left out."""
        return {key: mean_intervals(runs, level=self.level) for key, runs in self.runs.items() if runs}

    @functools.cached_property
    def standings(self) -> Mapping[Place, Mapping[int, Mapping[str, GapToBest]]]:
        """How far every arm is behind the best of its rung, by place, label count and arm."""
        arms = {place: {arm: runs for arm in self.arms if (runs := self.at(place, arm))} for place in self.places}
        return {place: tied_by_rung(runs, level=self.level) for place, runs in arms.items()}

    @functools.cached_property
    def differences(self) -> Mapping[tuple[Place, str], Differences]:
        """Differences of every other arm from the baseline, where both have runs."""
        return {
            (place, arm): compare(base, runs, level=self.level)
            for (place, arm), runs in self.runs.items()
            if arm != self.baseline and runs and (base := self.at(place, self.baseline))
        }
