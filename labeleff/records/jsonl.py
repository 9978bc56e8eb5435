"""The records file `records.jsonl`: read, append, sync.

It is append-only, with one line per run, stop by a time limit, label set, pretraining or cell. Every line is flushed
and synced before the next cell starts, so a killed run loses nothing that finished. A torn last line is tolerated; a
damaged line anywhere else is an error that names it. Raw values are stored; means and intervals are derived on read.
A missing value is null.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from labeleff.catalogue.declaration import Spec
from labeleff.errors import RecordError
from labeleff.files import without_collection, write_whole
from labeleff.records.entries import _ENTRY, SCHEMA, Entry, LabelsEntry, PretrainingRecord, Record, RunEntry, StopEntry
from labeleff.records.folders import FILE_NAME
from labeleff.records.lock import at_place, lock_folder
from labeleff.records.places import without_places
from labeleff.study.cell import Budget, Cell

NEWER = {"extra_forbidden", "union_tag_invalid"}
"""Mistakes, as pydantic calls them, that a line of a later version of the same schema has."""
MEND = "Restore the file, or delete that line to measure its cell again"
READERS = "models"
"""Folder, inside a run's, of its trained readers of stories."""


def reader_path(folder: Path, key: str) -> Path:
    """Path of the reader of stories that the run in `folder` trained for the cell `key`."""
    return folder / READERS / f"{key}.safetensors"


class Records:
    """All entries of one records file; for equal keys the last line counts."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.runs: list[RunEntry] = []
        self.labels: dict[str, LabelsEntry] = {}
        """Label sets by hash of the sorted indices."""
        self.pretrainings: dict[str, PretrainingRecord] = {}
        self.cells: dict[str, Record] = {}
        self.stops: dict[str, StopEntry] = {}
        """Stops by a time limit, by run."""
        for entry in entries:
            self.add(entry)

    @property
    def measured_runs(self) -> list[RunEntry]:
        """Runs of which a record without a failure is left."""
        names = {record.run for record in self.cells.values() if record.status == "ok"}
        names |= {record.run for record in self.pretrainings.values() if record.status == "ok"}
        return [run for run in self.runs if run.run in names]

    @property
    def precision(self) -> Mapping[str, str]:
        """What `auto` meant, by the names of encoders, in the last run of each that measured."""
        return {name: kind for run in self.measured_runs for name, kind in run.conditions.precision.items()}

    def add(self, entry: Entry) -> None:
        """Add an entry, as the next line of the file."""
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
    """Whole lines of the file, and their length in bytes, behind which a torn tail may lie."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise RecordError(f"{path}: can't be read: {error.strerror}") from error
    end = content.rfind(b"\n") + 1
    return content[:end].splitlines(), end


def read_records(folder: str | Path) -> Records:
    """Read `folder/records.jsonl`; a torn last line is left out, a missing file gives no entries.

    Raises RecordError naming file and line where a whole line is not a record.
    """
    return _parse(Path(folder) / FILE_NAME)[0]


def _parse(path: Path) -> tuple[Records, int]:
    """The entries of a records file, and the byte length of its whole lines."""
    lines, end = _lines(path)
    with without_collection():
        return Records(list(_entries(path, lines))), end


def _entries(path: Path, lines: list[bytes]) -> Iterator[Entry]:
    names: dict[str, str] = {}
    shared: dict[object, Spec | Budget] = {}
    scores: dict[str, tuple[int, dict[str, float | None]]] = {}
    for number, line in enumerate(lines, start=1):
        try:
            entry = _ENTRY.validate_json(line)
        except ValidationError as error:
            _check_schema(f"{path}, line {number}", _schema_version(line))
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            newer = first["type"] in NEWER
            raise RecordError(
                f"{path}, line {number}: not a record: {first['msg']}{f' (at {where})' if where else ''}; "
                f"found {line[:60].decode(errors='replace')!r}, expected one JSON object a line. "
                + ("A later labeleff may have written it: upgrade this one, else restore the file" if newer else MEND)
            ) from error
        _check_schema(f"{path}, line {number}", entry.schema_version)
        if isinstance(entry, Record):
            _share(entry.cell, shared)
        current = without_places(entry, names)
        if isinstance(current, Record | PretrainingRecord):
            measured = current.cell if isinstance(current, Record) else current.pretraining
            if current.key != measured.key:
                raise RecordError(
                    f"{path}, line {number}: its key is {current.key}, expected {measured.key}, that of what it says "
                    f"was measured: the line was changed. {MEND}"
                )
        if isinstance(current, Record) and current.status == "ok":
            before, metrics = scores.setdefault(current.key, (number, current.metrics))
            if current.metrics != metrics:
                raise RecordError(
                    f"{path}, lines {before} and {number}: found {metrics} and {current.metrics} of one cell, expected "
                    "one result: files of two runs were joined; keep them in two folders, of which merge makes one"
                )
        yield current


