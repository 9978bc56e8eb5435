"""Folders of one study merged into one: shards, or runs of several machines.

Nothing is chosen silently. Unlike studies or conditions are refused; a key with different numbers in two folders is
an error that names both; a cell measured twice with the same number is kept once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from labeleff.catalogue import entry_points
from labeleff.errors import ConditionError, RecordError
from labeleff.records.conditions import table_changes, unlike
from labeleff.records.entries import Entry, LabelsEntry, PretrainingRecord, Record, RunEntry, StopEntry
from labeleff.records.folders import FILE_NAME, no_run
from labeleff.records.jsonl import Records, read_records
from labeleff.study.cell import Cell, Pretraining
from labeleff.study.loading import parse_study

Kind = TypeVar("Kind", RunEntry, LabelsEntry, PretrainingRecord, Record, StopEntry)
SHOWN = 5
"""Most conflicts that an error lists."""


@dataclass(frozen=True)
class Source:
    """One of the folders to be merged."""

    path: Path
    """Path of its records file."""
    records: Records
    torn: bool
    """Whether its last line is torn: the run was killed, or still writes."""


@dataclass(frozen=True)
class MergedRecords:
    """All entries of the folders, each key once: runs, labels, pretrainings, cells, then stops."""

    entries: list[Entry]
    homes: Mapping[str, Path]
    """Folder that a cell's record was taken from, by the cell's key."""
    repeated: int
    """Number of cells that more than one folder has, with the same number."""


def read_source(folder: Path) -> Source:
    """Read the records of a folder; RecordError where it has no run."""
    path = folder / FILE_NAME
    records = read_records(folder)
    if not records.runs:
        raise no_run(folder)
    for run in records.runs:
        entry_points.recall(run.plugins)
    return Source(path, records, torn=not path.read_bytes().endswith(b"\n"))


def merge(sources: Sequence[Source]) -> MergedRecords:
    """Merge folders; their order decides only the order of lines.

    Raises RecordError for a folder of another study and for conflicts, ConditionError for unlike conditions.
    """
    for other in sources[1:]:
        _check_study(sources[0], other)
    for one, other in itertools.combinations(sources, 2):
        _check_conditions(one, other)
    conflicts: list[str] = []
    runs = _unite([(s.path, {run.run: run for run in s.records.runs}) for s in sources], _run_text, conflicts)
    labels = _unite([(s.path, _labels(s.records)) for s in sources], _labels_text, conflicts)
    pretrainings = _unite([(s.path, s.records.pretrainings) for s in sources], _pretraining_text, conflicts)
    cells = _unite([(s.path, s.records.cells) for s in sources], _cell_text, conflicts)
    stops = _unite([(s.path, s.records.stops) for s in sources], _stop_text, conflicts)
    if conflicts:
        more = f"\nand {len(conflicts) - SHOWN} more" if len(conflicts) > SHOWN else ""
        raise RecordError(
            f"{len(conflicts)} conflict{'s' if len(conflicts) > 1 else ''}, nothing was written; leave out the folder "
            "that is wrong, and measure again what only it has:\n" + "\n".join(conflicts[:SHOWN]) + more
        )
    keys = [key for source in sources for key in source.records.cells]
    return MergedRecords(
        entries=[entry for group in (runs, labels, pretrainings, cells, stops) for entry, _ in group.values()],
        homes={key: path.parent for key, (_, path) in cells.items()},
        repeated=len(keys) - len(set(keys)),
    )


def _labels(records: Records) -> dict[str, LabelsEntry]:
    """Label sets by task, subset, draw and label count, so that different labels of one draw meet."""
    return {f"{e.task} {e.subset} {e.draw} {e.n}": e for e in records.labels.values()}


def _check_study(first: Source, other: Source) -> None:
    tables = []
    for source in (first, other):
        newest = source.records.runs[-1]
        tables.append(parse_study(newest.study, f"{source.path}, study of run {newest.run}").model_dump(mode="json"))
    if changes := table_changes(*tables):
        raise RecordError(f"{other.path}: holds another study than {first.path}: {'; '.join(changes)}")


def _check_conditions(one: Source, other: Source) -> None:
    for old, new in itertools.product(one.records.measured_runs, other.records.measured_runs):
        for what, before, after in unlike(old.conditions, new.conditions):
            raise ConditionError(
                f"{what} is {before} in {one.path} and {after} in {other.path}; numbers of different conditions are "
                "not mixed"
            )


def _unite(
    tables: Iterable[tuple[Path, Mapping[str, Kind]]], text: Callable[[Kind], tuple[str, object]], conflicts: list[str]
) -> dict[str, tuple[Kind, Path]]:
    """Entries by key with the file that each was taken from; `text` gives an entry's name and content, in words."""
    entries: dict[str, tuple[Kind, Path]] = {}
    for path, table in tables:
        for key, entry in table.items():
            if key not in entries:
                entries[key] = entry, path
                continue
            first, home = entries[key]
            (what, before), (_, after) = text(first), text(entry)
            if _rank(first) == _rank(entry) == 0 and before != after:
                conflicts.append(f"{what}: {before} in {home}, {after} in {path}")
            elif _rank(entry) < _rank(first):
                entries[key] = entry, path
    return entries


def _rank(entry: Entry) -> int:
    """Rank by which a finished entry (0) goes before a failed one (1)."""
    return int(isinstance(entry, PretrainingRecord | Record) and entry.status == "failed")


def _run_text(entry: RunEntry) -> tuple[str, object]:
    return f"run {entry.run}", f"started {entry.started} by {entry.command}"


def _stop_text(entry: StopEntry) -> tuple[str, object]:
    return f"stop of run {entry.run}", f"at {entry.time} by its {entry.reason}"


def _labels_text(entry: LabelsEntry) -> tuple[str, object]:
    return f"labels of {entry.task}, draw {entry.draw}, n={entry.n}", entry.indices_sha256


def _pretraining_text(entry: PretrainingRecord) -> tuple[str, object]:
    facts = [f"encoder {str(entry.encoder_sha256)[:16]}", *(f"{k} {v!r}" for k, v in sorted(entry.metrics.items()))]
    return f"pretraining {entry.key} ({_named(entry.pretraining)}, seed {entry.pretraining.seed})", ", ".join(facts)


def _cell_text(entry: Record) -> tuple[str, object]:
    cell = entry.cell
    where = f"{_named(cell)}, n={cell.n}, draw {cell.draw}, seed {cell.seed}"
    facts = [f"{key} {value!r}" for key, value in sorted(entry.metrics.items())]
    return f"cell {entry.key} ({where})", ", ".join([*facts, f"labels {str(entry.indices_sha256)[:16]}"])


def _named(item: Cell | Pretraining) -> str:
    arm = item.arm if isinstance(item, Cell) else item.pretext.label
    return f"{item.named_task.label}, {item.encoder.label}, {arm}"


def whole_command(runs: Sequence[RunEntry], out: Path) -> list[str]:
    """The shards' command without --shard, which measures the cells they left into the folder `out`."""
    words = iter(runs[-1].command)
    return [*_without(words, ("--shard", "--out", "-o")), "--out", str(out)]


def _without(words: Iterator[str], options: Sequence[str]) -> Iterator[str]:
    for word in words:
        if word in options:
            next(words, None)
        elif not word.startswith(tuple(f"{option}=" for option in options)):
            yield word
