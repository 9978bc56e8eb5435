"""Ctrl-C, SIGTERM and a time limit: each ends a run, but never between a record and its place on the disk."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from labeleff.errors import Terminated, TimeUp

LEAST = 0.001
"""Seconds of the shortest timer; 0 would set none."""
ALARM = getattr(signal, "SIGALRM", None)
"""The signal of the system's own timer, which also ends a wait in C; Windows has none, and a thread stands in."""


class Interrupts:
    """Handlers that raise KeyboardInterrupt for SIGINT, Terminated for SIGTERM and TimeUp for a timer.

    They raise at once, or at the end of a block of `put_off`.
    """

    def __init__(self) -> None:
        self._putting_off = False
        self._due: type[KeyboardInterrupt] | None = None
        self._timer_is_up = False
        """Whether the thread that stands in for a timer sends the next SIGINT."""
        self.terminated = False
        """Whether SIGTERM came: libraries that wait in C raise a plain KeyboardInterrupt for it."""
        self.out_of_time = False
        """Whether the timer ended the run."""

    def _handle(self, number: int, _: object) -> None:
        self.terminated |= number == signal.SIGTERM
        self.out_of_time = number == ALARM or (number == signal.SIGINT and self._timer_is_up)
        self._timer_is_up = False
        kind = Terminated if number == signal.SIGTERM else TimeUp if self.out_of_time else KeyboardInterrupt
        if not self._putting_off:
            raise kind
        self._due = kind

    @contextlib.contextmanager
    def watch(self) -> Iterator[None]:
        """Handle both signals in the block; an ignored one stays ignored, as in a shell's background jobs."""
        numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._handle) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def within(self, seconds: float | None) -> Iterator[None]:
        """Raise TimeUp in the block after the given number of seconds; None is no limit."""
        if seconds is None:
            yield
            return
        with self._alarm(max(seconds, LEAST)) if ALARM is not None else self._thread(max(seconds, LEAST)):
            yield

    @contextlib.contextmanager
    def _alarm(self, seconds: float) -> Iterator[None]:
        """Time the block by the system's timer."""
        before = signal.signal(signal.SIGALRM, self._handle)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    @contextlib.contextmanager
    def _thread(self, seconds: float) -> Iterator[None]:
        """Time the block by a thread that sends SIGINT, as the one signal that ends waits on Windows."""
        before, timer = signal.signal(signal.SIGINT, self._handle), threading.Timer(seconds, self._time_is_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            signal.signal(signal.SIGINT, before)

    def _time_is_up(self) -> None:
        self._timer_is_up = True
        signal.raise_signal(signal.SIGINT)

    @contextlib.contextmanager
    def put_off(self) -> Iterator[None]:
        """Let the block finish; a signal that came meanwhile is raised after it."""
        self._putting_off = True
        try:
            yield
        finally:
            self._putting_off = False
        due, self._due = self._due, None
        if due is not None:
            raise due
