"""Fresh processes that each time every kind of work, side by side as the workers of a run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from labeleff.commands.calibrate.kinds import Kind, Measured
from labeleff.commands.calibrate.trials import CalibrationBench, timed
from labeleff.errors import LabeleffError
from labeleff.execution.draws import LabelRule
from labeleff.execution.engines.local import one_thread
from labeleff.execution.workplace import Settings, explain
from labeleff.scheduling.run_options import RunOptions
from labeleff.training.device import one_core

RULE = LabelRule("stratified", None, allow_missing_classes=True)


@dataclass
class _Worker:
    process: SpawnProcess
    link: Connection
    found: list[Measured]


def _work(link: Connection, kinds: Sequence[Kind], device: str) -> None:
    """A process's life: one result per kind, in their order; encoders go to a folder that is gone with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    one_core()
    parent = os.getppid()
    with tempfile.TemporaryDirectory(prefix="labeleff-") as folder:
        place = Path(folder)
        options = RunOptions(place, device=device, data=place, cache=place, offline=True)
        bench = CalibrationBench(Settings(options, "calibration", RULE))
        for kind in kinds:
            if os.getppid() != parent:
                return
            try:
                link.send(timed(kind, bench))
            except Exception as error:  # noqa: BLE001  what can't be timed must not hide the rest; its reason is told
                link.send(Measured(reason=str(error) if isinstance(error, LabeleffError) else explain(error)[0]))


def _start(kinds: Sequence[Kind], device: str) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, kinds, device), daemon=True, name="labeleff-calibration")
    process.start()
    theirs.close()
    return _Worker(process, ours, [])


def measure(
    kinds: Sequence[Kind], device: str, processes: int, progress: Callable[[int, int], None]
) -> list[list[Measured]]:
    """What every process measured: one list per process, with one result per kind.

    `progress(done, total)` is called as results come. Raises LabeleffError where a process dies.
    """
    workers: list[_Worker] = []
    try:
        with one_thread():
            workers += [_start(kinds, device) for _ in range(processes)]
        while busy := {worker.link: worker for worker in workers if len(worker.found) < len(kinds)}:
            for link in wait(list(busy)):
                busy[link].found.append(_received(busy[link]))  # type: ignore[index]
                progress(sum(len(worker.found) for worker in workers), len(workers) * len(kinds))
    finally:
        for worker in workers:
            worker.process.terminate()
            worker.process.join(5)
    return [worker.found for worker in workers]


def _received(worker: _Worker) -> Measured:
    try:
        found: Measured = worker.link.recv()
    except (EOFError, ConnectionResetError) as error:
        worker.process.join()
        raise LabeleffError(
            f"calibration: a process died (exit code {worker.process.exitcode}); the usual cause is that memory ran "
            "out: try fewer processes with --jobs"
        ) from error
    return found
