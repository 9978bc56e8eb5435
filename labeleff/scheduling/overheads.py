"""What a run takes beside its jobs: processes that start, data made ready in each of them, the report at the end.

Like all speeds these are measured, by a calibration or an earlier run, and remembered by name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from labeleff.catalogue.declaration import Spec
from labeleff.records.run_estimate import Overheads
from labeleff.scheduling.job_seconds import examples_of
from labeleff.scheduling.speeds import INSTANT, Speed, Speeds, remember
from labeleff.study.schema import Study

START = "start of a process"
"""Name of starting a process with all that it imports: processes per second."""


def data_name(task: Spec) -> str:
    """Name of making a task's data ready for the first time (read, decoded, rendered, checked): examples per second."""
    path = task.options.get("path")
    return f"{task.label}{f' in {path}' if path else ''}: data"


def data_again_name(task: Spec) -> str:
    """Name of the same in a process that comes after the first: what was rendered is only read there."""
    return f"{data_name(task)} again"


def report_name(study: Study) -> str:
    """Name of a study's report, whose time follows its cells: reports per second."""
    return f"report of {study.name}, {len(study.arm_names)} arms, {sum(1 for _ in study.cells()):,} cells"


def overheads(study: Study, speeds: Speeds, workers: int) -> Overheads:
    """Processor seconds of a run beside its jobs, with the given number of worker processes; 0 for none.

    What was never measured stays None.
    """

    def seconds(name: str, amount: float = 1.0) -> float | None:
        return amount / speeds[name] if name in speeds else None

    def data(name: Callable[[Spec], str]) -> float | None:
        parts = [seconds(name(task), examples_of(task)) for block in study.blocks for task in block.tasks]
        measured = [part for part in parts if part is not None]
        return sum(measured) if len(measured) == len(parts) else None

    first = data(data_name)
    again = data(data_again_name)
    return Overheads(
        workers=workers,
        start=seconds(START),
        data=first,
        data_again=first if again is None else again,
        report=seconds(report_name(study)),
    )


def remember_report(cache: Path, study: Study, seconds: float) -> None:
    """Remember the processor seconds that a study's report took, for later plans."""
    remember(cache, {report_name(study): Speed(rate=1 / max(seconds, INSTANT))})
