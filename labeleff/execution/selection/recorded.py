"""Selected labels as records have them: found again, verified before a run goes on, written as lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labeleff.errors import LadderError, RecordError
from labeleff.execution.draws import (
    Indices,
    draw_order,
    draw_path,
    indices_sha256,
    rung_indices,
)
from labeleff.execution.given_labels.written_lists import write_list, write_manifest
from labeleff.records.entries import Record
from labeleff.study.cell import Cell
from labeleff.study.schema import Study

if TYPE_CHECKING:
    from labeleff.training.examples import Task

Drawn = Callable[[Cell], Indices]
"""Gives the labels of a cell that are its draw's: sorted positions (n,)."""


def selected_labels(cell: Cell, records: Mapping[str, Record], drawn: Drawn) -> Indices | None:
    """Find the labels of a selected cell: those of its draw and all that the rungs below asked, sorted int64 (n,).

    None where a rung below has no record, or asked for a rung of another size. Raises RecordError where a rung asked
    for what can't be: another number of examples, or one that was bought before.
    """
    below = cell.rung_below
    if below is None:
        return drawn(cell)
    record = records.get(below.key)
    labels = selected_labels(below, records, drawn)
    if labels is None or record is None or record.asked is None or record.asked.n != cell.n:
        return None
    union = np.union1d(labels, record.asked.indices).astype(np.int64)
    if len(union) != cell.n or len(labels) + len(record.asked.indices) != cell.n:
        raise RecordError(
            f"{_where(below)}: its record asked for {len(record.asked.indices)} examples, {len(union) - len(labels)} "
            f"of them new, expected {cell.n - below.n}; delete that line to measure its cell again"
        )
    return union


def check_recorded(cells: Iterable[Cell], records: Mapping[str, Record], drawn: Drawn) -> None:
    """Check that selected cells were measured on the labels that the rungs below asked; raises RecordError else."""
    for cell in cells:
        if cell.selection is None:
            continue
        labels, record = selected_labels(cell, records, drawn), records.get(cell.key)
        if labels is None or record is None or record.status != "ok":
            continue
        if record.indices_sha256 != indices_sha256(labels):
            raise RecordError(
                f"{_where(cell)}: its record has labels of SHA-256 {record.indices_sha256}, expected "
                f"{indices_sha256(labels)}, which the rungs below asked for; restore the file, or delete that line to "
                "measure its cell again"
            )


def _where(cell: Cell) -> str:
    return f"{cell.task.label}, {cell.arm}, n={cell.n}, draw {cell.draw}, seed {cell.seed}"


def export_selected(
    study: Study, records: Mapping[str, Record], folder: Path, task: Task, label: str
) -> dict[str, list[Path]]:
    """Write the labels that were selected for a task, by encoder and arm, each in a folder below the task's.

    A list has the form of a draw's, and the run's seed in its name. Returns the lists by arm; cells without a record
    are left out. Raises LadderError where the folder can't be written.
    """
    strata = task.strata.numpy()
    place = draw_path(folder, label, 0, 0).parent
    tables: dict[Path, dict[str, dict[str, object]]] = {}
    written: dict[str, list[Path]] = {}
    try:
        for cell in study.cells():
            labels = _measured_labels(cell, records, strata) if cell.task.label == label else None
            if labels is None:
                continue
            arm = study.arm_of(cell)
            path = draw_path(place, f"{cell.encoder.label}-{arm}", cell.draw, cell.n)
            path = path.with_stem(f"{path.stem}-seed{cell.seed}")
            entry = {"draw": cell.draw, "n": cell.n, "seed": cell.seed}
            tables.setdefault(path.parent, {})[path.name] = entry | write_list(path, labels, strata, task.ids)
            written.setdefault(arm, []).append(path)
        for inside, files in tables.items():
            write_manifest(inside, label, study.subset, len(strata), files)
    except OSError as error:
        raise LadderError(f"{error.filename}: can't be written: {error.strerror}") from error
    return written


def _measured_labels(cell: Cell, records: Mapping[str, Record], strata: Indices) -> Indices | None:
    """Labels of a selected cell that is measured; None for any other."""
    record = records.get(cell.key)
    if cell.selection is None or record is None or record.status != "ok":
        return None

    def drawn(first: Cell) -> Indices:
        return rung_indices(draw_order(strata, first.draw, subset=first.subset, task=first.task.name), first.n)

    return selected_labels(cell, records, drawn)
