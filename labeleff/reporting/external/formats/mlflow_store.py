"""Runs of an MLflow file store (`mlruns`) to a grid, read without MLflow: parameters, metrics, tags, status."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.nesting import records_grid
from labeleff.reporting.external.grid import Grid, counted

STATUSES = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
"""Names of the numbers that the store has for a run's status."""
OWN_TAG = "mlflow."
"""Begin of the names of MLflow's own tags."""

_ENTRY = re.compile(r"(\w+):\s*(.*?)\s*$", re.MULTILINE)


def is_store(folder: Path) -> bool:
    """Whether a folder is a store: it has experiments, or is one, or is a run."""
    return next(_runs(folder), None) is not None


def read(folder: Path, source: str) -> Grid:
    """Read every run that wasn't deleted. Of a metric logged at several steps the last counts, and that is said.

    Raises RunsError for a store without runs and for a file in it that can't be read.
    """
    records: list[tuple[str, dict[str, str]]] = []
    deleted, repeated = 0, set()
    for path in _runs(folder):
        meta = _meta(path)
        if meta.get("lifecycle_stage") == "deleted":
            deleted += 1
            continue
        metrics = {name: _lines(file) for name, file in _files(path / "metrics")}
        repeated |= {name for name, lines in metrics.items() if len({step for step, _, _ in lines}) > 1}
        status = meta.get("status", "")
        tags = {name: file.read_text("utf-8") for name, file in _files(path / "tags") if not name.startswith(OWN_TAG)}
        record = {
            "run_id": meta.get("run_id", path.name),
            "run_name": meta.get("run_name", ""),
            "experiment": _meta(path.parent).get("name", path.parent.name),
            "status": STATUSES.get(status, status),
            **{f"params.{name}": file.read_text("utf-8").strip() for name, file in _files(path / "params")},
            **{f"metrics.{name}": max(lines)[2] for name, lines in metrics.items() if lines},
            **{f"tags.{name}": value.strip() for name, value in tags.items()},
        }
        records.append((f"run {path.relative_to(folder)}", record))
    if not records:
        raise RunsError(f"{source}: found no runs of MLflow, expected some ({counted(deleted, 'run')} deleted)")
    notes = [f"{counted(len(records), 'run')} of MLflow"]
    if deleted:
        notes.append(f"{counted(deleted, 'deleted run')} left out")
    if repeated:
        notes.append(f"of metrics logged at several steps the last value was read ({', '.join(sorted(repeated))})")
    return records_grid(source, records, notes)


def _runs(folder: Path) -> Iterator[Path]:
    """Folders of runs, two levels down at most: those with metrics and with `meta.yaml`."""
    for level in ("", "*", "*/*"):
        for meta in sorted(folder.glob(f"{level}/meta.yaml".lstrip("/"))):
            if (meta.parent / "metrics").is_dir() or (meta.parent / "params").is_dir():
                yield meta.parent


def _meta(path: Path) -> dict[str, str]:
    """Plain entries of a folder's `meta.yaml`."""
    file = path / "meta.yaml"
    if not file.is_file():
        return {}
    return {name: value.strip("'\"") for name, value in _ENTRY.findall(file.read_text("utf-8"))}


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files below a folder with their names: a metric test/acc is a file acc in a folder test."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def _lines(path: Path) -> list[tuple[int, int, str]]:
    """(step, time in ms, value) of every line of a metric. Raises RunsError with the line for others."""
    found = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        parts = line.split()
        try:
            found.append((int(parts[2]) if len(parts) > 2 else 0, int(parts[0]), parts[1]))
        except (ValueError, IndexError) as error:
            raise RunsError(f"{path}, line {number}: found {line!r}, expected time, value and step") from error
    return found
