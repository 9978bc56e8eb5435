"""Ctrl-C and SIGTERM: both end a run, but never between a record and its place on the disk."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

from labeleff.errors import Terminated


class Ending:
    """Raises KeyboardInterrupt for SIGINT and Terminated for SIGTERM, at once or when it may."""

    def __init__(self) -> None:
        self._putting_off = False
        self._due: type[KeyboardInterrupt] | None = None
        self.terminated = False
        """Whether SIGTERM came: libraries that wait in C pass on any KeyboardInterrupt as a plain one."""

    def _arrived(self, number: int, _: object) -> None:
        kind = Terminated if number == signal.SIGTERM else KeyboardInterrupt
        self.terminated |= number == signal.SIGTERM
        if not self._putting_off:
            raise kind
        self._due = kind

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Take both signals; SIGINT stays ignored where it is, as in a shell's background jobs."""
        taken = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._arrived) for number in taken}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def put_off(self) -> Iterator[None]:
        """A stretch that is done to its end; a signal that came meanwhile is raised after it."""
        self._putting_off = True
        try:
            yield
        finally:
            self._putting_off = False
        due, self._due = self._due, None
        if due is not None:
            raise due
