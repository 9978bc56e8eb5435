"""A study, or what its cells mean, changed since a folder's last run: said before it starts; its report is kept."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from labeleff.errors import RecordError
from labeleff.records.conditions import table_changes
from labeleff.records.entries import Record, RunEntry
from labeleff.study.cell import Cell
from labeleff.study.schema import Study

REPORT, FIGURES = "report.md", "figures"


def announce_changes(study: Study, runs: Sequence[RunEntry], folder: Path) -> None:
    """Print what has changed in the study since the newest of the folder's runs, and keep that one's report.

    Raises RecordError where the report can't be copied.
    """
    if not runs or not (changes := table_changes(runs[-1].study, study.model_dump(mode="json"))):
        return
    print(f"{folder}: its last run was of another study: {'; '.join(changes)}", flush=True)
    place = folder / f"earlier-report-{runs[-1].run}"
    if not (folder / REPORT).exists() or place.exists():
        return
    try:
        _copy(folder, place)
    except OSError as error:
        raise RecordError(f"{place}: the earlier report can't be kept: {error.strerror}") from error
    print(f"its report is kept in {place}", flush=True)


def announce_former(cells: Sequence[Cell], records: Mapping[str, Record], folder: Path) -> None:
    """Print how many cells an earlier version measured that mean something else now and are measured again."""
    former = [cell for cell in cells if cell.held_out and cell.former.key in records]
    if again := sum(cell.key not in records for cell in former):
        what = f"{again} cell{'s' if again > 1 else ''} measured again"
        print(f"{folder}: {what}: an earlier version held out stories and trained on equal ones", flush=True)


def _copy(folder: Path, place: Path) -> None:
    """Copy a report with its tables and figures."""
    place.mkdir()
    for path in [folder / REPORT, *sorted(folder.glob("*.csv")), *folder.glob("report.html")]:
        shutil.copy2(path, place)
    if (folder / FIGURES).is_dir():
        shutil.copytree(folder / FIGURES, place / FIGURES)
