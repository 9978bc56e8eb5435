"""Noisy labels of a training pool: by chance, or from a table.

Which examples get a wrong label, and which one, depends on the task's name, the draw and the example's position, never
on arm, seed, rung or order. Every example has one uniform number per draw and is wrong where that is under the rate:
what is wrong at a low rate is wrong, in the same way, at a higher one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labeleff.catalogue.declaration import Spec
from labeleff.errors import ConditionError, DataError, RunsError
from labeleff.reporting.external.csv_text import decode, records, sniff
from labeleff.seeding import generator
from labeleff.study.label_conditions import Noise
from labeleff.training.examples import Source, Task

Indices = NDArray[np.int64]
POSITIONS = ("index", "position")
IDS = ("id", "ids", "filename", "key", "name", *POSITIONS)
"""Names of a table's column of ids or positions, in small letters."""


def pool_labels(task: Task, spec: Spec, noise: Noise, draw: int, source: Source) -> Indices:
    """The labels of a task's whole training pool under a noise and a draw: int64 (N,); `spec` names the task."""
    if noise.file is not None:
        return read_labels(source.place(noise.file), noise, task.classes, len(task.train), task.ids)
    return flipped(task.train.labels.numpy(), len(task.classes), noise, spec.name, draw)


def flipped(labels: Indices, classes: int, noise: Noise, task: str, draw: int) -> Indices:
    """The labels (N,), in 0..classes-1, with wrong ones by chance: int64 (N,). Raises DataError for a single class."""
    if classes < 2:
        raise DataError(f"{noise.words}: found {classes} class, expected two or more to take a wrong one from")
    rng = generator("label noise", task, draw)
    wrong = rng.random(len(labels)) < float(noise.rate or 0)
    steps = rng.integers(1, classes, len(labels)) if noise.kind == "uniform" else 1
    return np.where(wrong, (labels + steps) % classes, labels)


def read_labels(path: Path, noise: Noise, classes: Sequence[str], count: int, ids: Sequence[str] | None) -> Indices:
    """Read the labels of a pool of `count` examples from a table: numbers of classes, int64 (count,).

    A table is text without a header, one label per line in the order of the examples; or CSV or TSV with a header: a
    column of labels and, where the first one is named like an id, one row per example in any order, by the pool's `ids`
    or, where it has none or the column is named so, by position from 0. Labels are names of classes or their numbers
    from 0. Raises ConditionError for another file than when the study was loaded, DataError for anything else, with
    the line.
    """
    try:
        content = path.read_bytes()
        text = decode(content, str(path))
        rows = _lines(text, classes) or [*records(text, sniff(text, IDS), str(path))]
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror}") from error
    except RunsError as error:
        raise DataError(str(error)) from error
    if hashlib.sha256(content).hexdigest() != noise.sha256:
        raise ConditionError(f"{path}: the labels have changed since the study was loaded")
    if not rows:
        raise DataError(f"{path}: found no row, expected one label per example")
    values = _column(path, rows, noise.column, classes)
    first = rows[0][1][0].lower()
    if first in IDS:
        positions = [*map(str, range(count))]
        values = _ordered(path, rows, values, positions if ids is None or first in POSITIONS else ids)
    if len(values) != count:
        raise DataError(f"{path}: found {len(values):,} labels, expected {count:,}, one per training example")
    return _numbers(path, values, classes)


def _lines(text: str, classes: Sequence[str]) -> list[tuple[int, list[str]]]:
    """The lines of a text that are all names of classes, which may hold what separates fields; else none."""
    lines = [(line, [name.strip()]) for line, name in enumerate(text.splitlines(), start=1) if name.strip()]
    return lines if {name for _, [name] in lines} <= set(classes) else []


def _column(
    path: Path, rows: Sequence[tuple[int, list[str]]], column: str | None, classes: Sequence[str]
) -> list[tuple[int, str]]:
    """The labels with their lines: of the only column, or of the one that is named or is the only one beside ids."""
    header = rows[0][1]
    for line, cells in rows:
        if len(cells) != len(header):
            raise DataError(f"{path}, line {line}: found {len(cells)} fields, expected {len(header)} as in line 1")
    if len(header) == 1 and column is None:
        headless = header[0] in classes or header[0].isdecimal()
        return [(line, cells[0]) for line, cells in rows[0 if headless else 1 :]]
    names = [name for name in header if name.lower() not in IDS]
    if column is None and len(names) != 1:
        found = f"the columns {', '.join(names)}" if names else "no column of labels"
        raise DataError(f"{path}: found {found}, expected column = one of them in the study's `noise`")
    if column is not None and header.count(column) != 1:
        raise DataError(f"{path}: found no column {column!r}, or several, expected one of {', '.join(header)}")
    place = header.index(names[0] if column is None else column)
    return [(line, cells[place]) for line, cells in rows[1:]]


def _ordered(
    path: Path, rows: Sequence[tuple[int, list[str]]], values: Sequence[tuple[int, str]], ids: Sequence[str]
) -> list[tuple[int, str]]:
    """The labels in the order of the pool's ids, each of which must be there once."""
    places, ordered = {one: place for place, one in enumerate(ids)}, dict[int, tuple[int, str]]()
    for (line, cells), value in zip(rows[1:], values, strict=True):
        place = places.get(cells[0])
        if place is None:
            raise DataError(f"{path}, line {line}: found {cells[0]!r}, expected an id like {ids[0]!r}")
        if place in ordered:
            raise DataError(f"{path}, line {line}: found {cells[0]!r} again, expected each once")
        ordered[place] = value
    if missing := [one for place, one in enumerate(ids) if place not in ordered]:
        raise DataError(f"{path}: found no label of {len(missing):,} of {len(ids):,} examples, such as {missing[0]!r}")
    return [ordered[place] for place in range(len(ids))]


def _numbers(path: Path, values: Sequence[tuple[int, str]], classes: Sequence[str]) -> Indices:
    """Numbers of the classes that labels name; where not all are names, they are numbers themselves."""
    by_name = {name: number for number, name in enumerate(classes)}
    if not all(value in by_name for _, value in values) and any(value.isdecimal() for _, value in values):
        by_name = {str(number): number for number in range(len(classes))}
    for line, value in values:
        if value not in by_name:
            shown = f"{', '.join(classes[:10])}{', ...' if len(classes) > 10 else ''}"
            raise DataError(
                f"{path}, line {line}: found the label {value!r}, expected a class ({shown}) or its number from 0 to "
                f"{len(classes) - 1}"
            )
    return np.array([by_name[value] for _, value in values], dtype=np.int64)
