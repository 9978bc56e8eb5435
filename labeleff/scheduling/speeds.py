"""Measured speeds, remembered in `speed.json` of the cache folder.

Every run stores the speeds that it measured, per process; `labeleff plan --calibrate` stores those of a short trial.
The newer of two of the same name counts. All are amounts per second: examples trained on or scored, trainings made
ready, problems solved. On a CPU the seconds are those of the processor, so that they hold for a machine without other
work.
"""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Frozen, Spec
from labeleff.catalogue.metrics import DENSE
from labeleff.files import write_whole
from labeleff.records.entries import PretrainingRecord, Record
from labeleff.records.run_estimate import Source
from labeleff.study.cell import Cell, Pretraining

FILE_NAME = "speed.json"
SIZE = 32
"""Image side in pixels of tasks without the option `size`."""
CPU = "cpu"
INSTANT = 1e-6
"""Least number of seconds that anything takes, so that rates are finite."""


class Speed(Frozen):
    """One speed: an amount per second, in one process."""

    rate: float = Field(gt=0)
    source: Source = "remembered"
    device: str = CPU
    """`cpu`, or the accelerator's name."""
    threads: int = 1
    processes: int = 1
    """Number of processes that worked side by side while it was measured."""
    spread: float | None = None
    """Relative range of repeated measurements: largest minus smallest time, over the median."""
    slowed: float | None = None
    """Wall over processor seconds while it was measured: over 1 where other work had the processor too."""
    peak_memory: int | None = None
    """Largest number of bytes that the work took, of the process or of the accelerator."""

    @property
    def place(self) -> str:
        """Device, threads and processes in words, as `plan` prints them."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''} a process"
        beside = f", {self.processes} processes side by side" if self.processes > 1 else ""
        return f"{self.device}, {threads}{beside}"


class Speeds(dict[str, float]):
    """Rates by name, as estimates look them up, and `by_name`: the whole entries."""

    def __init__(self, by_name: Mapping[str, Speed]) -> None:
        super().__init__({name: speed.rate for name, speed in by_name.items()})
        self.by_name = dict(by_name)


def source_of(speeds: Mapping[str, float], name: str) -> Source:
    """Source of the speed of this name."""
    return speeds.by_name[name].source if isinstance(speeds, Speeds) else "remembered"


def reads_stories(task: Spec) -> bool:
    """Whether a task consists of stories."""
    return lookup.find("task", task.name).examples == "stories"


def is_dense(task: Spec) -> bool:
    """Whether every pixel of a task has a label."""
    return lookup.find("task", task.name).goal in DENSE


def general_name(encoder: Spec, task: Spec) -> str:
    """Name of training in general, like `resnet9(width=0.25) at 32 px`; every image that is encoded counts."""
    where = task.name if reads_stories(task) else f"{task.options.get('size', SIZE)} px"
    return f"{encoder.label} at {where}"


def _place(cell: Cell) -> str:
    """Name of a cell's encoder and head: also says whether it is a pair, and whether every pixel has a label."""
    pair = " of a pair" if lookup.find("pretext", cell.pretext.name).split else ""
    maps = ", maps" if is_dense(cell.task) else ""
    return f"{general_name(cell.encoder, cell.task)}{pair}{maps}"


def work_name(work: Cell | Pretraining) -> str:
    """Name of one kind of training step, or of one frozen protocol: encoder, size, pretext or protocol, batch."""
    if isinstance(work, Pretraining):
        batch = f", batch {work.budget.batch}" if work.budget else ""
        return f"{general_name(work.encoder, work.task)}, {work.pretext.label}{batch}"
    batch = f", batch {work.budget.batch}" if work.budget else ""
    return f"{_place(work)}, {work.protocol.label}{batch}"


def ready_name(work: Cell | Pretraining) -> str:
    """Name of the preparation of such a training, with the warm-up of its first steps: trainings per second."""
    return f"{work_name(work)}: made ready"


def scoring_name(cell: Cell) -> str:
    """Name of scoring examples by a trained network, or of encoding them by a frozen one."""
    return f"{_place(cell)}, scoring"


def solving_names(cell: Cell) -> tuple[str, str, str]:
    """Names of a frozen protocol's speeds: problems with few rows, rows, scored test examples, each per second."""
    name = work_name(cell)
    return f"{name}: problems", f"{name}: rows", f"{name}: scored"


def _key(name: str, device: str) -> str:
    return name if device == CPU else f"{name} ({device})"


def _read_file(cache: Path) -> dict[str, Speed]:
    """All speeds of the file by their keys in it; entries that can't be read are left out."""
    try:
        table = json.loads((cache / FILE_NAME).read_text(encoding="utf-8"))
        entries = dict(table.items())
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}
    speeds = {}
    for name, value in entries.items():
        with contextlib.suppress(ValidationError):  # earlier versions stored a bare number, the rate
            speeds[name] = Speed.model_validate(value if isinstance(value, dict) else {"rate": value})
    return speeds


