"""The log of a training: windows of time, learning curve, linear probes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field

from labeleff.catalogue.declaration import Frozen, Spec
from labeleff.study.probe_settings import Probe


class ProbePoint(Frozen):
    """One linear probe during a training."""

    step: int
    """Number of optimiser steps done; 0 is the untrained encoder."""
    epoch: float
    """Epoch, as in the learning curve."""
    value: float | None
    """The task's first metric in 0..1 on the held-out examples; None where predictions weren't finite numbers."""


class ProbeCurve(Frozen):
    """The probes of one encoder on one task, in the order of training."""

    task: str
    """Label of the task; tasks that share an encoder have one curve each."""
    data: str
    """SHA-256 of the task's arrays."""
    probe: Probe
    metric: str
    chance: float
    """Value of the best constant answer on the held-out examples, in 0..1."""
    encoder_sha256: str
    """SHA-256 of the encoder at the end of the curve."""
    points: list[ProbePoint]


def mean_curve(seeds: Sequence[ProbeCurve]) -> list[tuple[float, float]]:
    """Mean curve over seeds as (epoch, mean), where all seeds have a value."""
    points: dict[int, list[ProbePoint]] = {}
    for point in (point for curve in seeds for point in curve.points):
        points.setdefault(point.step, []).append(point)
    curve = []
    for _, group in sorted(points.items()):
        values = [point.value for point in group if point.value is not None]
        if len(values) == len(seeds):
            curve.append((group[0].epoch, statistics.fmean(values)))
    return curve


def tasks_without_curve(curves: Iterable[ProbeCurve], probe: Probe, tasks: Sequence[Spec]) -> list[Spec]:
    """The tasks that have no curve of this probe."""
    probed = {curve.task for curve in curves if curve.probe == probe}
    return [task for task in tasks if task.label not in probed]


def curves_of_probe(curves: Iterable[ProbeCurve], probe: Probe, tasks: Sequence[Spec]) -> list[ProbeCurve]:
    """The curves of this probe on these tasks."""
    labels = {task.label for task in tasks}
    return [curve for curve in curves if curve.probe == probe and curve.task in labels]


def merge_curves(old: Iterable[ProbeCurve], new: Sequence[ProbeCurve]) -> list[ProbeCurve]:
    """All curves, the new ones in place of old ones of the same task and probe."""
    replaced = {(curve.task, curve.probe) for curve in new}
    return [*(curve for curve in old if (curve.task, curve.probe) not in replaced), *new]


class Window(Frozen):
    """A timed stretch of training: an epoch, or several steps where epochs are shorter than 20 steps."""

    images: int
    seconds: float
    processor_seconds: float | None = None
    """Processor seconds of all threads of the process; with one thread at most about `seconds`."""


class Training(Frozen):
    """The course of a training, unprocessed, for throughput and learning curves."""

    steps: int
    batch: int
    images: int
    """Images drawn, repetitions included, with labels and without."""
    labelled: int | None = None
    """Those drawn with labels, where a protocol also sees images without; None: not counted apart."""
    seconds: float
    windows: list[Window]
    history: list[dict[str, float]] = Field(default_factory=list)
    """Learning curve: one entry per epoch (or window).

    An entry has `step`, `epoch`, `loss`, `accuracy` (of pixels, where they have labels), ...
    """
    layout: str = "contiguous"
    threads: int = 1
    slots: int = 1
    """Largest number of models that it was trained together with, itself included.

    Seconds are its share of theirs, so that images over seconds is the throughput of all of them.
    """
    packing: Literal["loop", "grouped", "vmap"] = "loop"
    """Way in which they were computed as one; with `loop` each is computed by itself."""
    backend: Literal["eager", "graph"] = "eager"
    """Whether a step was captured as a CUDA graph."""
    fallback: str | None = None
    """Reason why models weren't computed as one, or a step not captured, where that was tried."""


def until(training: Training, windows: int) -> Training:
    """The part of a training up to the end of its first windows."""
    kept = training.windows[:windows]
    images = sum(window.images for window in kept)
    step = round(training.steps * images / training.images)
    changes = {
        "steps": step,
        "images": images,
        "seconds": sum(window.seconds for window in kept),
        "windows": kept,
        "history": [entry for entry in training.history if entry.get("step", 0) <= step],
    }
    return training.model_copy(update=changes)


MIN_WINDOW = 20
"""Fewest steps in a window; a longer epoch is one window."""
MAX_WINDOWS = 100
"""Most windows in a training."""


def window_steps(steps: int, n: int, batch: int) -> int:
    """Number of steps in a window: an epoch of `n` examples, but at least MIN_WINDOW and at most MAX_WINDOWS windows.

    A remainder of under half of MIN_WINDOW or a tenth of a window joins the last window (see `window_ends`).
    """
    return max(round(n / batch), MIN_WINDOW, math.ceil(steps / MAX_WINDOWS))


def window_ends(done: int, steps: int, window: int) -> bool:
    """Whether a window ends after `done` of `steps` steps."""
    return done == steps or (done % window == 0 and steps - done >= max(MIN_WINDOW // 2, window // 10))


def count(steps: int, n: int, batch: int) -> int:
    """Number of windows in a training of `steps` steps."""
    window = window_steps(steps, n, batch)
    return sum(window_ends(done, steps, window) for done in (*range(window, steps, window), steps))
