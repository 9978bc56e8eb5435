"""What a run was expected to take when it began, as its entry in the records has it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from labeleff.catalogue.declaration import Frozen
from labeleff.study.cell import Cell, Pretraining


def duration(seconds: float) -> str:
    """Seconds as people say them: `42 s`, `6 min`, `3.1 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


Source = Literal["catalogue", "remembered", "calibrated"]
"""Where a speed comes from: a rough guess, earlier runs on this machine, a calibration on it. The worst first."""
SOURCES: tuple[Source, ...] = ("catalogue", "remembered", "calibrated")


def worst(sources: list[Source]) -> Source:
    """The least reliable of some sources; `calibrated` where there are none."""
    return min(sources, key=SOURCES.index, default="calibrated")


PartKey = tuple[str, str, str, str, str | None, int | None]
"""What, and the labels of task, encoder, pretext and protocol, and n, as `EstimatedPart` has them."""


def part_key(asked: Cell | Pretraining) -> PartKey:
    """The part of an estimate that a cell or a pretraining belongs to."""
    place = asked.task.label, asked.encoder.label, asked.pretext.label
    if isinstance(asked, Cell):
        return "cells", *place, asked.protocol.label, asked.n
    return "pretraining", *place, None, None


class EstimatedPart(Frozen):
    """Cells of one arm and rung, pretrainings of one pretext, or the probes beside these."""

    what: Literal["pretraining", "probes", "cells"]
    task: str
    encoder: str
    pretext: str
    protocol: str | None = None
    """Labels of the specs; no protocol where it isn't cells."""
    n: int | None = None
    count: int = Field(ge=1)
    seconds: float = Field(ge=0)
    """Of one process or device, of all `count` together."""
    speeds: Source

    @property
    def key(self) -> PartKey:
        """As `part_key` gives it."""
        return self.what, self.task, self.encoder, self.pretext, self.protocol, self.n


class RunEstimate(Frozen):
    """What a run was expected to take: only the jobs that it began with, not what was recorded before."""

    seconds: float = Field(ge=0)
    """Of one process or device: the sum over all parts."""
    wall_seconds: float = Field(ge=0)
    """On `processes` processes, without preparation of data."""
    processes: int = Field(ge=1)
    speeds: Source
    """The least reliable of all that went in."""
    peak_memory: int | None = None
    """Bytes that a process, or the accelerator, was expected to need at most; None where nothing was measured."""
    parts: list[EstimatedPart]