def read_speeds(cache: Path, device: str | None = None) -> Speeds:
    """Read the speeds of a device by name, or the newest of each name where `device` is None; empty without a file."""
    speeds: dict[str, Speed] = {}
    for key, speed in _read_file(cache).items():
        if device in (None, speed.device):
            name = key.removesuffix(f" ({speed.device})")
            speeds.pop(name, None)
            speeds[name] = speed
    return Speeds(speeds)


def remember(cache: Path, speeds: Mapping[str, Speed]) -> None:
    """Add speeds by name to the file, the newest at its end; a cache that can't be written is ignored."""
    new, old = {_key(name, speed.device): speed for name, speed in speeds.items()}, _read_file(cache)
    for key, speed in new.items():
        if speed.peak_memory is None and key in old:
            new[key] = speed.model_copy(update={"peak_memory": old[key].peak_memory})
    table = {key: speed for key, speed in old.items() if key not in new} | new
    content = {key: speed.model_dump(mode="json", exclude_none=True) for key, speed in table.items()}
    with contextlib.suppress(OSError):
        write_whole(cache / FILE_NAME, json.dumps(content, indent=1).encode())


def views(pretext: Spec) -> int:
    """Number of images that a pretext encodes for each image of a batch."""
    return 2 if lookup.find("pretext", pretext.name).own_views else 1


def peak_name(work: Cell | Pretraining) -> str:
    """Name of the speed whose entry also has the memory that such work takes."""
    return solving_names(work)[0] if isinstance(work, Cell) and work.budget is None else work_name(work)


def passes(protocol: Spec) -> float:
    """Images that a trained protocol encodes per image drawn; with `mask` labelled ones are encoded twice."""
    beside, mask = lookup.find("protocol", protocol.name).beside, protocol.options.get("mask", False)
    if beside is not None and protocol.options["weight"]:
        ratio = float(protocol.options["ratio"])
        return (1 + beside * ratio) / (1 + ratio)
    return 1 + float(protocol.options["labelled_share"]) if mask else 1.0


def remember_speeds(
    cache: Path, records: Iterable[Record | PretrainingRecord], device: str = CPU, processes: int = 1
) -> None:
    """Add the median speeds of these records to the file."""
    rates: dict[str, list[float]] = {}
    peaks: dict[str, int] = {}
    threads = 1
    for record in records:
        for name, rate in _record_speeds(record, device):
            rates.setdefault(name, []).append(rate)
        if record.training is not None:
            threads = max(threads, record.training.threads)
        if record.own_peak and record.peak_memory is not None:
            name = work_name(record.cell if isinstance(record, Record) else record.pretraining)
            peaks[name] = max(peaks.get(name, 0), record.peak_memory)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    new = {
        name: Speed(rate=rate, device=device, threads=threads, processes=processes, peak_memory=peaks.get(name))
        for name, rate in medians.items()
    }
    if new:
        remember(cache, new)


def effective_seconds(seconds: float, processor_seconds: float | None, device: str) -> float:
    """Seconds that count: those of the processor for one thread on a CPU, as other work slows the wall clock."""
    return seconds if device != CPU or not processor_seconds else min(seconds, processor_seconds)


def parts(record: Record, device: str) -> tuple[float, float]:
    """Seconds of scoring and of the whole of a trained protocol's cell, by `effective_seconds`."""
    seconds = max(record.seconds or 0.0, INSTANT)
    whole = effective_seconds(seconds, record.processor_seconds, device)
    return max((record.test_seconds or 0.0) * whole / seconds, INSTANT), whole


def _record_speeds(record: Record | PretrainingRecord, device: str) -> Iterator[tuple[str, float]]:
    """Speeds that follow from a record, by name; its first window is left out as warm-up."""
    training = record.training
    if training is None or (isinstance(record, PretrainingRecord) and (record.cached or record.pretraining.share)):
        return
    work = record.cell if isinstance(record, Record) else record.pretraining
    encodings = passes(work.protocol) if isinstance(work, Cell) else views(work.pretext)
    windows = [(w.images, effective_seconds(w.seconds, w.processor_seconds, device)) for w in training.windows[1:]]
    rates = [images / seconds for images, seconds in windows if seconds > 0]
    for rate in rates:
        yield general_name(work.encoder, work.task), encodings * rate
        yield work_name(work), rate
    if not isinstance(record, Record) or record.seconds is None or not record.test_count or not record.test_seconds:
        return
    scoring, whole = parts(record, device)
    whole -= sum(effective_seconds(trial.seconds, trial.processor_seconds, device) for trial in record.trials)
    yield scoring_name(record.cell), record.test_count / scoring
    preparation = whole - scoring - training.images / statistics.median(rates) if rates else 0.0
    if preparation > 0:
        yield ready_name(record.cell), 1 / preparation
