"""Trackers by name, imported only when a folder is written to them."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from labeleff.errors import MissingPackageError, UnknownNameError, install

if TYPE_CHECKING:
    from labeleff.commands.track.series import Tracks


class Tracker(NamedTuple):
    """A program that shows tracks of experiments."""

    target: str
    """`module:function` that writes tracks for a folder, and says where they are."""
    packages: tuple[str, ...]
    """Packages that have to be installed."""

    def write(self, tracks: "Tracks", folder: Path) -> str:
        """Write tracks; returns where they are."""
        module, _, function = self.target.partition(":")
        return str(getattr(importlib.import_module(module), function)(tracks, folder))


TRACKERS = {
    "tensorboard": Tracker("labeleff.commands.track.tensorboard_files:write", ("tensorboard",)),
    "mlflow": Tracker("labeleff.commands.track.mlflow_runs:write", ("mlflow", "sqlalchemy", "alembic")),
}
"""Trackers by the name that options give; MLflow keeps its runs in a database."""
TRACKERS_HELP = f"{' or '.join(TRACKERS)}; may be repeated ({install('track')})"
"""Help text of options that name trackers."""


def check_trackers(names: Sequence[str], option: str) -> tuple[str, ...]:
    """Check names of trackers and drop repeated ones.

    Raises UnknownNameError, or OptionError naming the extra where a package is missing.
    """
    from importlib.util import find_spec

    for name in names:
        if name not in TRACKERS:
            raise UnknownNameError(f"tracker (in {option})", name, TRACKERS)
        missing = [package for package in TRACKERS[name].packages if find_spec(package) is None]
        if missing:
            raise MissingPackageError(f"{option} {name} needs", "track", *missing)
    return tuple(dict.fromkeys(names))


def follow(folder: Path, names: Sequence[str]) -> list[str]:
    """Write a folder's records to trackers; returns the names of those that failed.

    Whatever goes wrong in a tracker is one line and no more: the records are safe, and can be tracked again.
    Raises RecordError where there is no run.
    """
    if not names:
        return []
    from labeleff.commands.track.series import tracks
    from labeleff.records.jsonl import read_records
    from labeleff.reporting.results import load

    results = load(folder)
    content = tracks(results, read_records(folder).runs[0].run)
    return [name for name in names if not _write(name, content, folder)]


def _write(name: str, content: "Tracks", folder: Path) -> bool:
    """Write tracks to one tracker; whether that worked. An error is printed as a warning."""
    try:
        print(f"{name}: {TRACKERS[name].write(content, folder)}")
    except Exception as error:  # noqa: BLE001  other people's code, on other people's servers
        import shlex

        reason = (str(error).splitlines() or [type(error).__name__])[0]
        print(
            f"labeleff: warning: {name} failed: {reason}; the records are safe, try again with "
            f"`labeleff track {shlex.quote(str(folder))} --to {name}`",
            file=sys.stderr,
        )
        return False
    return True


def track(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with records.jsonl.")],
    to: Annotated[list[str], typer.Option("--to", metavar="NAME", help=f"{TRACKERS_HELP}.")],
) -> None:
    """Write a folder's records, finished or not, to trackers; again replaces what was written before."""
    if follow(folder, check_trackers(to, "--to")):
        raise typer.Exit(1)
