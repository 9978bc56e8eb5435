"""Where things are kept between runs: data sets, pretrained encoders, measured speeds."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

NAME = "labeleff"
"""The folder in the user's cache folder."""
READERS = "models"
"""Inside a run's folder: its trained readers of stories."""


def reader_path(folder: Path, key: str) -> Path:
    """Where the run in `folder` keeps the reader of the cell `key`."""
    return folder / READERS / f"{key}.safetensors"


def cache_folder() -> Path:
    """`LABELEFF_CACHE`, else `labeleff` in the user's cache folder: XDG_CACHE_HOME or ~/.cache on Linux.

    Elsewhere it is the system's own, unless an earlier version left its folder where Linux has it.
    """
    if chosen := os.environ.get("LABELEFF_CACHE"):
        return Path(chosen).expanduser()
    before = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / NAME
    return before if before.is_dir() else user_cache_path(NAME, appauthor=False)


def data_folder(option: str | None = None) -> Path:
    """The option `--data-dir` if given, else `LABELEFF_DATA`, else the cache folder."""
    if chosen := option or os.environ.get("LABELEFF_DATA"):
        return Path(chosen).expanduser()
    return cache_folder()
