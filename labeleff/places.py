"""Where things are kept between runs: data sets, pretrained encoders, measured speeds."""

from __future__ import annotations

import os
from pathlib import Path

READERS = "models"
"""Inside a run's folder: its trained readers of stories."""


def reader_path(folder: Path, key: str) -> Path:
    """Where the run in `folder` keeps the reader of the cell `key`."""
    return folder / READERS / f"{key}.safetensors"


def cache_folder() -> Path:
    """`LABELEFF_CACHE`, else `labeleff` in the user's cache folder (XDG_CACHE_HOME or ~/.cache)."""
    if chosen := os.environ.get("LABELEFF_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "labeleff"


def data_folder(option: str | None = None) -> Path:
    """The option `--data-dir` if given, else `LABELEFF_DATA`, else the cache folder."""
    if chosen := option or os.environ.get("LABELEFF_DATA"):
        return Path(chosen).expanduser()
    return cache_folder()
