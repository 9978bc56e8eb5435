"""What came out: `records.jsonl`, append-only, a line per run, stop by a time limit, label set, pretraining or cell.

Every line is flushed and synced before the next cell starts, so a killed run loses nothing that finished. A torn last
line is survived; a damaged line anywhere else is an error that names it. Raw values are stored; means and intervals are
derived on read. A missing value is null.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError

from labeleff.cell import Cell, Frozen, Pretraining, Subset
from labeleff.collection import without_collection
from labeleff.errors import RecordError
from labeleff.files import write_whole
from labeleff.holding import at_place, held
from labeleff.plugin import Plugin
from labeleff.probe import ProbeCurve
from labeleff.run_estimate import RunEstimate

SCHEMA = 1
FILE_NAME = "records.jsonl"


class Conditions(Frozen):
    """What must be equal for two records to be compared as numbers of one experiment."""

    device: str
    """Kind of device: `cpu` or the accelerator's name."""
    precision: dict[str, str]
    """Arithmetic that `auto` stood for, by encoder name: `fp32` or `bf16`."""
    torch: str
    """Major and minor version of torch."""
    data: dict[str, str]
    """SHA-256 of each task's arrays, by task label."""
    plugins: dict[str, str] = Field(default_factory=dict)
    """Plug-ins of other packages, e.g. `pretext quadrant`: distribution, version, digest of the file of its code."""


class RunEntry(Frozen):
    """One start of the command: the study as it was run, the conditions and the environment."""

    type: Literal["run"] = "run"
    schema_version: int = SCHEMA
    run: str
    started: str
    command: list[str]
    study: dict[str, Any]
    conditions: Conditions
    tasks: dict[str, dict[str, Any]]
    """By task label: `classes`, `train`, `test`, `chance`, `metric`, `provenance`."""
    environment: dict[str, Any]
    plugins: dict[str, Plugin] = Field(default_factory=dict)
    """What plug-ins of other packages say of themselves, as in `conditions.plugins`, so that the records can be read
    where these aren't installed; empty in records of earlier versions."""
    estimate: RunEstimate | None = None
    """What it was expected to take, of what it had to do; None in records of earlier versions."""


class LabelsEntry(Frozen):
    """Which images one draw labels at one rung; cells refer to it by its hash, so the file is complete in itself."""

    type: Literal["labels"] = "labels"
    schema_version: int = SCHEMA
    task: str
    """The task's label."""
    draw: int
    n: int
    subset: Subset
    indices_sha256: str
    indices: list[int]
    """Sorted positions in the training split."""


class Window(Frozen):
    """A timed stretch of training: an epoch, or several steps where epochs are shorter than 20 steps."""

    images: int
    seconds: float
    processor_seconds: float | None = None
    """Of all threads of the process; of one thread it is about `seconds`, and less where others had the processor."""


class Training(Frozen):
    """How the optimisation went: raw, for throughput and learning curves."""

    steps: int
    batch: int
    images: int
    seconds: float
    windows: list[Window]
    history: list[dict[str, float]] = Field(default_factory=list)
    """Learning curve: one entry an epoch (or window) with `step`, `epoch`, `loss`, `accuracy` (of pixels, where they
    have labels), ..."""
    layout: str = "contiguous"
    threads: int = 1
    slots: int = 1
    """The most models that it was computed together with, itself included. Seconds are its share of theirs, so that
    images over seconds is what all of them did in a second."""
    packing: Literal["loop", "grouped", "vmap"] = "loop"
    """How they were computed as one: `loop` is each by itself."""
    backend: Literal["eager", "graph"] = "eager"
    """Whether a step was captured as a CUDA graph."""
    fallback: str | None = None
    """Why models weren't computed as one, or a step not captured, where that was tried."""


