"""Speeds that were measured here, in `speed.json` of the cache folder: what is timed, how fast it went, on what.

Every run leaves the speeds it saw, a process; `labeleff plan --calibrate` leaves those of a short trial. The newer of
two of the same name counts. All are numbers a second: examples trained on or scored, trainings made ready, problems
solved. On a CPU the seconds are those of the processor, so that they are right for a machine without other work.
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
"""Image side in pixels where a task doesn't say it."""
CPU = "cpu"
INSTANT = 1e-6
"""Seconds that anything takes at least, so that rates are finite."""


class Speed(Frozen):
    """One speed: a number a second, in one process."""

    rate: float = Field(gt=0)
    source: Source = "remembered"
    device: str = CPU
    """`cpu`, or the accelerator's name."""
    threads: int = 1
    processes: int = 1
    """That worked side by side while it was measured."""
    spread: float | None = None
    """Of repeated measurements: largest less smallest time, over the median."""
    slowed: float | None = None
    """Seconds on the wall over those on the processor while it was measured: over 1 where others had it too."""
    peak_memory: int | None = None
    """Bytes that the work took at most: of the process, or of the accelerator."""

    @property
    def place(self) -> str:
        """`cpu, 1 thread a process, 2 processes side by side`."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''} a process"
        beside = f", {self.processes} processes side by side" if self.processes > 1 else ""
        return f"{self.device}, {threads}{beside}"


class Speeds(dict[str, float]):
    """Rates by name, as estimates look them up, and `known`: the same with all that is known of them."""

    def __init__(self, known: Mapping[str, Speed]) -> None:
        super().__init__({name: speed.rate for name, speed in known.items()})
        self.known = dict(known)


def source_of(speeds: Mapping[str, float], name: str) -> Source:
    """Where the speed of this name comes from."""
    return speeds.known[name].source if isinstance(speeds, Speeds) else "remembered"


def reads_stories(task: Spec) -> bool:
    """Whether a task consists of stories."""
    return lookup.find("task", task.name).examples == "stories"


def is_dense(task: Spec) -> bool:
    """Whether every pixel of a task has a label."""
    return lookup.find("task", task.name).goal in DENSE


def general_name(encoder: Spec, task: Spec) -> str:
    """Of training in general: `resnet9(width=0.25) at 32 px`; every image that is encoded counts."""
    where = task.name if reads_stories(task) else f"{task.options.get('size', SIZE)} px"
    return f"{encoder.label} at {where}"


def _place(cell: Cell) -> str:
    """What a cell's encoder and head are: also whether it is a pair, and whether every pixel has a label."""
    pair = " of a pair" if lookup.find("pretext", cell.pretext.name).split else ""
    maps = ", maps" if is_dense(cell.task) else ""
    return f"{general_name(cell.encoder, cell.task)}{pair}{maps}"


def work_name(asked: Cell | Pretraining) -> str:
    """Of one kind of training step, or of one frozen protocol: encoder, size, pretext or protocol, batch."""
    if isinstance(asked, Pretraining):
        batch = f", batch {asked.budget.batch}" if asked.budget else ""
        return f"{general_name(asked.encoder, asked.task)}, {asked.pretext.label}{batch}"
    batch = f", batch {asked.budget.batch}" if asked.budget else ""
    return f"{_place(asked)}, {asked.protocol.label}{batch}"


def ready_name(asked: Cell | Pretraining) -> str:
    """Of making such a training ready, warm-up of its first steps included: trainings a second."""
    return f"{work_name(asked)}: made ready"


def scoring_name(cell: Cell) -> str:
    """Of scoring examples by a trained network, or of encoding them by a frozen one."""
    return f"{_place(cell)}, scoring"


def solving_names(cell: Cell) -> tuple[str, str, str]:
    """Of a frozen protocol: problems a second that have hardly a row, rows a second, scored test examples a second."""
    name = work_name(cell)
    return f"{name}: problems", f"{name}: rows", f"{name}: scored"


def _key(name: str, device: str) -> str:
    return name if device == CPU else f"{name} ({device})"


def _stored(cache: Path) -> dict[str, Speed]:
    """All speeds of the file by their keys there; entries that can't be read are left out."""
    try:
        table = json.loads((cache / FILE_NAME).read_text(encoding="utf-8"))
        entries = dict(table.items())
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}
    found = {}
    for name, value in entries.items():
        with contextlib.suppress(ValidationError):  # a bare number is a rate, by versions that noted no more
            found[name] = Speed.model_validate(value if isinstance(value, dict) else {"rate": value})
    return found


