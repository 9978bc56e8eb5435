"""Ctrl-C, SIGTERM and a time limit: each ends a run, but never between a record and its place on the disk."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

from labeleff.errors import Terminated, TimeUp

LEAST = 0.001
"""Seconds of a timer; 0 would be none."""


class Ending:
    """Raises KeyboardInterrupt for SIGINT, Terminated for SIGTERM and TimeUp for a timer, at once or when it may."""

    def __init__(self) -> None:
        self._putting_off = False
        self._due: type[KeyboardInterrupt] | None = None
        self.terminated = False
        """Whether SIGTERM came: libraries that wait in C pass on any KeyboardInterrupt as a plain one."""
        self.out_of_time = False
        """Whether the timer was what ended the run."""

    def _arrived(self, number: int, _: object) -> None:
        kind = {signal.SIGTERM: Terminated, signal.SIGALRM: TimeUp}.get(signal.Signals(number), KeyboardInterrupt)
        self.terminated |= number == signal.SIGTERM
        self.out_of_time = number == signal.SIGALRM
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
    def within(self, seconds: float | None) -> Iterator[None]:
        """A stretch that TimeUp ends after so many seconds; None is no limit."""
        if seconds is None:
            yield
            return
        before = signal.signal(signal.SIGALRM, self._arrived)
        signal.setitimer(signal.ITIMER_REAL, max(seconds, LEAST))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

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
