"""The lock by which only one process writes into a folder, with a note of its owner.

The lock is the kernel's (flock, through `filelock`) on the records file itself, so a killed run leaves no lock behind.
On network file systems it reaches other hosts as far as the mount carries flock (NFS does; Lustre with `-o flock`);
where a file system has no locks at all, the owner's note replaces them, and a note of another host counts as a lock.
Windows keeps locked bytes from every reader, so there a file beside the records is locked.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from labeleff.catalogue.declaration import Frozen
from labeleff.errors import RecordError
from labeleff.files import write_whole

NOTE = ".owner.json"
"""File name of the owner's note."""
LOCK = ".lock"
"""File name of the file that is locked on Windows."""


class Owner(Frozen):
    """The process that writes into a folder."""

    host: str
    pid: int
    since: str
    """Start in UTC, ISO 8601, to the second."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"

    @property
    def gone(self) -> bool:
        """Whether the process is known to have ended; processes of other hosts count as running."""
        if self.host != platform.node():
            return False
        return not _runs(self.pid)


def _runs(pid: int) -> bool:
    """Whether a process of this host runs. On Windows, signal 0 would end it: there psutil looks."""
    if sys.platform == "win32":
        import psutil  # a dependency on Windows alone

        return bool(psutil.pid_exists(pid))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def owner(folder: Path) -> Owner | None:
    """The owner named by the note in `folder`; None where there is no note, or it can't be read."""
    try:
        return Owner.model_validate_json((folder / NOTE).read_bytes())
    except (OSError, ValidationError):
        return None


@contextlib.contextmanager
def lock_folder(stream: IO[bytes], path: Path) -> Iterator[None]:
    """Hold the folder of `path`, a file open as `stream`; RecordError naming the owner where another process does."""
    from filelock import lock_descriptor  # plans and reports hold nothing

    folder = path.parent
    with _lockable(stream, folder) as target:
        try:
            free = lock_descriptor(target.fileno(), blocking=False)
        except OSError as error:
            _stand_in(folder, error)
            free = True
        yield from _held(stream, path, free)


@contextlib.contextmanager
def _lockable(stream: IO[bytes], folder: Path) -> Iterator[IO[bytes]]:
    """Open the file to be locked, which is the records file itself where that stays readable."""
    if sys.platform != "win32":
        yield stream
        return
    with (folder / LOCK).open("a+b", buffering=0) as beside:
        yield beside


def _held(stream: IO[bytes], path: Path, free: bool) -> Iterator[None]:
    """Keep the owner's note while the lock is held; raises RecordError where it isn't `free`."""
    folder = path.parent
    if not free:
        who = owner(folder)
        raise RecordError(
            f"{folder}: another labeleff run is writing here{f': {who}' if who else ''}; wait for it or use --out"
        )
    if not at_place(stream, path):
        raise RecordError(f"{path}: was replaced at this moment; run the same command again")
    mine = Owner(
        host=platform.node(),
        pid=os.getpid(),
        since=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    with contextlib.suppress(OSError):  # a full disk is met, and named, by the first record
        write_whole(folder / NOTE, mine.model_dump_json().encode())
    try:
        yield
    finally:
        if owner(folder) == mine:
            with contextlib.suppress(OSError):
                (folder / NOTE).unlink()


def _stand_in(folder: Path, error: OSError) -> None:
    """Check the owner's note alone, on a file system without locks."""
    who = owner(folder)
    if who is not None and not who.gone:
        raise RecordError(
            f"{folder}: its file system has no locks ({error.strerror}), and by {NOTE} a run is writing here: {who}; "
            f"if that one has ended, remove {folder / NOTE}"
        ) from error


def at_place(stream: IO[bytes], path: Path) -> bool:
    """Whether an open file is still the one at `path`."""
    opened = os.fstat(stream.fileno())
    try:
        current = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (opened.st_dev, opened.st_ino) == (current.st_dev, current.st_ino)