class PretrainingRecord(Frozen):
    """A pretrained encoder: its key, its own metrics and how its training went."""

    type: Literal["pretraining"] = "pretraining"
    schema_version: int = SCHEMA
    run: str
    key: str
    pretraining: Pretraining
    status: Literal["ok", "failed"]
    reason: str | None = None
    detail: str | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    encoder_sha256: str | None = None
    training: Training | None = None
    cached: bool = False
    """True where the encoder came from the cache: its timing then belongs to an earlier run."""
    provenance: str | None = None
    """Weights from outside: where they came from and what was left out, in words."""
    weights_sha256: str | None = None
    """Weights from outside: SHA-256 over names, types, shapes and bytes of the tensors as they came."""
    peak_memory: int | None = None
    own_peak: bool = False
    """As in a cell's record."""
    probes: list[ProbeCurve] = Field(default_factory=list)
    """Linear probes while it was trained, a curve a task; none where the study asks for none."""

    @classmethod
    def failed(cls, run: str, asked: Pretraining, reason: str, detail: str | None = None) -> Self:
        """The record of a pretraining that gave no encoder."""
        return cls(run=run, key=asked.key, pretraining=asked, status="failed", reason=reason, detail=detail)


class Record(Frozen):
    """A finished or failed cell."""

    type: Literal["cell"] = "cell"
    schema_version: int = SCHEMA
    run: str
    key: str
    cell: Cell
    status: Literal["ok", "failed"]
    reason: str | None = None
    detail: str | None = None
    """The traceback, where a cell failed for a reason that nobody foresaw."""
    metrics: dict[str, float | None] = Field(default_factory=dict)
    """The task's metrics on the whole test split, unrounded, e.g. `accuracy` in 0..1."""
    test_count: int | None = None
    test_loss: float | None = None
    """Mean of the goal's loss on the test split, of trained protocols; for looking at alone."""
    test_seconds: float | None = None
    """What scoring the test split took, of trained protocols."""
    indices_sha256: str | None = None
    """SHA-256 of the sorted label indices as little-endian int64."""
    missing_classes: list[str] = Field(default_factory=list)
    pretraining: str | None = None
    training: Training | None = None
    train_metrics: dict[str, float | None] = Field(default_factory=dict)
    peak_memory: int | None = None
    """Bytes: of the device where it counts them, else of the process."""
    own_peak: bool = False
    """Whether the peak is that of this cell, or of its frozen protocol's batch; else of the process or its pack."""
    seconds: float | None = None
    processor_seconds: float | None = None
    """All threads' seconds; `seconds` are of the clock on the wall. Both share out evenly what a batch of cells of a
    frozen protocol took, and every step of cells that are trained as one."""
    finished: str | None = None

    @classmethod
    def failed(cls, run: str, cell: Cell, reason: str, detail: str | None = None, **known: Any) -> Self:
        """The record of a cell that gave no number, with what else is known of it."""
        return cls(run=run, key=cell.key, cell=cell, status="failed", reason=reason, detail=detail, **known)


class StopEntry(Frozen):
    """A run that its time limit ended before all of its study was measured."""

    type: Literal["stop"] = "stop"
    schema_version: int = SCHEMA
    run: str
    time: str
    reason: Literal["time limit"] = "time limit"
    limit: float
    """Seconds that the run was given."""
    left: int
    """Cells of the study (or of the run's shard) that weren't measured when it stopped."""


Entry = RunEntry | LabelsEntry | PretrainingRecord | Record | StopEntry
_ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="type")])


class Records:
    """Everything in one records file; for equal keys the last line counts."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.runs: list[RunEntry] = []
        self.labels: dict[str, LabelsEntry] = {}
        """By hash of the sorted indices."""
        self.pretrainings: dict[str, PretrainingRecord] = {}
        self.cells: dict[str, Record] = {}
        self.stops: dict[str, StopEntry] = {}
        """By run: where a time limit ended it."""
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Take in one more entry, as the next line of the file."""
        if isinstance(entry, RunEntry):
            self.runs.append(entry)
        elif isinstance(entry, LabelsEntry):
            self.labels[entry.indices_sha256] = entry
        elif isinstance(entry, PretrainingRecord):
            self.pretrainings[entry.key] = entry
        elif isinstance(entry, StopEntry):
            self.stops[entry.run] = entry
        else:
            self.cells[entry.key] = entry


