"""History of a study: its headline numbers over time, in series of equal conditions.

Numbers of different conditions are never joined: those under new conditions begin a new series, and where conditions
come back, their series goes on.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labeleff.errors import OptionError, RecordError
from labeleff.records.conditions import Origin, table_changes
from labeleff.stats.change_points import ChangePoint, change_points
from labeleff.study.quantities import Quantity, Subject, quantity

STUDY = "study"
"""Name of the circumstance that stands for the study's own settings; its value is a hash."""
Circumstances = tuple[tuple[str, str], ...]
"""Names and values that must be equal for two numbers to stand in one series."""


@dataclass(frozen=True)
class Value:
    """Headline number of one run."""

    value: float
    low: float | None
    """Lower end of its interval, for speeds the lower quartile; None without noise."""
    high: float | None
    """Upper end of its interval, for speeds the upper quartile; None without noise."""
    circumstances: Circumstances


@dataclass(frozen=True)
class Entry:
    """Numbers of one run of the study, or of one file of timings."""

    origin: Origin
    values: Mapping[Subject, Value]
    study: Mapping[str, Any] | None
    """Table of the study as it was run; None for timings."""
    missing: int = 0
    """Number of the study's cells that failed or aren't there: its numbers rest on the others."""

    @property
    def when(self) -> datetime.datetime:
        """Time of its start; a time without a zone is taken as UTC. Raises RecordError for what is no time."""
        try:
            started = datetime.datetime.fromisoformat(self.origin.started)
        except ValueError as error:
            raise RecordError(
                f"{self.origin.name}: found the time {self.origin.started!r}, expected ISO 8601"
            ) from error
        return started if started.tzinfo else started.replace(tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Point:
    """Value of one run in a series."""

    run_index: int
    """Index of the run among all runs, by time, from 0."""
    origin: Origin
    value: Value


@dataclass(frozen=True)
class Series:
    """Values of one subject under the same circumstances, by time."""

    subject: Subject
    number: int
    """Number of the series: 1 for the subject's first, 2 for the next, ..."""
    points: tuple[Point, ...]
    changes: tuple[ChangePoint, ...]
    condition_changes: tuple[str, ...]
    """Differences from the series before: `torch 2.14 -> 2.15`; empty for the first."""

    @property
    def quantity(self) -> Quantity:
        """Quantity of the subject, with direction and scale."""
        return quantity(self.subject.metric)

    def better(self, change: ChangePoint) -> bool:
        """Whether a change of level was an improvement."""
        return (change.after > change.before) == self.quantity.higher

    def once_each(self, change: ChangePoint) -> bool:
        """Whether a change lies between two single measurements whose intervals overlap, or that have none.

        Runs of equal seeds often repeat to the last digit; they are one measurement then, however many there are.
        """
        cuts = [0, *(item.place for item in self.changes), len(self.points)]
        stretches = [[point.value for point in self.points[low:high]] for low, high in itertools.pairwise(cuts)]
        sides = stretches[(after := cuts.index(change.place)) - 1 : after + 1]
        if any(len({item.value for item in side}) > 1 for side in sides):
            return False
        lows, highs = [side[0].low for side in sides], [side[0].high for side in sides]
        ends = [end for end in (*lows, *highs) if end is not None]
        return len(ends) < 4 or max(ends[:2]) <= min(ends[2:])


@dataclass(frozen=True)
class History:
    """History: all series, subject by subject, and the runs they come from, by time."""

    entries: list[Entry]
    series: list[Series]

    def of(self, metric: str) -> list[Series]:
        """Series of one quantity."""
        return [item for item in self.series if item.subject.metric == metric]

    def groups(self, metric: str, most: int) -> Iterator[list[Subject]]:
        """Subjects of one quantity in groups of at most `most`; timings, which have no task, in groups of their own."""
        subjects = list(dict.fromkeys(series.subject for series in self.of(metric)))
        for kind in (True, False):
            same_kind = [subject for subject in subjects if bool(subject.task) == kind]
            for first in range(0, len(same_kind), most):
                yield same_kind[first : first + most]

    @property
    def metrics(self) -> list[str]:
        """Names of quantities, in the order in which the runs have them."""
        return list(dict.fromkeys(item.subject.metric for item in self.series))


def history(entries: Iterable[Entry]) -> History:
    """Sort runs of one study by time and divide their numbers into series; a run that is given again counts once.

    Raises OptionError where they are of several studies or there is none, RecordError for a time that can't be read.
    """
    once: dict[object, Entry] = {}
    for entry in entries:
        once.setdefault((entry.when, entry.origin.commit, tuple(entry.values.items())), entry)
    by_time = sorted(once.values(), key=lambda entry: entry.when)
    studies = list(dict.fromkeys(str(entry.study["name"]) for entry in by_time if entry.study is not None))
    if len(studies) > 1:
        raise OptionError(f"found runs of the studies {', '.join(studies)}, expected those of one study")
    subjects = dict.fromkeys(subject for entry in by_time for subject in entry.values)
    if not subjects:
        raise OptionError("found no finished number in any of the folders, expected one or more")
    return History(by_time, [series for subject in subjects for series in _series(subject, by_time)])


def _series(subject: Subject, entries: Sequence[Entry]) -> list[Series]:
    groups: dict[Circumstances, list[Point]] = {}
    for index, entry in enumerate(entries):
        if (value := entry.values.get(subject)) is not None:
            groups.setdefault(value.circumstances, []).append(Point(index, entry.origin, value))
    all_series: list[Series] = []
    for number, points in enumerate(groups.values(), start=1):
        changes = change_points([point.value.value for point in points])
        condition_changes = _condition_changes(all_series[-1].points[0], points[0], entries) if all_series else []
        all_series.append(Series(subject, number, tuple(points), tuple(changes), tuple(condition_changes)))
    return all_series


def _condition_changes(before: Point, after: Point, entries: Sequence[Entry]) -> list[str]:
    """Differences between the conditions of two points; for the study by its keys."""
    old, new = dict(before.value.circumstances), dict(after.value.circumstances)
    differing = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    texts = [f"{key} {old.get(key)} -> {new.get(key)}" for key in differing if key != STUDY]
    tables = [entries[point.run_index].study or {} for point in (before, after)]
    return texts + (table_changes(*tables) if STUDY in differing else [])
