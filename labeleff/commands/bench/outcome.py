"""Measured speeds: raw values, derived ones, and the numbers of the report of 2021."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from labeleff.commands.bench.request import BATCHES, Part, Work
from labeleff.commands.reproduce.printed2021 import (
    IMAGES,
    LABELS,
    PRETRAINED_ON,
    STORIES,
    TESTED,
    THROUGHPUT,
    Printed,
)

EPOCH: dict[Part, int] = {
    "rotation": PRETRAINED_ON,
    "finetune": LABELS,
    "joint": IMAGES,
    "evaluation": TESTED,
    "reading": STORIES,
}
"""Examples of an epoch in the report of 2021."""
_PRINTED: dict[Part, str] = {"rotation": "B1", "finetune": "A", "joint": "C2", "evaluation": "A", "reading": "bAbI"}
_NETWORKS = {"mobilenet_v2", "memnet"}
"""Encoders of the report of 2021."""


@dataclass(frozen=True)
class Machine:
    """A peak of this machine in operations/s, with words for what was computed."""

    what: str
    precision: str
    rate: float


@dataclass(frozen=True)
class Cold:
    """Seconds from the start of a process until torch is imported, data and model are made, and the first step is done.

    Each list has one value per start.
    """

    encoder: str
    imported: list[float]
    built: list[float]
    stepped: list[float]


@dataclass(frozen=True)
class Outcome:
    """The timing of one piece of work; where it failed `reason` says why, and `rates` is empty."""

    work: Work
    precision: str
    layout: str
    rates: list[float] = field(default_factory=list)
    """Examples/s of all models together, window by window."""
    warm_up: float | None = None
    peak_memory: int | None = None
    own_peak: bool = False
    packing: str = "loop"
    backend: str = "eager"
    fallback: str | None = None
    example_operations: float | None = None
    """Floating-point operations per example; None where torch can't count those of the network."""
    product: float | None = None
    """Operations/s of the matrix product in this precision."""
    convolution: Machine | None = None
    reason: str | None = None

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """Quartiles of examples/s, all models together."""
        low, middle, high = np.percentile(self.rates, [25, 50, 75]).tolist()
        return low, middle, high

    @property
    def rate(self) -> float:
        """Examples/s of all models together: the median window."""
        return statistics.median(self.rates)

    @property
    def cell_rate(self) -> float:
        """Examples/s of each model."""
        return self.rate / self.work.pack

    @property
    def step(self) -> float:
        """Seconds per step of all models together."""
        return self.work.batch / self.cell_rate

    @property
    def epoch(self) -> float:
        """Seconds per epoch of each model, with as many examples as an epoch of the report of 2021."""
        return EPOCH[self.work.part] / self.cell_rate

    @property
    def product_share(self) -> float | None:
        """Operations/s of the work, divided by those of the matrix product."""
        if self.example_operations is None or self.product is None:
            return None
        return self.rate * self.example_operations / self.product

    @property
    def convolution_share(self) -> float | None:
        """Operations/s of the work, divided by those of the encoder's largest convolution."""
        if self.example_operations is None or self.convolution is None:
            return None
        return self.rate * self.example_operations / self.convolution.rate


@dataclass(frozen=True)
class Timings:
    """All timings of one call of `labeleff bench`, with the machine's peaks and its environment."""

    command: list[str]
    started: str
    threads: int
    environment: dict[str, Any]
    outcomes: Sequence[Outcome] = ()
    machine: Sequence[Machine] = ()
    cold: Sequence[Cold] = ()


def printed_number(work: Work, unit: str) -> Printed | None:
    """Find what the report of 2021 has for the same work, in `ms` per step or `s` per epoch; None if nothing."""
    same = work.encoder.name in _NETWORKS and work.pack == 1
    if not same or (work.part != "evaluation" and work.batch != BATCHES[work.part]):
        return None
    if work.part == "evaluation" and unit == "ms":
        return None
    part = _PRINTED[work.part]
    rows = (row for row in THROUGHPUT if row.part == part and row.unit == unit)
    return next((row for row in rows if work.part == "evaluation" or "scoring" not in row.what), None)