def _lines(path: Path) -> tuple[list[bytes], int]:
    """Whole lines of the file, and the byte length of what is whole (a torn tail lies behind it)."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise RecordError(f"{path}: can't be read: {error.strerror}") from error
    end = content.rfind(b"\n") + 1
    return content[:end].splitlines(), end


def read_records(folder: Path) -> Records:
    """Read `folder/records.jsonl`; a torn last line is left out, a missing file gives no entries.

    Raises RecordError naming file and line where a whole line is not a record.
    """
    return _parse(folder / FILE_NAME)[0]


def _parse(path: Path) -> tuple[Records, int]:
    """The entries of a records file, and the byte length of its whole lines."""
    lines, end = _lines(path)
    with without_collection():
        return Records(list(_entries(path, lines))), end


def _entries(path: Path, lines: list[bytes]) -> Iterator[Entry]:
    for number, line in enumerate(lines, start=1):
        try:
            entry = _ENTRY.validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise RecordError(
                f"{path}, line {number}: not a record: {first['msg']}{f' (at {where})' if where else ''}; "
                f"found {line[:60].decode(errors='replace')!r}, expected one JSON object a line. "
                "Restore the file, or delete that line to measure its cell again"
            ) from error
        if entry.schema_version > SCHEMA:
            raise RecordError(
                f"{path}, line {number}: schema version {entry.schema_version}, but this labeleff reads up to "
                f"{SCHEMA}; upgrade labeleff"
            )
        yield entry


def line(entry: Entry) -> bytes:
    """An entry as it stands in the file, with its line's end."""
    return json.dumps(entry.model_dump(mode="json"), separators=(",", ":"), allow_nan=False).encode() + b"\n"


class RecordWriter:
    """Appends entries to `folder/records.jsonl`, each synced to disk before `write` returns."""

    def __init__(self, folder: Path, stream: IO[bytes]) -> None:
        self._path = folder / FILE_NAME
        self._stream = stream

    def write(self, *entries: Entry) -> None:
        """Append entries and sync once. On a full disk all of them are taken back."""
        data = b"".join(map(line, entries))
        self.check_place()
        start = self._stream.tell()
        try:
            while data:  # a disk that is nearly full takes a part without complaint
                data = data[self._stream.write(data) :]
            os.fsync(self._stream.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._stream.fileno(), start)
            raise RecordError(
                f"{self._path}: can't be written: {error.strerror}; every earlier record is safe. "
                "Make room and run the same command again to go on"
            ) from error

    def check_place(self) -> None:
        """RecordError where the file was removed or replaced under the run; what it held is saved first."""
        try:
            if at_place(self._stream, self._path):
                return
        except OSError as error:
            raise RecordError(f"{self._path}: can't be reached any more: {error.strerror}") from error
        saved = self._path.with_name("records-rescued.jsonl") if self._path.exists() else self._path
        content = os.pread(self._stream.fileno(), os.fstat(self._stream.fileno()).st_size, 0)
        try:
            write_whole(saved, content)
        except OSError as error:
            raise RecordError(
                f"{self._path}: was removed while the run was writing to it, and its {len(content):,} bytes can't be "
                f"saved there: {error.strerror}"
            ) from error
        raise RecordError(
            f"{self._path}: was removed or replaced while the run was writing to it; all that was recorded is in "
            f"{saved}. Run the same command again to go on"
        )


@contextlib.contextmanager
def open_records(folder: Path) -> Iterator[tuple[Records, RecordWriter]]:
    """Take `folder` for this process alone, read what is there and give a writer.

    A torn last line is cut off first. Raises RecordError where the folder can't be made or written, or another
    process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / FILE_NAME).open("a+b", buffering=0)
    except OSError as error:
        raise RecordError(
            f"{folder}: can't be written: {error.strerror}; choose another output folder with --out"
        ) from error
    with stream, held(stream, folder / FILE_NAME):
        records, end = _parse(folder / FILE_NAME)
        os.ftruncate(stream.fileno(), end)
        stream.seek(0, os.SEEK_END)
        yield records, RecordWriter(folder, stream)
