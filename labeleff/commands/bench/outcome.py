"""What `labeleff bench` measured, raw, what is derived from it, and what the report of 2021 printed of the same."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from labeleff.commands.bench.request import BATCHES, Part, Work
from labeleff.commands.reproduce.printed2021 import IMAGES, LABELS, PRETRAINED_ON, STORIES, TESTED, THROUGHPUT, Printed

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
"""The encoders that are the report's."""


@dataclass(frozen=True)
class Machine:
    """A peak of this machine: operations/s, in words and as a number."""

    what: str
    precision: str
    rate: float


@dataclass(frozen=True)
class Cold:
    """Seconds from the start of a process to: torch imported, data and model made, first step done; several starts."""

    encoder: str
    imported: list[float]
    built: list[float]
    stepped: list[float]


@dataclass(frozen=True)
class Outcome:
    """One piece of work, timed; where it failed `reason` says why, and `rates` is empty."""

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
    """Floating-point operations an example; None where torch doesn't count those of the network."""
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
        """Seconds of a step, of all models together."""
        return self.work.batch / self.cell_rate

    @property
    def epoch(self) -> float:
        """Seconds of an epoch of each model, of as many examples as in the report of 2021."""
        return EPOCH[self.work.part] / self.cell_rate

    @property
    def product_share(self) -> float | None:
        """Operations/s of the work over those of the matrix product."""
        if self.example_operations is None or self.product is None:
            return None
        return self.rate * self.example_operations / self.product

    @property
    def convolution_share(self) -> float | None:
        """The same, over those of the encoder's largest convolution."""
        if self.example_operations is None or self.convolution is None:
            return None
        return self.rate * self.example_operations / self.convolution.rate


@dataclass(frozen=True)
class Found:
    """All of it."""

    command: list[str]
    started: str
    threads: int
    environment: dict[str, Any]
    outcomes: Sequence[Outcome] = ()
    machine: Sequence[Machine] = ()
    cold: Sequence[Cold] = ()


def printed(work: Work, unit: str) -> Printed | None:
    """What the report of 2021 has for the same work, in `ms` a step or `s` an epoch; None if nothing."""
    same = work.encoder.name in _NETWORKS and work.pack == 1
    if not same or (work.part != "evaluation" and work.batch != BATCHES[work.part]):
        return None
    if work.part == "evaluation" and unit == "ms":
        return None
    wanted = _PRINTED[work.part]
    rows = (row for row in THROUGHPUT if row.part == wanted and row.unit == unit)
    return next((row for row in rows if work.part == "evaluation" or "scoring" not in row.what), None)
