"""A study that was changed since a folder's last run: said before it starts, and the earlier report is kept."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from labeleff.errors import RecordError
from labeleff.records.conditions import table_changes
from labeleff.records.entries import RunEntry
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


def _copy(folder: Path, place: Path) -> None:
    """Copy a report with its tables and figures."""
    place.mkdir()
    for path in [folder / REPORT, *sorted(folder.glob("*.csv"))]:
        shutil.copy2(path, place)
    if (folder / FIGURES).is_dir():
        shutil.copytree(folder / FIGURES, place / FIGURES)