def read_speeds(cache: Path, device: str | None = None) -> Speeds:
    """Speeds by name, of a device or, where none is named, the newest of each; empty where there are none."""
    found: dict[str, Speed] = {}
    for key, speed in _stored(cache).items():
        if device in (None, speed.device):
            name = key.removesuffix(f" ({speed.device})")
            found.pop(name, None)
            found[name] = speed
    return Speeds(found)


def remember(cache: Path, speeds: Mapping[str, Speed]) -> None:
    """Add speeds by name to the file, the newest at its end; a cache that can't be written is no matter."""
    new, old = {_key(name, speed.device): speed for name, speed in speeds.items()}, _stored(cache)
    for key, speed in new.items():
        if speed.peak_memory is None and key in old:
            new[key] = speed.model_copy(update={"peak_memory": old[key].peak_memory})
    table = {key: speed for key, speed in old.items() if key not in new} | new
    content = {key: speed.model_dump(mode="json", exclude_none=True) for key, speed in table.items()}
    with contextlib.suppress(OSError):
        write_whole(cache / FILE_NAME, json.dumps(content, indent=1).encode())


def views(pretext: Spec) -> int:
    """Images that a pretext encodes for each that it is given."""
    return 2 if lookup.find("pretext", pretext.name).own_views else 1


def peak_name(asked: Cell | Pretraining) -> str:
    """The speed that also knows how much memory such work takes."""
    return solving_names(asked)[0] if isinstance(asked, Cell) and asked.budget is None else work_name(asked)


def passes(protocol: Spec) -> float:
    """Images that a trained protocol encodes for each of a batch: labelled ones twice where they are also turned."""
    twice = protocol.options.get("mask", False)
    return 1 + float(protocol.options["labelled_share"]) if twice else 1.0


def remember_speeds(
    cache: Path, records: Iterable[Record | PretrainingRecord], device: str = CPU, processes: int = 1
) -> None:
    """Add the medians of what these records say to the file."""
    rates: dict[str, list[float]] = {}
    peaks: dict[str, int] = {}
    threads = 1
    for record in records:
        for name, rate in _seen(record, device):
            rates.setdefault(name, []).append(rate)
        if record.training is not None:
            threads = max(threads, record.training.threads)
        if record.own_peak and record.peak_memory is not None:
            name = work_name(record.cell if isinstance(record, Record) else record.pretraining)
            peaks[name] = max(peaks.get(name, 0), record.peak_memory)
    found = {name: statistics.median(values) for name, values in rates.items()}
    new = {
        name: Speed(rate=rate, device=device, threads=threads, processes=processes, peak_memory=peaks.get(name))
        for name, rate in found.items()
    }
    if new:
        remember(cache, new)


def clocked(seconds: float, processor_seconds: float | None, device: str) -> float:
    """Seconds by the clock that counts: of one thread on a CPU those of the processor, as others slow the wall's."""
    return seconds if device != CPU or not processor_seconds else min(seconds, processor_seconds)


def parts(record: Record, device: str) -> tuple[float, float]:
    """Seconds that scoring took of a cell of a trained protocol, and all of it, by the clock that counts."""
    seconds = max(record.seconds or 0.0, INSTANT)
    whole = clocked(seconds, record.processor_seconds, device)
    return max((record.test_seconds or 0.0) * whole / seconds, INSTANT), whole


def _seen(record: Record | PretrainingRecord, device: str) -> Iterator[tuple[str, float]]:
    """The speeds that a record tells, by name; its first window is warm-up."""
    training = record.training
    if training is None or (isinstance(record, PretrainingRecord) and record.cached):
        return
    asked = record.cell if isinstance(record, Record) else record.pretraining
    encoded = passes(asked.protocol) if isinstance(asked, Cell) else views(asked.pretext)
    taken = [(w.images, clocked(w.seconds, w.processor_seconds, device)) for w in training.windows[1:]]
    rates = [images / seconds for images, seconds in taken if seconds > 0]
    for rate in rates:
        yield general_name(asked.encoder, asked.task), encoded * rate
        yield work_name(asked), rate
    if not isinstance(record, Record) or record.seconds is None or not record.test_count or not record.test_seconds:
        return
    scored, whole = parts(record, device)
    yield scoring_name(record.cell), record.test_count / scored
    rest = whole - scored - training.images / statistics.median(rates) if rates else 0.0
    if rest > 0:
        yield ready_name(record.cell), 1 / rest
