"""What a Ray task does: one job, told message by message. It writes no records; the process that asked does.

Encoders and readers go between machines as the bytes of their safetensors files: from a task within its messages, for a
reference of its own in there may be gone before anybody takes it; to a task only where its machine lacks them.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ray

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import ConditionError, LabeleffError
from labeleff.execution.job_runner import JobRunner
from labeleff.execution.workplace import Settings
from labeleff.files import VERSION
from labeleff.records.conditions import unlike
from labeleff.records.entries import Conditions
from labeleff.records.jsonl import reader_path
from labeleff.scheduling.jobs import Job, Pretrain, pretraining_key
from labeleff.training.device import device_name, one_core, torch_release

Message = tuple[str, Any]
"""What a task tells, in this order:

- `begun`, None: a worker has taken the job;
- `lacking`, keys: these encoders aren't on its machine, and nothing else comes;
- `encoder` or `reader`, (key, the file's bytes): before the record that they belong to;
- `record`, the record;
- `stopped`, a text: a LabeleffError that ends the run.
"""
NEWS_INTERVAL = 1.0
"""Seconds between two pieces of news of one job."""

_RUNNERS: dict[str, JobRunner] = {}
"""This process's runner, by its run: tasks that follow each other in a process find their data loaded."""


@dataclasses.dataclass(frozen=True)
class Orders:
    """What all tasks of a run are told."""

    settings: Settings
    conditions: Conditions
    """Under which the run measures; a worker of other conditions is refused."""
    version: str = VERSION
    makes_runner: Callable[[Settings], JobRunner] = JobRunner
    news: Any = None
    """The actor that is told how trainings go on; None where nobody wants to know."""


def do(orders: Orders, number: int, job: Job, encoders: Mapping[str, Any]) -> Iterator[Message]:
    """Do a job.

    `encoders` has, by key of the cache, what was lacking before: a list with the reference to its bytes, or an empty
    one where nobody has it.
    """
    yield "begun", None
    try:
        runner = _runner(orders)
        _check(orders, runner, job)
        if lacking := _lacking(runner, job, encoders):
            yield "lacking", lacking
            return
        for record in runner.perform(job, _teller(orders, number)):
            if isinstance(job, Pretrain) and record.status == "ok":
                key = runner.cache_key(job.pretraining)
                yield "encoder", (key, runner.cache.content(key))
            elif (reader := _reader(runner, record.key)) is not None:
                yield "reader", (record.key, reader.read_bytes())
            yield "record", record
    except LabeleffError as error:
        yield "stopped", str(error)


def _runner(orders: Orders) -> JobRunner:
    """The process's runner for a run; a node's own LABELEFF_CACHE goes before the folder of who asked."""
    settings = orders.settings
    if settings.run not in _RUNNERS:
        options = settings.options
        if options.device == "cpu":
            one_core()
        cache = Path(os.environ.get("LABELEFF_CACHE") or options.cache).expanduser()
        own = dataclasses.replace(settings, options=dataclasses.replace(options, cache=cache))
        _RUNNERS.clear()
        _RUNNERS[settings.run] = orders.makes_runner(own)
    return _RUNNERS[settings.run]


def _check(orders: Orders, runner: JobRunner, job: Job) -> None:
    """Raise ConditionError where this machine's numbers wouldn't be of the run's conditions."""
    place = f"Ray node {ray.util.get_node_ip_address()}"
    if orders.version != VERSION:
        raise ConditionError(f"{place}: found labeleff {VERSION}, expected {orders.version}; install the same there")
    plugins = {name: _origin(name) for name in orders.conditions.plugins}
    here = Conditions(
        device=device_name(runner.device),
        precision={},
        torch=torch_release(),
        data={spec.label: runner.load(spec).fingerprint for spec in _tasks(job)},
        plugins={name: origin for name, origin in plugins.items() if origin is not None},
    )
    for what, expected, found in unlike(orders.conditions, here):
        raise ConditionError(
            f"{place}: found {what} = {found}, expected {expected} as where the run was started; numbers of different "
            "conditions are not mixed"
        )


def _origin(plugin: str) -> str | None:
    kind, _, name = plugin.partition(" ")
    return lookup.origin(kind, name)  # type: ignore[arg-type]


def _tasks(job: Job) -> list[Spec]:
    """Tasks whose data the job reads, each once."""
    specs = [job.pretraining.task, *(cell.task for cell in job.cells)]
    return list({spec.label: spec for spec in specs}.values())


def encoder_keys(runner: JobRunner, job: Job) -> set[str]:
    """Keys, in the cache, of the encoders that a job starts from."""
    first = {key: cell for cell in job.cells if (key := pretraining_key(cell)) is not None}
    return {runner.cache_key(cell.pretraining) for cell in first.values()}


def _lacking(runner: JobRunner, job: Job, encoders: Mapping[str, Any]) -> list[str]:
    """Keys of the encoders that the job starts from and that aren't here; those that were sent are put here first."""
    lacking = [key for key in sorted(encoder_keys(runner, job)) if runner.cache.record(key) is None]
    for key in lacking:
        for reference in encoders.get(key, ()):
            runner.cache.put(key, ray.get(reference))
    return [key for key in lacking if key not in encoders]


def _reader(runner: JobRunner, key: str) -> Path | None:
    """The file of the reader that a cell of stories has just left."""
    if runner.settings.readers is None:
        return None
    path = reader_path(runner.settings.readers, key)
    return path if path.exists() else None


def _teller(orders: Orders, number: int) -> Callable[[int, int, float, float], None]:
    """Tells of a training's progress now and then, without waiting for an answer."""
    told = time.monotonic()

    def tell(done: int, total: int, loss: float, rate: float) -> None:
        nonlocal told
        if orders.news is not None and time.monotonic() - told >= NEWS_INTERVAL:
            told = time.monotonic()
            orders.news.tell.remote(number, (done, total, loss, rate))

    return tell
