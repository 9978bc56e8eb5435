"""Where things are kept between runs: data sets, pretrained encoders, measured speeds."""

from __future__ import annotations

import os
from pathlib import Path


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
