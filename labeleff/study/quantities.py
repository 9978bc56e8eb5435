"""Quantities that two runs of a study are compared by: direction, scale and margin.

A subject is one such number: a quantity at a rung or over the whole ladder, of one arm at one place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from labeleff.catalogue.metrics import PUBLISHED, metric

ALL = "all tasks"
"""Name in place of a task where a number counts tasks."""


@dataclass(frozen=True)
class Quantity:
    """A kind of number that runs are compared by.

    `relative` quantities are compared as ratios: their differences, margins and bounds are shares of BASE, -0.05 for
    5 % less. The others are compared as they are.
    """

    name: str
    higher: bool
    """Whether higher is better."""
    margin: float
    """Half width within which differences count as none, unless a gate says otherwise."""
    relative: bool = False
    speed: bool = False
    """Whether it depends on the machine (speed, time, memory) and is compared on one machine only."""
    noise: float = 0.0
    """Standard deviation of ln from one start of the same code to the next, which one folder can't show."""
    unit: str = ""

    @property
    def sign(self) -> int:
        """Direction: 1 where higher is better, else -1."""
        return 1 if self.higher else -1

    @property
    def percent(self) -> bool:
        """Whether its values are shares, printed in percent, and its differences in points."""
        return not (self.relative or self.unit or self.name == "utility") and metric(self.name).percent

    @property
    def widest(self) -> float:
        """Largest difference of two values; inf where there is none, or none is known."""
        entry = PUBLISHED.get(self.name)
        return math.inf if entry is None or entry.open else abs(entry.best - entry.worst)


_QUANTITIES = (
    Quantity("accuracy", higher=True, margin=0.01),
    Quantity("error", higher=False, margin=0.01),
    Quantity("utility", higher=True, margin=0.2),
    Quantity("passed", higher=True, margin=0.5, unit="tasks"),
    Quantity("throughput", higher=True, margin=0.05, relative=True, speed=True, noise=0.015, unit="/s"),
    Quantity("time", higher=False, margin=0.10, relative=True, speed=True, noise=0.05, unit="s"),
    Quantity("memory", higher=False, margin=0.05, relative=True, speed=True, noise=0.015, unit="MiB"),
)
_BY_PROCESSOR = (
    Quantity("processor_throughput", higher=True, margin=0.05, relative=True, speed=True, noise=0.015, unit="/s"),
    Quantity("processor_time", higher=False, margin=0.10, relative=True, speed=True, noise=0.05, unit="s"),
)
"""Speeds by processor time, which a history has beside those by the clock; `compare` takes the former as the latter."""
KNOWN = {item.name: item for item in _QUANTITIES}
"""Quantities by name.

Accuracy and error in 0..1, utility U = n1/n - 1, tasks passed, images or stories per second, seconds per cell, MiB at
a cell's peak.
"""
SPEED = tuple(item.name for item in _QUANTITIES if item.speed)
"""Names of quantities that depend on the machine."""
LOWER = ("rmse", "mse", "mae", "loss", "error")
"""Endings of unknown metrics' names for which lower is better."""


def quantity(name: str) -> Quantity:
    """A quantity or a metric by name; of an unknown one higher is better unless its name ends as in LOWER.

    Metrics for which lower is better, without a worst value, have a scale that depends on the task, so they are
    compared as ratios.
    """
    if name in KNOWN:
        return KNOWN[name]
    if (found := next((item for item in _BY_PROCESSOR if item.name == name), None)) is not None:
        return found
    entry = PUBLISHED.get(name)
    lower = name.lower().endswith(LOWER) if entry is None else entry.lower
    relative = lower and (entry is None or math.isinf(entry.worst))
    return Quantity(name, higher=not lower, margin=0.02 if relative else 0.01, relative=relative)


@dataclass(frozen=True)
class Subject:
    """One number that both runs have."""

    metric: str
    n: int | None
    """Label count; None for the whole ladder, and for numbers without rungs."""
    arm: str
    """Name of an arm, or of a pretext where a pretraining is meant."""
    task: str
    """Full label."""
    encoder: str

    @property
    def name(self) -> str:
        """The quantity, rung and arm as a rule names them: `accuracy@500[rotation/finetune]`."""
        return f"{self.metric}{'' if self.n is None else f'@{self.n}'}[{self.arm}]"

    @property
    def place(self) -> str:
        """Task and encoder."""
        return ", ".join(text for text in (self.task, self.encoder) if text)
