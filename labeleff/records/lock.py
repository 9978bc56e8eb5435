"""One process alone writes into a folder: the lock, and who holds it.

The lock is the kernel's (flock, through `filelock`) on the records file itself, so a run that is killed leaves nothing
in the way. On network file systems it reaches other hosts as far as the mount carries flock (NFS does; Lustre with `-o
flock`); where a file system has no locks at all, the note of the owner stands in for them, and a note of another host
counts as held.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from labeleff.catalogue.declaration import Frozen
from labeleff.errors import RecordError
from labeleff.files import write_whole

NOTE = ".owner.json"


class Owner(Frozen):
    """Who writes into a folder."""

    host: str
    pid: int
    since: str
    """UTC, ISO 8601, to the second."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"

    @property
    def gone(self) -> bool:
        """Known to have ended: of another host nothing is known."""
        if self.host != platform.node():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


def owner(folder: Path) -> Owner | None:
    """Who left a note in `folder`; None where nobody did, or it can't be read."""
    try:
        return Owner.model_validate_json((folder / NOTE).read_bytes())
    except (OSError, ValidationError):
        return None


@contextlib.contextmanager
def held(stream: IO[bytes], path: Path) -> Iterator[None]:
    """Hold the folder of `path`, a file open as `stream`; RecordError naming the owner where another process does."""
    from filelock import lock_descriptor  # plans and reports hold nothing

    folder = path.parent
    try:
        free = lock_descriptor(stream.fileno(), blocking=False)
    except OSError as error:
        _stand_in(folder, error)
        free = True
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
    """Without locks: go by the note alone."""
    who = owner(folder)
    if who is not None and not who.gone:
        raise RecordError(
            f"{folder}: its file system has no locks ({error.strerror}), and by {NOTE} a run is writing here: {who}; "
            f"if that one has ended, remove {folder / NOTE}"
        ) from error


def at_place(stream: IO[bytes], path: Path) -> bool:
    """Whether an open file is still the one at `path`."""
    ours = os.fstat(stream.fileno())
    try:
        there = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)
