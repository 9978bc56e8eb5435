"""Courses of an arm over points of pretraining: along the shares of the steps, or along the numbers of images.

All points of a course are compared with the same runs of the baseline, as arms of one place would be, so that intervals
hold for all points and rungs of an arm together.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from labeleff.curves.joint_intervals import Gain, gains
from labeleff.curves.utility import arm_utilities
from labeleff.records.entries import PretrainingRecord
from labeleff.reporting.findings import Comparison, compare_arms
from labeleff.reporting.measurements import Measurements, Place
from labeleff.reporting.results import Results
from labeleff.study.pretraining_points import PretrainingPoint

Axis = Literal["steps", "images"]


@dataclass(frozen=True)
class Stop:
    """An arm at one point of pretraining."""

    point: PretrainingPoint
    place: Place
    comparison: Comparison
    """Its comparison with the baseline; `joint` and the mean's joint ends hold for the whole course."""
    steps: int | None
    """Steps of the pretraining up to the point, as done; None where it isn't recorded."""
    drawn: int | None
    """Images drawn up to the point, repetitions included."""
    seconds: float | None
    """Mean seconds of the pretraining up to the point over seeds, trials of tuning included."""


@dataclass(frozen=True)
class Course:
    """An arm along one axis of points, in rising order, of a task and an encoder."""

    axis: Axis
    home: Place
    """Place of the last point, by which the course is headed."""
    arm: str
    stops: Sequence[Stop]
    gains: Sequence[Gain]
    """What every stop adds to the one before, by the words of both."""

    def at(self, stop: Stop) -> float | None:
        """Where a stop lies on the axis: the share of the steps, or the number of images; None for all images."""
        if self.axis == "images":
            return None if stop.point.images is None else float(stop.point.images)
        return 1.0 if stop.point.share is None else stop.point.share

    def words(self, point: PretrainingPoint) -> str:
        """A point in words of the axis."""
        return point.share_words if self.axis == "steps" else point.images_words


def courses(results: Results, measured: Measurements) -> list[Course]:
    """Every arm with a pretext along the shares of the steps, then along the numbers of images, at the end of each."""
    points = results.study.points
    counts = dict.fromkeys(point.images for point in points)
    along: list[tuple[Axis, list[PretrainingPoint]]]
    along = [("steps", [point for point in points if point.images == images]) for images in counts]
    along.append(("images", [point for point in points if point.share is None]))
    return [one for axis, members in along if len(members) > 1 for one in _along(results, measured, axis, members)]


def _along(results: Results, measured: Measurements, axis: Axis, points: list[PretrainingPoint]) -> Iterator[Course]:
    study = results.study
    trained = [name for arm, name in zip(study.arms, study.arm_names, strict=True) if arm.pretext_plugin.trained]
    for task, labels, encoder in itertools.product(study.tasks, study.label_conditions, study.encoders):
        places = {point: Place(point.named(labels.named(task)).label, encoder.label) for point in points}
        for arm in trained:
            if arm != measured.baseline:
                yield from _course(results, measured, axis, arm, places)


def _course(
    results: Results, measured: Measurements, axis: Axis, arm: str, places: Mapping[PretrainingPoint, Place]
) -> Iterator[Course]:
    home = list(places.values())[-1]
    words = {(point.share_words if axis == "steps" else point.images_words): point for point in places}
    alone = _alone(measured, arm, home, {name: places[point] for name, point in words.items()})
    compared = {item.arm: item for item in compare_arms(alone)}
    stops = [
        _stop(results, places[point], arm, point, compared[name]) for name, point in words.items() if name in compared
    ]
    if len(stops) < 2:
        return
    curve = alone.baseline_curves[home]
    utilities = arm_utilities(curve, {name: alone.at(home, name) for name in compared}, level=measured.level)
    steps = gains(utilities, list(itertools.pairwise(compared)), min(curve.runs), level=measured.level)
    yield Course(axis, home, arm, stops, steps)


def _alone(measured: Measurements, arm: str, home: Place, places: Mapping[str, Place]) -> Measurements:
    """The baseline and one arm at several places, as arms of one place named by `places`."""
    base = measured.baseline
    runs = {(home, name): measured.at(place, arm) for name, place in places.items()}
    return replace(
        measured,
        settings={home: measured.settings[home]},
        arms=(base, *places),
        runs={(home, base): measured.at(home, base), **runs},
        failed={},
        summarised=frozenset(),
        run_numbers={},
        targets=(),
    )


def _stop(results: Results, place: Place, arm: str, point: PretrainingPoint, comparison: Comparison) -> Stop:
    keys = dict.fromkeys(record.pretraining for record in results.at(place, arm) if record.pretraining is not None)
    records = [results.encoders[key] for key in keys if key in results.encoders]
    trainings = [record.training for record in records if record.training is not None]
    return Stop(
        point=point,
        place=place,
        comparison=comparison,
        steps=trainings[0].steps if trainings else None,
        drawn=trainings[0].images if trainings else None,
        seconds=_seconds(records),
    )


def _seconds(records: Sequence[PretrainingRecord]) -> float | None:
    spent = [record.seconds for record in records if record.seconds is not None]
    return statistics.fmean(spent) if spent and len(spent) == len(records) else None
