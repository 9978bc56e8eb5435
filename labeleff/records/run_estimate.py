"""The expected time of a run, as its entry in the records has it, and durations in words."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from labeleff.catalogue.declaration import Frozen
from labeleff.study.cell import Cell, Pretraining


def duration(seconds: float) -> str:
    """A number of seconds in words: `42 s`, `6 min`, `3.1 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


Source = Literal["catalogue", "remembered", "calibrated"]
"""Source of a speed: a rough guess, earlier runs on this machine, or a calibration on it."""
SOURCES: tuple[Source, ...] = ("catalogue", "remembered", "calibrated")
"""All sources, the least reliable first."""


def worst(sources: list[Source]) -> Source:
    """The least reliable of some sources; `calibrated` where there are none."""
    return min(sources, key=SOURCES.index, default="calibrated")


PartKey = tuple[str, str, str, str, str | None, int | None]
"""Fields of `EstimatedPart`: `what`, labels of task, encoder, pretext and protocol (with its selection), and n."""


def part_key(item: Cell | Pretraining) -> PartKey:
    """Key of the part of an estimate that a cell or a pretraining belongs to."""
    place = item.task.label, item.encoder.label, item.pretext.label
    if isinstance(item, Cell):
        ending = f"@{item.selection.by}" if item.selection else ""
        return "cells", *place, f"{item.protocol.label}{ending}", item.n
    return "pretraining", *place, None, None


class EstimatedPart(Frozen):
    """Cells of one arm and rung, pretrainings of one pretext, or the probes beside these."""

    what: Literal["pretraining", "probes", "cells"]
    task: str
    encoder: str
    pretext: str
    protocol: str | None = None
    """Label of the protocol with the selection, as in `finetune@margin`; None unless `what` is "cells"."""
    n: int | None = None
    count: int = Field(ge=1)
    seconds: float = Field(ge=0)
    """Seconds of one process or device, for all `count` together."""
    speeds: Source

    @property
    def key(self) -> PartKey:
        """The key that `part_key` gives for its cells or pretrainings."""
        return self.what, self.task, self.encoder, self.pretext, self.protocol, self.n


class Overheads(Frozen):
    """Processor seconds of a run beside its jobs; None for what was never measured."""

    workers: int = Field(ge=0)
    """Number of worker processes; 0 where the process that begins the run does the jobs itself."""
    start: float | None = None
    """Start of one process."""
    data: float | None = None
    """Making all data ready in the process that begins the run."""
    data_again: float | None = None
    """The same in one worker process."""
    report: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds on the processor of all processes together, as far as they are known."""
        return self.wall_seconds + max(self.workers - 1, 0) * ((self.start or 0.0) + (self.data_again or 0.0))

    @property
    def wall_seconds(self) -> float:
        """Seconds by the clock: worker processes start side by side."""
        alone = (self.start or 0.0) + (self.data or 0.0) + (self.report or 0.0)
        return alone + ((self.start or 0.0) + (self.data_again or 0.0) if self.workers else 0.0)

    @property
    def unknown(self) -> list[str]:
        """What was never measured, in words."""
        words = {"starting processes": self.start, "making data ready": self.data, "the report": self.report}
        return [what for what, seconds in words.items() if seconds is None]


class RunEstimate(Frozen):
    """Expected time of a run: only of the jobs that it began with, not of earlier records."""

    seconds: float = Field(ge=0)
    """Seconds of one process or device: the sum over all parts."""
    wall_seconds: float = Field(ge=0)
    """Wall time in seconds on `processes` processes, without preparation of data."""
    processes: int = Field(ge=1)
    speeds: Source
    """Least reliable source of its speeds."""
    peak_memory: int | None = None
    """Expected peak memory in bytes of a process, or of the accelerator; None where nothing was measured."""
    parts: list[EstimatedPart]
    overheads: Overheads | None = None
    """What comes beside the jobs; None in records of earlier versions."""

    @property
    def processor_seconds(self) -> float:
        """Seconds on the processor of all processes together, overheads included."""
        return self.seconds + (self.overheads.seconds if self.overheads else 0.0)

    @property
    def whole_seconds(self) -> float:
        """Wall time in seconds from the start of the command to its end."""
        return self.wall_seconds + (self.overheads.wall_seconds if self.overheads else 0.0)
