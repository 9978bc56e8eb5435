"""Trackers by name: whether they are installed, and a folder of records written to them."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from labeleff.errors import OptionError, UnknownNameError
from labeleff.record import read_records
from labeleff.reporting.results import load
from labeleff.trackers import event_files, mlflow_store
from labeleff.trackers.series import Tracks, tracks

WRITERS = {"tensorboard": event_files.write, "mlflow": mlflow_store.write}
NEEDED = {"tensorboard": ("tensorboard",), "mlflow": ("mlflow", "sqlalchemy", "alembic")}
"""Packages that each needs; MLflow keeps its runs in a database."""


def check_trackers(names: Sequence[str], option: str) -> tuple[str, ...]:
    """The names, each once. Raises UnknownNameError, and OptionError naming the extra where a package is missing."""
    for name in names:
        if name not in WRITERS:
            raise UnknownNameError(f"tracker (in {option})", name, WRITERS)
        missing = [package for package in NEEDED[name] if importlib.util.find_spec(package) is None]
        if missing:
            what = "isn't" if len(missing) == 1 else "aren't"
            raise OptionError(
                f"{option} {name} needs {' and '.join(missing)}, which {what} installed; pip install 'labeleff[track]'"
            )
    return tuple(dict.fromkeys(names))


def follow(folder: Path, names: Sequence[str]) -> list[str]:
    """Write a folder's records to trackers; returns the names of those that failed.

    Whatever goes wrong in a tracker is one line and no more: the records are safe, and can be tracked again.
    Raises RecordError where there is no run.
    """
    if not names:
        return []
    results = load(folder)
    found = tracks(results, read_records(folder).runs[0].run)
    return [name for name in names if not _wrote(name, found, folder)]


def _wrote(name: str, found: Tracks, folder: Path) -> bool:
    try:
        print(f"{name}: {WRITERS[name](found, folder)}")
    except Exception as error:  # noqa: BLE001  other people's code, on other people's servers
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        print(
            f"labeleff: warning: {name} failed: {reason}; the records are safe, try again with "
            f"`labeleff track {shlex.quote(str(folder))} --to {name}`",
            file=sys.stderr,
        )
        return False
    return True
