"""Linear probes during pretraining: what a study asks for, and the curves that come out."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from labeleff.cell import Frozen, Pretraining, Spec
from labeleff.errors import StudyError


class Probe(Frozen):
    """A linear probe of the encoder on detached features, again and again while a pretext trains it.

    It is fitted on `labels` examples of the training split and scored on `held_out` other ones of the same split,
    fixed for a task: the same for every pretext, seed and epoch. The pretext sees neither labels nor scores.
    """

    every: int = Field(default=1, ge=1)
    """Windows of the learning curve from one probe to the next: epochs, unless they are shorter than 20 steps or more
    than 100. The end is always probed."""
    labels: int = Field(default=500, ge=2)
    held_out: int = Field(default=1000, ge=1)

    @property
    def text(self) -> str:
        """`500 labels, 1,000 held out, every window`."""
        often = "every window" if self.every == 1 else f"every {self.every} windows"
        return f"{self.labels:,} labels, {self.held_out:,} held out, {often}"


@dataclass(frozen=True)
class ProbePlan:
    """What a study probes: by which probe, and every pretrained encoder on which tasks."""

    probe: Probe
    tasks: Mapping[str, tuple[Spec, ...]]
    """By key of the pretraining: all tasks that start from its encoder."""

    def tasks_of(self, pretraining: Pretraining) -> tuple[Spec, ...]:
        """The tasks on which the encoder of a pretraining is probed."""
        return self.tasks.get(pretraining.key, ())


class ProbePoint(Frozen):
    """One probe."""

    step: int
    """Optimiser steps done; 0 is the untrained encoder."""
    epoch: float
    """As in the learning curve."""
    value: float | None
    """The task's first metric in 0..1 on the held-out examples; None where predictions weren't finite numbers."""


class ProbeCurve(Frozen):
    """The probes of one encoder on one task, in the order of training."""

    task: str
    """The task's label. Tasks that share an encoder have a curve each."""
    data: str
    """SHA-256 of the task's arrays."""
    probe: Probe
    metric: str
    chance: float
    """The best constant answer's value on the held-out examples, in 0..1."""
    encoder_sha256: str
    """Of the encoder at the curve's end."""
    points: list[ProbePoint]


def mean_curve(seeds: Sequence[ProbeCurve]) -> list[tuple[float, float]]:
    """Epochs and means over seeds, where all seeds have a value."""
    points: dict[int, list[ProbePoint]] = {}
    for point in (point for curve in seeds for point in curve.points):
        points.setdefault(point.step, []).append(point)
    found = []
    for _, group in sorted(points.items()):
        values = [point.value for point in group if point.value is not None]
        if len(values) == len(seeds):
            found.append((group[0].epoch, statistics.fmean(values)))
    return found


def lacking(curves: Iterable[ProbeCurve], probe: Probe, tasks: Sequence[Spec]) -> list[Spec]:
    """The tasks that have no curve of this probe."""
    there = {curve.task for curve in curves if curve.probe == probe}
    return [task for task in tasks if task.label not in there]


def wanted(curves: Iterable[ProbeCurve], probe: Probe, tasks: Sequence[Spec]) -> list[ProbeCurve]:
    """The curves of this probe on these tasks."""
    labels = {task.label for task in tasks}
    return [curve for curve in curves if curve.probe == probe and curve.task in labels]


def merged(old: Iterable[ProbeCurve], new: Sequence[ProbeCurve]) -> list[ProbeCurve]:
    """All curves, the new ones in place of old ones of the same task and probe."""
    replaced = {(curve.task, curve.probe) for curve in new}
    return [*(curve for curve in old if (curve.task, curve.probe) not in replaced), *new]


def check_pool(probe: Probe, task: Spec, pool: int) -> None:
    """Raise StudyError where a training split of `pool` examples has too few of them."""
    if probe.labels + probe.held_out > pool:
        raise StudyError(
            f"probe: {probe.labels} labels and {probe.held_out} held-out examples asked for, but {task.label} has "
            f"{pool} training examples; lower probe.labels or probe.held_out"
        )
