"""Pairs of folders for tests of comparisons: a small study, and the same with something changed."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from labeleff.comparison.judgement import JudgedChange
from labeleff.comparison.regression import Outcome, compare
from labeleff.records.entries import Conditions, PretrainingRecord, Record, RunEntry
from labeleff.records.training_log import Training, Window
from labeleff.reporting.results import Results, load
from labeleff.study import schema
from labeleff.study.gate import Criteria, criteria
from support import factories

Change = Callable[[Record], Record]


def again(seed: int, shift: float = 0.0, sd: float = 0.01) -> Change:
    """The cell measured anew: its own noise, and `shift` on top."""

    def change(record: Record) -> Record:
        rng = np.random.default_rng([seed, zlib.crc32(record.key.encode())])
        value = record.metrics["accuracy"] + shift + sd * float(rng.standard_normal())
        return record.model_copy(update={"metrics": {"accuracy": round(value, 4)}})

    return change


def faster(factor: float, seed: int = 0, sd: float = 0.01) -> Callable[[Training], Training]:
    """The training at another speed, with noise of its own."""

    def change(training: Training) -> Training:
        rng = np.random.default_rng([seed, round(training.seconds * 1e9)])
        windows = [
            Window(images=w.images, seconds=w.seconds / factor * float(np.exp(sd * rng.standard_normal())))
            for w in training.windows
        ]
        return training.model_copy(update={"windows": windows, "seconds": sum(w.seconds for w in windows)})

    return change


def at_speed(factor: float, seed: int = 0) -> Change:
    """The cell at another speed."""

    def change(record: Record) -> Record:
        if record.training is None:
            return record
        return record.model_copy(
            update={"training": faster(factor, seed + zlib.crc32(record.key.encode()))(record.training)}
        )

    return change


def folder(
    path: Path,
    *changes: Change,
    of: schema.Study | None = None,
    run: dict[str, object] | None = None,
    keep: Callable[[Record], bool] = bool,
    pretrainings: Sequence[PretrainingRecord] | None = None,
) -> Path:
    """Write the study with every cell changed; `run` replaces fields of the run entry."""
    study = of or factories.study()
    records = factories.cell_records(study)
    for change in changes:
        records = [change(record) for record in records]
    entry: RunEntry = factories.run_entry(study, **(run or {}))
    encoders = factories.pretrainings(study) if pretrainings is None else pretrainings
    return factories.write(path, [entry, *encoders, *(record for record in records if keep(record))])


def outcome(base: Path | Results, new: Path | Results, chosen: Criteria | None = None, level: float = 0.9) -> Outcome:
    """Compare two folders."""
    sides = [load(side) if isinstance(side, Path) else side for side in (base, new)]
    return compare(*sides, chosen or criteria(None), level)


def row(found: Outcome, name: str) -> JudgedChange:
    """The row of that name; there must be one."""
    [item] = [row for row in found.rows if row.change.subject.name == name]
    return item


def with_processor_time(share: float = 1.0) -> Change:
    """The cell with processor time, `share` of what the clock on the wall says."""

    def change(record: Record) -> Record:
        worked = None if record.seconds is None else share * record.seconds
        changes: dict[str, object] = {"processor_seconds": worked}
        if record.training is not None:
            windows = [w.model_copy(update={"processor_seconds": share * w.seconds}) for w in record.training.windows]
            changes["training"] = record.training.model_copy(update={"windows": windows})
        return record.model_copy(update=changes)

    return change


def with_memory(factor: float = 1.0, own: bool = True) -> Change:
    """The cell with another peak of memory, its own or the process's so far."""

    def change(record: Record) -> Record:
        return record.model_copy(update={"peak_memory": round(factor * (record.peak_memory or 0)), "own_peak": own})

    return change


def conditions(**changes: object) -> Conditions:
    """The conditions of the known study's run, with some changed."""
    return Conditions(**(factories.run_entry(factories.study()).conditions.model_dump() | changes))


def on_day(
    number: int, shift: float = 0.0, *, of: schema.Study | None = None, speed: float = 1.0, **fields: object
) -> Path:
    """A folder measured on day `number` of January, in the folder of work."""
    known = factories.run_entry(factories.study()).environment
    git = {"commit": f"{number:07d}" + "0" * 33, "dirty": False}
    fields = {"started": f"2026-01-{number:02d}T00:00:00+00:00", "environment": known | {"git": git}} | fields
    changes = [again(number, shift), at_speed(speed, number)]
    return folder(Path(f"run{number:02d}"), *changes, of=of, run=fields)
