"""Folders of one study into one: shards of a job array, or what several machines measured.

Nothing is chosen in silence. Unlike studies or conditions are refused; a key that two folders give different numbers
is an error that names both; what was measured twice with the same number is kept once.
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
from labeleff.records.jsonl import FILE_NAME, Records, read_records
from labeleff.study.cell import Cell, Pretraining
from labeleff.study.loading import parse_study

Kind = TypeVar("Kind", RunEntry, LabelsEntry, PretrainingRecord, Record, StopEntry)
SHOWN = 5
"""Conflicts that an error lists."""


@dataclass(frozen=True)
class Source:
    """One of the folders."""

    path: Path
    """Its records file."""
    records: Records
    torn: bool
    """Its last line is torn: the run was killed, or still writes."""


@dataclass(frozen=True)
class Merged:
    """What the folders hold together, each key once: runs, labels, pretrainings, cells, then stops."""

    entries: list[Entry]
    homes: Mapping[str, Path]
    """By key of a cell: the folder that its record was taken from."""
    repeated: int
    """Cells that more than one folder has, with the same number."""


def read_source(folder: Path) -> Source:
    """A folder's records; RecordError where there is no run in it."""
    path = folder / FILE_NAME
    if not path.exists():
        raise RecordError(f"{path}: not there, expected records of `labeleff run`; check the folder's name")
    records = read_records(folder)
    if not records.runs:
        raise RecordError(f"{path}: no run found, expected records of `labeleff run`")
    for run in records.runs:
        entry_points.recall(run.plugins)
    return Source(path, records, torn=not path.read_bytes().endswith(b"\n"))


def merge(sources: Sequence[Source]) -> Merged:
    """Everything that these folders hold. The order of folders decides nothing but the order of lines.

    Raises RecordError for a folder of another study and for conflicts, ConditionError for unlike conditions.
    """
    for other in sources[1:]:
        _check_study(sources[0], other)
    for one, other in itertools.combinations(sources, 2):
        _check_conditions(one, other)
    conflicts: list[str] = []
    runs = _united([(s.path, {run.run: run for run in s.records.runs}) for s in sources], _run_text, conflicts)
    labels = _united([(s.path, _labels(s.records)) for s in sources], _labels_text, conflicts)
    pretrainings = _united([(s.path, s.records.pretrainings) for s in sources], _pretraining_text, conflicts)
    cells = _united([(s.path, s.records.cells) for s in sources], _cell_text, conflicts)
    stops = _united([(s.path, s.records.stops) for s in sources], _stop_text, conflicts)
    if conflicts:
        more = f"\nand {len(conflicts) - SHOWN} more" if len(conflicts) > SHOWN else ""
        raise RecordError(
            f"{len(conflicts)} conflict{'s' if len(conflicts) > 1 else ''}, nothing was written; leave out the folder "
            "that is wrong, and measure again what only it has:\n" + "\n".join(conflicts[:SHOWN]) + more
        )
    counted = [key for source in sources for key in source.records.cells]
    return Merged(
        entries=[found for group in (runs, labels, pretrainings, cells, stops) for found, _ in group.values()],
        homes={key: path.parent for key, (_, path) in cells.items()},
        repeated=len(counted) - len(set(counted)),
    )


def _labels(records: Records) -> dict[str, LabelsEntry]:
    """By what they are the labels of, so that other labels of the same draw are met."""
    return {f"{e.task} {e.subset} {e.draw} {e.n}": e for e in records.labels.values()}


def _check_study(first: Source, other: Source) -> None:
    tables = []
    for source in (first, other):
        newest = source.records.runs[-1]
        tables.append(parse_study(newest.study, f"{source.path}, study of run {newest.run}").model_dump(mode="json"))
    if changes := table_changes(*tables):
        raise RecordError(f"{other.path}: holds another study than {first.path}: {'; '.join(changes)}")


def _check_conditions(one: Source, other: Source) -> None:
    for old, new in itertools.product(one.records.runs, other.records.runs):
        for what, before, after in unlike(old.conditions, new.conditions):
            raise ConditionError(
                f"{what} is {before} in {one.path} and {after} in {other.path}; numbers of different conditions are "
                "not mixed"
            )


def _united(
    tables: Iterable[tuple[Path, Mapping[str, Kind]]], told: Callable[[Kind], tuple[str, object]], conflicts: list[str]
) -> dict[str, tuple[Kind, Path]]:
    """Entries by key with the file that each was taken from; `told` gives what an entry is and says, in words."""
    found: dict[str, tuple[Kind, Path]] = {}
    for path, table in tables:
        for key, entry in table.items():
            if key not in found:
                found[key] = entry, path
                continue
            kept, home = found[key]
            (what, before), (_, after) = told(kept), told(entry)
            if _rank(kept) == _rank(entry) == 0 and before != after:
                conflicts.append(f"{what}: {before} in {home}, {after} in {path}")
            elif _rank(entry) < _rank(kept):
                found[key] = entry, path
    return found


def _rank(entry: Entry) -> int:
    """A finished entry goes before a failed one."""
    return int(isinstance(entry, PretrainingRecord | Record) and entry.status == "failed")


def _run_text(entry: RunEntry) -> tuple[str, object]:
    return f"run {entry.run}", f"started {entry.started} by {entry.command}"


def _stop_text(entry: StopEntry) -> tuple[str, object]:
    return f"stop of run {entry.run}", f"at {entry.time} by its {entry.reason}"


def _labels_text(entry: LabelsEntry) -> tuple[str, object]:
    return f"labels of {entry.task}, draw {entry.draw}, n={entry.n}", entry.indices_sha256


def _pretraining_text(entry: PretrainingRecord) -> tuple[str, object]:
    said = [f"encoder {str(entry.encoder_sha256)[:16]}", *(f"{k} {v!r}" for k, v in sorted(entry.metrics.items()))]
    return f"pretraining {entry.key} ({_named(entry.pretraining)}, seed {entry.pretraining.seed})", ", ".join(said)


def _cell_text(entry: Record) -> tuple[str, object]:
    cell = entry.cell
    where = f"{_named(cell)}, n={cell.n}, draw {cell.draw}, seed {cell.seed}"
    said = [f"{key} {value!r}" for key, value in sorted(entry.metrics.items())]
    return f"cell {entry.key} ({where})", ", ".join([*said, f"labels {str(entry.indices_sha256)[:16]}"])


def _named(item: Cell | Pretraining) -> str:
    arm = item.arm if isinstance(item, Cell) else item.pretext.label
    return f"{item.task.label}, {item.encoder.label}, {arm}"


def whole_command(runs: Sequence[RunEntry], out: Path) -> list[str]:
    """The command that measures into `out` what the shards left: theirs, without --shard and with that folder."""
    words = iter(runs[-1].command)
    return [*_without(words, ("--shard", "--out", "-o")), "--out", str(out)]


def _without(words: Iterator[str], options: Sequence[str]) -> Iterator[str]:
    for word in words:
        if word in options:
            next(words, None)
        elif not word.startswith(tuple(f"{option}=" for option in options)):
            yield word
