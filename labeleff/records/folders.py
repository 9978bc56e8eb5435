"""Folders with records of runs: the file's name in them, and what to say of folders without."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from labeleff.errors import RecordError

FILE_NAME = "records.jsonl"
BENCH = "bench.json"
"""File of `labeleff bench` in its folder."""


def measured(folders: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Find the folders with records: those given or, of one without, those directly in it; and those given in vain."""
    found = {folder: [folder] if _has(folder) else inside(folder) for folder in folders}
    return [one for group in found.values() for one in group], [folder for folder, group in found.items() if not group]


def inside(folder: Path) -> list[Path]:
    """Find the folders directly in this one that have records, by name."""
    return sorted(one for one in folder.iterdir() if _has(one)) if folder.is_dir() else []


def no_run(folder: Path) -> RecordError:
    """Make the error on a folder without a run, which says where there are some."""
    found = f"{folder / FILE_NAME}: no run found, expected records of `labeleff run`"
    if others := inside(folder):
        return RecordError(f"{found}; there are some in {', '.join(map(str, others))}")
    if (folder / BENCH).is_file():
        return RecordError(f"{found}; `labeleff history` takes what `labeleff bench` wrote there")
    return RecordError(f"{found}; check the folder's name")


def _has(folder: Path) -> bool:
    return (folder / FILE_NAME).is_file()