def _schema_version(line: bytes) -> object:
    """The schema version that a line gives, whatever else is in it; None where it gives none."""
    try:
        table = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return table.get("schema_version") if isinstance(table, dict) else None


def _check_schema(where: str, version: object) -> None:
    """Raise RecordError for a schema version of a later labeleff."""
    if isinstance(version, int) and version > SCHEMA:
        raise RecordError(
            f"{where}: schema version {version}, but this labeleff reads up to {SCHEMA}; upgrade labeleff"
        )


def _share(cell: Cell, shared: dict[object, Spec | Budget]) -> None:
    """Let cells with the same task, encoder, pretext, protocol or budget have one object for it: half the memory."""
    for name in ("task", "encoder", "pretext", "protocol"):
        spec: Spec = cell.__dict__[name]
        cell.__dict__[name] = shared.setdefault(f"{spec.name} {spec.options!r}", spec)
    for name in ("budget", "pretrain"):
        budget: Budget | None = cell.__dict__[name]
        if budget is not None:
            cell.__dict__[name] = shared.setdefault(budget, budget)


def line(entry: Entry) -> bytes:
    """An entry as a line of the file, with its line end."""
    return json.dumps(entry.model_dump(mode="json"), separators=(",", ":"), allow_nan=False).encode() + b"\n"


class RecordWriter:
    """Appends entries to `folder/records.jsonl`, each synced to disk before `write` returns."""

    def __init__(self, folder: Path, stream: IO[bytes]) -> None:
        self._path = folder / FILE_NAME
        self._stream = stream

    def write(self, *entries: Entry) -> None:
        """Append entries and sync once; on a full disk all of them are removed again and RecordError is raised."""
        data = b"".join(map(line, entries))
        self.check_place()
        start = self._stream.tell()
        try:
            while data:  # a disk that is nearly full writes a part without an error
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
        """Raise RecordError where the file was removed or replaced during the run; its content is saved first."""
        try:
            if at_place(self._stream, self._path):
                return
        except OSError as error:
            raise RecordError(f"{self._path}: can't be reached any more: {error.strerror}") from error
        saved = self._path.with_name("records-rescued.jsonl") if self._path.exists() else self._path
        self._stream.seek(0)
        content = self._stream.read()
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
def _opened(folder: Path) -> Iterator[IO[bytes]]:
    """Open and lock the records file of `folder`, which is made; raises RecordError where that can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / FILE_NAME).open("a+b", buffering=0)
    except OSError as error:
        raise RecordError(
            f"{folder}: can't be written: {error.strerror}; choose another output folder with --out"
        ) from error
    with stream, lock_folder(stream, folder / FILE_NAME):
        yield stream


def check_free(folder: Path) -> Records:
    """Read a folder's records as a run would, which could begin there now; raises RecordError where none could.

    What was made to find out is removed again, so that the folder stays as it was.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    new = not (folder / FILE_NAME).exists()
    try:
        with _opened(folder):
            return read_records(folder)
    finally:
        with contextlib.suppress(OSError):  # where nothing could be made, nothing is to be removed
            if new:
                (folder / FILE_NAME).unlink()
            for place in made:
                place.rmdir()


@contextlib.contextmanager
def open_records(folder: Path) -> Iterator[tuple[Records, RecordWriter]]:
    """Lock `folder` for this process, read its records and return them with a writer.

    A torn last line is cut off first. Raises RecordError where the folder can't be made or written, or another
    process has locked it.
    """
    with _opened(folder) as stream:
        records, end = _parse(folder / FILE_NAME)
        os.ftruncate(stream.fileno(), end)
        stream.seek(0, os.SEEK_END)
        yield records, RecordWriter(folder, stream)
