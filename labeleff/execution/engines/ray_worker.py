"""A Ray task: one job done, its records and files sent as messages.

A task writes no records; the process that started it does. Encoders and readers go between machines as the bytes of
their safetensors files: from a task inside its messages, because a reference that it made may be gone before anybody
takes it; to a task only where its machine lacks them.
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
from labeleff.execution.run_facts import Settings
from labeleff.files import VERSION
from labeleff.records.conditions import unlike
from labeleff.records.entries import Conditions, PretrainingRecord
from labeleff.records.jsonl import reader_path
from labeleff.scheduling.jobs import Job, pretraining_key
from labeleff.training.device import device_name, one_core, torch_release

Message = tuple[str, Any]
"""A message of a task: its kind and content, in this order:

- `begun`, None: a worker has taken the job;
- `lacking`, keys: these encoders aren't on its machine, and nothing else comes;
- `encoder` or `reader`, (key, the file's bytes): before the record that it belongs to;
- `record`, the record;
- `stopped`, a text: a LabeleffError that ends the run.
"""
NEWS_INTERVAL = 1.0
"""Least seconds between two reports of one job's progress."""

_RUNNERS: dict[str, JobRunner] = {}
"""The runner of this process, by its run: a task finds the data loaded that an earlier one in the process read."""


@dataclasses.dataclass(frozen=True)
class Orders:
    """Settings that all tasks of a run share."""

    settings: Settings
    conditions: Conditions
    """Conditions that the run measures under; a worker of other conditions is refused."""
    version: str = VERSION
    makes_runner: Callable[[Settings], JobRunner] = JobRunner
    news: Any = None
    """The actor that takes the progress of trainings; None where nobody shows it."""


def do(orders: Orders, number: int, job: Job, encoders: Mapping[str, Any]) -> Iterator[Message]:
    """Do a job and yield its messages.

    `encoders` has, by cache key, the encoders that a machine lacked before: a list with the reference to the bytes, or
    an empty one where nobody has them.
    """
    yield "begun", None
    try:
        runner = _runner(orders)
        _check(orders, runner, job)
        if keys := _lacking_encoders(runner, job, encoders):
            yield "lacking", keys
            return
        for record in runner.perform(job, _progress_sender(orders, number)):
            if isinstance(record, PretrainingRecord) and record.status == "ok":
                key = runner.cache_key(record.pretraining)
                yield "encoder", (key, runner.cache.content(key))
            elif (reader := _reader(runner, record.key)) is not None:
                yield "reader", (record.key, reader.read_bytes())
            yield "record", record
    except LabeleffError as error:
        yield "stopped", str(error)


def _runner(orders: Orders) -> JobRunner:
    """Make or find this process's runner; the node's LABELEFF_CACHE goes before the run's cache folder."""
    settings = orders.settings
    if settings.run not in _RUNNERS:
        options = settings.options
        if options.device == "cpu":
            one_core()
        cache = Path(os.environ.get("LABELEFF_CACHE") or options.cache).expanduser()
        local_settings = dataclasses.replace(settings, options=dataclasses.replace(options, cache=cache))
        _RUNNERS.clear()
        _RUNNERS[settings.run] = orders.makes_runner(local_settings)
    return _RUNNERS[settings.run]


def _check(orders: Orders, runner: JobRunner, job: Job) -> None:
    """Raise ConditionError where this machine doesn't measure under the run's conditions."""
    place = f"Ray node {ray.util.get_node_ip_address()}"
    if orders.version != VERSION:
        raise ConditionError(f"{place}: found labeleff {VERSION}, expected {orders.version}; install the same there")
    plugins = {name: _origin(name) for name in orders.conditions.plugins}
    local_conditions = Conditions(
        device=device_name(runner.device),
        precision={},  # the run's, whatever this machine would choose
        torch=torch_release(),
        data={spec.label: runner.load(spec).fingerprint for spec in _tasks(job)},
        plugins={name: origin for name, origin in plugins.items() if origin is not None},
        libraries=lookup.releases(orders.conditions.libraries),
    )
    for what, expected, actual in unlike(orders.conditions, local_conditions):
        raise ConditionError(
            f"{place}: found {what} = {actual}, expected {expected} as where the run was started; numbers of different "
            "conditions are not mixed"
        )


def _origin(plugin: str) -> str | None:
    kind, _, name = plugin.partition(" ")
    return lookup.origin(kind, name)  # type: ignore[arg-type]


def _tasks(job: Job) -> list[Spec]:
    """List the tasks whose data a job reads, each once."""
    specs = [job.pretraining.task, *(cell.task for cell in job.cells)]
    return list({spec.label: spec for spec in specs}.values())


def encoder_keys(runner: JobRunner, job: Job) -> set[str]:
    """Cache keys of the encoders that a job starts from."""
    first = {key: cell for cell in job.cells if (key := pretraining_key(cell)) is not None}
    return {runner.cache_key(cell.pretraining) for cell in first.values()}


def _lacking_encoders(runner: JobRunner, job: Job, encoders: Mapping[str, Any]) -> list[str]:
    """Cache keys of the encoders that a job starts from and this machine lacks, after storing those sent with it."""
    lacking = [key for key in sorted(encoder_keys(runner, job)) if runner.cache.record(key) is None]
    for key in lacking:
        for reference in encoders.get(key, ()):
            runner.cache.put(key, ray.get(reference))
    return [key for key in lacking if key not in encoders]


def _reader(runner: JobRunner, key: str) -> Path | None:
    """Path of the reader that a cell of stories has just stored; None where there is none."""
    if runner.settings.readers is None:
        return None
    path = reader_path(runner.settings.readers, key)
    return path if path.exists() else None


def _progress_sender(orders: Orders, number: int) -> Callable[[int, int, float, float], None]:
    """Make the function that sends a training's progress now and then, without waiting for an answer."""
    last = time.monotonic()

    def send(done: int, total: int, loss: float, rate: float) -> None:
        nonlocal last
        if orders.news is not None and time.monotonic() - last >= NEWS_INTERVAL:
            last = time.monotonic()
            orders.news.tell.remote(number, (done, total, loss, rate))

    return send
