"""How long a study will take, before it runs: images to process times the speed measured here, or a rough guess.

Every run leaves the speeds it saw, per process, in `speed.json` in the cache folder.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labeleff import catalogue, windows
from labeleff.cell import Cell, Pretraining, Spec
from labeleff.files import write_whole
from labeleff.jobs import Job
from labeleff.probe import Probe
from labeleff.record import PretrainingRecord, Record

FILE_NAME = "speed.json"
SIZE = 32
"""Image side in pixels that the rough costs are for."""
GIGAFLOPS = 40.0
"""A rough training speed of one CPU core, 10**9 operations a second, for encoders never run here."""
ENCODE_SPEEDUP = 3.0
"""Encoding against training: no backward pass."""
_MEGAFLOPS = {
    "mobilenet_v2": 36.0,
    "resnet9": 2272.0,
    "resnet18": 3340.0,
    "resnet50": 7800.0,
    "resnet18_imagenet": 223.0,
    "resnet50_imagenet": 502.0,
}
"""Training operations an image at 32 px, in 10**6 (three times the forward pass)."""
_UNKNOWN_MEGAFLOPS = 2000.0
_STORIES_PER_SECOND = 2000.0
"""A rough training speed on stories, for encoders never run here."""


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Estimate:
    """Seconds of one process, and whether every speed in it was measured here."""

    seconds: float
    measured: bool


def _speed_name(encoder: Spec, task: Spec) -> str:
    where = task.name if _reads_stories(task) else f"{task.options.get('size', SIZE)} px"
    return f"{encoder.label} at {where}"


def read_speeds(cache: Path) -> dict[str, float]:
    """Images/s of training by encoder and size, as measured by earlier runs; empty where there are none."""
    try:
        table = json.loads((cache / FILE_NAME).read_text(encoding="utf-8"))
        return {str(name): float(value) for name, value in table.items() if float(value) > 0}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def remember_speeds(cache: Path, records: Iterable[Record | PretrainingRecord]) -> None:
    """Add the median images/s of these records to `speed.json`; a cache that can't be written is no matter."""
    seen: dict[str, list[float]] = {}
    for record in records:
        asked = record.cell if isinstance(record, Record) else record.pretraining
        if record.training is None or (isinstance(record, PretrainingRecord) and record.cached):
            continue
        views = _passes(record.cell.protocol) if isinstance(record, Record) else _views(record.pretraining.pretext)
        rates = [views * w.images / w.seconds for w in record.training.windows[1:] if w.seconds > 0]
        seen.setdefault(_speed_name(asked.encoder, asked.task), []).extend(rates)
    table = read_speeds(cache) | {name: statistics.median(rates) for name, rates in seen.items() if rates}
    with contextlib.suppress(OSError):
        write_whole(cache / FILE_NAME, json.dumps(table, indent=1, sort_keys=True).encode())


def _views(pretext: Spec) -> int:
    """Images that a pretext encodes for each that it is given."""
    return 2 if catalogue.lookup("pretext", pretext.name).own_views else 1


def _passes(protocol: Spec) -> float:
    """Images that a trained protocol encodes for each of a batch: labelled ones twice where they are also turned."""
    twice = protocol.options.get("mask", False)
    return 1 + float(protocol.options["labelled_share"]) if twice else 1.0


def _reads_stories(task: Spec) -> bool:
    return catalogue.lookup("task", task.name).examples == "stories"


def _rate(encoder: Spec, task: Spec, speeds: dict[str, float]) -> tuple[float, bool]:
    name = _speed_name(encoder, task)
    if name in speeds:
        return speeds[name], True
    if _reads_stories(task):
        return _STORIES_PER_SECOND, False
    scale = (float(task.options.get("size", SIZE)) / SIZE) ** 2 * float(encoder.options.get("width", 1.0)) ** 2
    return GIGAFLOPS * 1e3 / (_MEGAFLOPS.get(encoder.name, _UNKNOWN_MEGAFLOPS) * scale), False


def _pool(task: Spec) -> int:
    """Training images of a task; 10,000 where only the data itself could tell."""
    return catalogue.lookup("task", task.name).pool_of(task.options) or 10_000


def _test(task: Spec) -> int:
    return int(task.options.get("test", 1_000 if _reads_stories(task) else 10_000))


def pretraining_steps(pretraining: Pretraining) -> int:
    """Optimiser steps of a pretraining; 0 where weights come from outside."""
    return 0 if pretraining.budget is None else pretraining.budget.steps_for(_pool(pretraining.task))


def cell_steps(cell: Cell) -> int:
    """Optimiser steps of a cell without its pretraining; 0 where it is solved."""
    pool = _pool(cell.task) if catalogue.lookup("protocol", cell.protocol.name).unlabelled else None
    return 0 if cell.budget is None else cell.budget.steps_for(cell.n, pool)


def pretraining_estimate(pretraining: Pretraining, speeds: dict[str, float]) -> Estimate:
    """Time of one pretraining in one process; filling in weights from outside takes none to speak of."""
    if pretraining.budget is None:
        return Estimate(0.0, measured=True)
    rate, measured = _rate(pretraining.encoder, pretraining.task, speeds)
    images = pretraining_steps(pretraining) * pretraining.budget.batch
    return Estimate(_views(pretraining.pretext) * images / rate, measured)


def probe_estimate(
    pretraining: Pretraining, probe: Probe | None, probed: Mapping[str, Sequence[Spec]], speeds: dict[str, float]
) -> Estimate:
    """Time of all linear probes during one pretraining in one process, by the images that they encode.

    `probed` has the tasks by key of the pretraining. Where every pixel has a label, solving takes more.
    """
    tasks = len(probed.get(pretraining.key, ()))
    if probe is None or pretraining.budget is None or not tasks:
        return Estimate(0.0, measured=True)
    rate, measured = _rate(pretraining.encoder, pretraining.task, speeds)
    pool, batch = _pool(pretraining.task), pretraining.budget.batch
    probes = 1 + math.ceil(windows.count(pretraining.budget.steps_for(pool), pool, batch) / probe.every)
    return Estimate(tasks * probes * (probe.labels + probe.held_out) / (rate * ENCODE_SPEEDUP), measured)


def cell_estimate(cell: Cell, sharing: int, speeds: dict[str, float]) -> Estimate:
    """Time of one cell in one process; `sharing` frozen cells share one encoding."""
    rate, measured = _rate(cell.encoder, cell.task, speeds)
    scoring = _test(cell.task) / (rate * ENCODE_SPEEDUP)
    if cell.budget is None:
        return Estimate((scoring + cell.n / (rate * ENCODE_SPEEDUP)) / sharing, measured)
    images = cell_steps(cell) * cell.budget.batch * _passes(cell.protocol)
    return Estimate(images / rate + scoring, measured)


def job_seconds(job: Job, speeds: dict[str, float]) -> float:
    """Time of one job in one process."""
    if not job.cells:
        return pretraining_estimate(job.pretraining, speeds).seconds
    return sum(cell_estimate(cell, len(job.cells), speeds).seconds for cell in job.cells)


def total(estimates: Sequence[Estimate], jobs: int) -> Estimate:
    """Wall time of all of them on `jobs` processes that are never idle."""
    return Estimate(sum(e.seconds for e in estimates) / jobs, all(e.measured for e in estimates))
