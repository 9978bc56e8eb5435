"""What comes beside a run's jobs, timed in a new process: its start, the data that it makes ready, the report."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from labeleff.catalogue.declaration import Spec
from labeleff.commands.calibrate.kinds import kinds
from labeleff.commands.calibrate.made_records import write_records
from labeleff.commands.calibrate.trials import CalibrationRunner, little
from labeleff.commands.calibrate.workers import RULE
from labeleff.errors import DataError, LabeleffError
from labeleff.execution.engines.processes import one_thread
from labeleff.execution.image_checks import image_facts
from labeleff.execution.preparation.rehearsal import is_local
from labeleff.execution.run_facts import Settings
from labeleff.reporting.study_report import build
from labeleff.scheduling.job_seconds import Sizes, examples_of, known_sizes, learn_sizes
from labeleff.scheduling.overheads import START, data_again_name, data_name, report_name
from labeleff.scheduling.run_options import RunOptions
from labeleff.scheduling.speeds import INSTANT
from labeleff.study.schema import Study
from labeleff.training.device import one_core, pick_device
from labeleff.training.examples import Source, load_task
from labeleff.training.overlap import counted

FEW, MORE = 64, 4
"""Images of a split that are rendered first, and the factor by which they become more until they take `ENOUGH`."""
ENOUGH = 1.0
"""Seconds of the processor that rendering a part of the images should take."""


def time_beside_jobs(study: Study, options: RunOptions) -> dict[str, float]:
    """Time the start of a process, the data that no plan has read yet, and the report: rates by name.

    Data that are not there can't be timed and have no rate. Raises LabeleffError where the process dies.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    arguments = (theirs, study, options, known_sizes())
    process = context.Process(target=_work, args=arguments, daemon=True, name="labeleff-calibration")
    with one_thread():
        process.start()
    theirs.close()
    try:
        rates: dict[str, float] = ours.recv()
    except (EOFError, ConnectionResetError) as error:
        process.join()
        raise LabeleffError(f"calibration: a process died (exit code {process.exitcode})") from error
    finally:
        process.terminate()
        process.join(5)
    return rates


def _work(link: Connection, study: Study, options: RunOptions, sizes: Mapping[str, Sizes]) -> None:
    imports = time.process_time()
    one_core()
    learn_sizes(sizes)
    rates: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="labeleff-") as folder:
        place = dataclasses.replace(options, folder=Path(folder), cache=Path(folder), offline=True)
        first = _first_use(study, CalibrationRunner(Settings(place, "calibration", RULE)))
        rates[START] = 1 / max(imports + first, INSTANT)
        for task in (task for block in study.blocks for task in block.tasks if not is_local(task)):
            rates |= dict(_data_rates(task, options, Path(folder) / "data"))
        rates[report_name(study)] = 1 / max(_report_seconds(study, Path(folder)), INSTANT)
    link.send(rates)


def _first_use(study: Study, runner: CalibrationRunner) -> float:
    """Seconds that the first work of a process takes beyond the same work later: libraries load much when first used.

    0 where no kind of work can be done, which their own timings say.
    """
    for kind in kinds(study):
        with contextlib.suppress(LabeleffError):
            runner.load(kind.representative.task)
            clock = [time.process_time()]
            for number in range(2):
                little(kind, runner, number)
                clock.append(time.process_time())
            return max(2 * clock[1] - clock[0] - clock[2], 0.0)
    return 0.0


def _data_rates(task: Spec, options: RunOptions, scratch: Path) -> Iterator[tuple[str, float]]:
    """Examples per second the first time and, where what was made is kept, every further time."""
    count = examples_of(task)
    kept = Source(options.data, offline=True, device=str(pick_device(options.device)), base=options.base, make=False)
    try:
        first = again = count / _load_seconds(task, kept)
    except DataError:
        if "train" not in task.options:  # to be downloaded first
            return
        first, again = _made_rates(task, scratch, kept.device)
    yield data_name(task), first
    yield data_again_name(task), again


def _made_rates(task: Spec, scratch: Path, device: str) -> tuple[float, float]:
    """Examples per second of a task whose examples are made: those of as many as take long enough to be timed."""
    whole = {split: int(task.options[split]) for split in ("train", "test")}
    count = FEW
    while True:
        part = {split: min(count, most) for split, most in whole.items()}
        smaller = task.model_copy(update={"options": {**task.options, **part}})
        source = Source(scratch, offline=True, device=device)
        seconds, again = _load_seconds(smaller, source), _load_seconds(smaller, source)
        if seconds >= ENOUGH or part == whole:
            return sum(part.values()) / seconds, sum(part.values()) / again
        count *= MORE


def _load_seconds(spec: Spec, source: Source) -> float:
    start = time.process_time()
    task = counted(load_task(spec, source), spec.options)
    assert task.fingerprint
    image_facts(task)
    return max(time.process_time() - start, INSTANT)


def _report_seconds(study: Study, folder: Path) -> float:
    """Seconds that a report on made records of the whole study takes."""
    write_records(study, folder)
    start = time.process_time()
    build(folder)
    return time.process_time() - start
