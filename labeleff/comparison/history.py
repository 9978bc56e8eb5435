"""One study over time: its headline numbers, run after run, in series of like conditions.

Numbers of unlike conditions are never joined: what was measured under other ones begins a series of its own, and where
a condition comes back, its series goes on.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labeleff.errors import OptionError, RecordError
from labeleff.records.conditions import Origin, table_changes
from labeleff.stats.change_points import ChangePoint, change_points
from labeleff.study.quantities import Quantity, Subject, quantity

STUDY = "study"
"""Name of the circumstance that what the study fixes is alike; its value is a hash."""
Circumstances = tuple[tuple[str, str], ...]
"""What must be equal for two values to stand in one series, by name."""


@dataclass(frozen=True)
class Value:
    """One headline number of one run."""

    value: float
    low: float | None
    """Ends of its interval, for speeds the quartiles; None where there is none."""
    high: float | None
    circumstances: Circumstances


@dataclass(frozen=True)
class Entry:
    """One run of the study, or one file of timings."""

    origin: Origin
    values: Mapping[Subject, Value]
    study: Mapping[str, Any] | None
    """The study as it was run; None for timings."""

    @property
    def when(self) -> datetime.datetime:
        """When it started; a time without a zone is taken as UTC. Raises RecordError for what is no time."""
        try:
            found = datetime.datetime.fromisoformat(self.origin.started)
        except ValueError as error:
            raise RecordError(
                f"{self.origin.name}: found the time {self.origin.started!r}, expected ISO 8601"
            ) from error
        return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Point:
    """One run's value in a series."""

    place: int
    """Of the run among all, by time, from 0."""
    origin: Origin
    value: Value


@dataclass(frozen=True)
class Series:
    """Values of one subject under the same circumstances, by time."""

    subject: Subject
    number: int
    """1 for the subject's first series, 2 for the next, ..."""
    points: tuple[Point, ...]
    changes: tuple[ChangePoint, ...]
    began: tuple[str, ...]
    """What is other than in the series before: `torch 2.14 -> 2.15`; empty for the first."""

    @property
    def quantity(self) -> Quantity:
        """The quantity's direction and scale."""
        return quantity(self.subject.metric)

    def better(self, change: ChangePoint) -> bool:
        """Whether a change was one for the better."""
        return (change.after > change.before) == self.quantity.higher


@dataclass(frozen=True)
class History:
    """All series, subject by subject, and the runs they come from, by time."""

    entries: list[Entry]
    series: list[Series]

    def of(self, metric: str) -> list[Series]:
        """The series of one quantity."""
        return [item for item in self.series if item.subject.metric == metric]

    def groups(self, metric: str, most: int) -> Iterator[list[Subject]]:
        """The subjects of one quantity, so many at a time; timings, which are of no task, by themselves."""
        subjects = list(dict.fromkeys(series.subject for series in self.of(metric)))
        for kind in (True, False):
            alike = [subject for subject in subjects if bool(subject.task) == kind]
            for first in range(0, len(alike), most):
                yield alike[first : first + most]

    @property
    def metrics(self) -> list[str]:
        """Quantities, in the order of the runs' own."""
        return list(dict.fromkeys(item.subject.metric for item in self.series))


def history(entries: Iterable[Entry]) -> History:
    """Put runs of one study in order of time and into series.

    Raises OptionError where they are of several studies or there is none, RecordError for a time that can't be read.
    """
    ordered = sorted(entries, key=lambda entry: entry.when)
    studies = list(dict.fromkeys(str(entry.study["name"]) for entry in ordered if entry.study is not None))
    if len(studies) > 1:
        raise OptionError(f"found runs of the studies {', '.join(studies)}, expected those of one study")
    subjects = dict.fromkeys(subject for entry in ordered for subject in entry.values)
    if not subjects:
        raise OptionError("found no finished number in any of the folders, expected one or more")
    return History(ordered, [series for subject in subjects for series in _series(subject, ordered)])


def _series(subject: Subject, entries: Sequence[Entry]) -> list[Series]:
    groups: dict[Circumstances, list[Point]] = {}
    for place, entry in enumerate(entries):
        if (value := entry.values.get(subject)) is not None:
            groups.setdefault(value.circumstances, []).append(Point(place, entry.origin, value))
    found: list[Series] = []
    for number, points in enumerate(groups.values(), start=1):
        changes = change_points([point.value.value for point in points])
        began = _began(found[-1].points[0], points[0], entries) if found else []
        found.append(Series(subject, number, tuple(points), tuple(changes), tuple(began)))
    return found


def _began(before: Point, after: Point, entries: Sequence[Entry]) -> list[str]:
    """What differs between the first points of two series; of the study by its keys."""
    old, new = dict(before.value.circumstances), dict(after.value.circumstances)
    differing = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    found = [f"{key} {old.get(key)} -> {new.get(key)}" for key in differing if key != STUDY]
    tables = [entries[point.place].study or {} for point in (before, after)]
    return found + (table_changes(*tables) if STUDY in differing else [])
