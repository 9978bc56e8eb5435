"""New processes that time every kind of work, side by side as the workers of a run."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from labeleff.commands.calibrate.kinds import Kind, Measurement
from labeleff.commands.calibrate.trials import CalibrationRunner, time_kind
from labeleff.errors import LabeleffError
from labeleff.execution.draws import LabelRule
from labeleff.execution.engines.processes import one_thread
from labeleff.execution.run_facts import Settings
from labeleff.execution.workplace import explain
from labeleff.scheduling.job_seconds import Sizes, known_sizes, learn_sizes
from labeleff.scheduling.run_options import RunOptions
from labeleff.training.device import one_core

RULE = LabelRule("stratified", None, allow_missing_classes=True)


@dataclass
class _Worker:
    process: SpawnProcess
    link: Connection
    results: list[Measurement]


def _work(link: Connection, kinds: Sequence[Kind], options: RunOptions, sizes: Mapping[str, Sizes]) -> None:
    """Time all kinds in a new process, and send one result per kind; encoders go to a folder that is deleted after."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    one_core()
    learn_sizes(sizes)
    parent = os.getppid()
    with tempfile.TemporaryDirectory(prefix="labeleff-") as folder:
        place = dataclasses.replace(options, folder=Path(folder), cache=Path(folder), offline=True)
        runner = CalibrationRunner(Settings(place, "calibration", RULE))
        for kind in kinds:
            if os.getppid() != parent:
                return
            try:
                link.send(time_kind(kind, runner))
            except Exception as error:  # noqa: BLE001  what can't be timed must not hide the others; its reason is sent
                link.send(Measurement(reason=str(error) if isinstance(error, LabeleffError) else explain(error)[0]))


def _start(kinds: Sequence[Kind], options: RunOptions) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    arguments = (theirs, kinds, options, known_sizes())
    process = context.Process(target=_work, args=arguments, daemon=True, name="labeleff-calibration")
    process.start()
    theirs.close()
    return _Worker(process, ours, [])


def measure(
    kinds: Sequence[Kind], options: RunOptions, processes: int, progress: Callable[[int, int], None]
) -> list[list[Measurement]]:
    """Start processes and collect what they measure: one list per process, with one result per kind.

    `progress(done, total)` is called as results come. Raises LabeleffError where a process dies.
    """
    workers: list[_Worker] = []
    try:
        with one_thread():
            workers += [_start(kinds, options) for _ in range(processes)]
        while busy := {worker.link: worker for worker in workers if len(worker.results) < len(kinds)}:
            for link in wait(list(busy)):
                busy[link].results.append(_receive(busy[link]))  # type: ignore[index]
                progress(sum(len(worker.results) for worker in workers), len(workers) * len(kinds))
    finally:
        for worker in workers:
            worker.process.terminate()
            worker.process.join(5)
    return [worker.results for worker in workers]


def _receive(worker: _Worker) -> Measurement:
    try:
        result: Measurement = worker.link.recv()
    except (EOFError, ConnectionResetError) as error:
        worker.process.join()
        raise LabeleffError(
            f"calibration: a process died (exit code {worker.process.exitcode}); the usual cause is that memory ran "
            "out: try fewer processes with --jobs"
        ) from error
    return result
