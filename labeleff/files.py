"""Files written whole or not at all, and where data and caches lie."""

from __future__ import annotations

import contextlib
import errno
import functools
import gc
import mmap
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from labeleff.errors import UnwritableError

VERSION = "0.1.0"
"""Version of this package, as records have it."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step, making its folder where needed; readers see the old one or the new one.

    Raises OSError, naming `path` where the file itself couldn't be written; nothing half-written stays.
    """
    with open_whole(path) as file:
        file.write(content)


@contextlib.contextmanager
def open_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be written as `write_whole` writes one, for contents that come bit by bit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a power cut could leave the new name with nothing in it
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        _remove([temporary])


def write_together(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write several files, or none of them; their names may begin with folders, which are made.

    All are written out beside their places before the first is moved there. Raises OSError, naming the place where
    a file couldn't be written; then no new file and no new folder stays.
    """
    places = {folder / name: content for name, content in files.items()}
    made: list[Path] = []
    written: dict[Path, Path] = {}
    path = folder
    try:
        for path, content in places.items():
            made += _make(path.parent)
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            written[path] = _beside(path)
            written[path].write_bytes(content)
        for path, temporary in written.items():
            temporary.replace(path)
    except OSError as error:
        _remove(written.values())
        for parent in reversed(made):
            with contextlib.suppress(OSError):
                parent.rmdir()
        error.filename = str(path)
        raise


def check_writable(folder: Path) -> None:
    """Raise UnwritableError where no file can be written into a folder, which is made where needed."""
    temporary = _beside(folder / NAME)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(b"labeleff")
    except OSError as error:
        raise UnwritableError(
            f"{folder}: can't be written: {error.strerror}; name another cache folder by LABELEFF_CACHE"
        ) from error
    finally:
        _remove([temporary])


def _beside(path: Path) -> Path:
    return path.with_name(f".{uuid.uuid4().hex}")


def _make(folder: Path) -> list[Path]:
    """Make a folder with its parents; returns those that were missing, the outermost first."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()][::-1]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def forget(array: object) -> None:
    """Let the system drop the pages of an array that is mapped from a file, which it reads again where needed."""
    pages = getattr(array, "_mmap", None)
    if pages is not None and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)


@functools.cache
def cpu_info() -> str:
    """What Linux says of the processors, a line per fact of each; empty elsewhere."""
    path = Path("/proc/cpuinfo")
    return path.read_text(errors="replace") if path.exists() else ""


NAME = "labeleff"
"""Name of the package's folder in the user's cache folder."""


def cache_folder() -> Path:
    """The cache folder: `LABELEFF_CACHE`, else `labeleff` in the user's cache folder.

    That is XDG_CACHE_HOME or ~/.cache on Linux; elsewhere it is the system's own, unless an earlier version left its
    folder where Linux has it.
    """
    if chosen := os.environ.get("LABELEFF_CACHE"):
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path  # most commands need none

    before = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / NAME
    return before if before.is_dir() else user_cache_path(NAME, appauthor=False)


def data_folder(option: str | None = None) -> Path:
    """The data folder: the option `--data-dir` if given, else `LABELEFF_DATA`, else the cache folder."""
    if chosen := option or os.environ.get("LABELEFF_DATA"):
        return Path(chosen).expanduser()
    return cache_folder()


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Pause garbage collection, which takes most of the time of reading ten thousand records.

    Objects without cycles are freed all the same, others when collection resumes.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
