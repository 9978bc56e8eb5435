"""Live progress: bars of preparation, cells done, each worker's job, time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from labeleff.records.run_estimate import duration
from labeleff.scheduling.corrections import Corrections, kind_of
from labeleff.scheduling.jobs import Job

PLAIN_INTERVAL = 20.0
"""Seconds between two lines where the output isn't a terminal."""


class LiveDisplay:
    """Bars on a terminal, or a line now and then in a log.

    The time left comes from the estimates, those of each kind of work rescaled by what finished work of the same kind
    really took, and `after` seconds for what comes after the jobs.
    """

    def __init__(
        self, jobs: Sequence[Job], costs: Mapping[int, float], workers: int, *, quiet: bool, after: float = 0.0
    ) -> None:
        self._jobs, self._costs, self._workers, self._quiet, self._after = jobs, dict(costs), workers, quiet, after
        self._waiting = {id(job): costs[id(job)] for job in jobs}
        self._remaining: dict[str, float] = {}
        """Estimated seconds of jobs that wait or are under way, by kind: running sums, as every step reads them."""
        for job in jobs:
            self._add(kind_of(job), costs[id(job)])
        self._corrections = Corrections()
        self._cells = sum(len(job.cells) for job in jobs)
        self._done_cells = 0
        self._running: dict[int, tuple[Job, float, float]] = {}
        self._console = Console(stderr=True, highlight=False)
        self._bars: Progress | None = None
        self._rows: dict[int, TaskID] = {}
        self._total: TaskID | None = None
        self._spoken = time.monotonic()

    def _add(self, kind: str, seconds: float) -> None:
        self._remaining[kind] = self._remaining.get(kind, 0.0) + seconds

    def __enter__(self) -> Self:
        if not self._quiet and self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
            self._bars = Progress(*columns, TimeElapsedColumn(), console=self._console)
            self._total = self._bars.add_task("cells", total=max(self._cells, 1), note="")
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def started(self, worker: int, job: Job) -> None:
        """Show that a worker took a job."""
        self._adopt(job)
        self._running[worker] = (job, time.monotonic(), 0.0)
        if self._bars is not None:
            if worker not in self._rows:
                self._rows[worker] = self._bars.add_task("", total=1.0, note="")
            self._bars.update(self._rows[worker], description=job.name, completed=0, total=1.0, note="")
        self._refresh()

    def _adopt(self, job: Job) -> None:
        """Give a cost to a part of a known job, by its share of the job's cells."""
        if id(job) not in self._costs:
            keys = {cell.key for cell in job.cells}
            whole = next(one for one in self._jobs if keys <= {cell.key for cell in one.cells})
            self._add(kind_of(whole), -self._waiting.pop(id(whole), 0.0))
            self._costs[id(job)] = self._costs[id(whole)] * len(job.cells) / len(whole.cells)
            self._waiting[id(job)] = self._costs[id(job)]
            self._add(kind_of(whole), self._costs[id(job)])

    def advanced(self, worker: int, done: int, total: int, loss: float, rate: float) -> None:
        """Show that a worker's training got to step `done` of `total`."""
        job, since, _ = self._running[worker]
        self._running[worker] = (job, since, done / total)
        if self._bars is not None:
            note = f"loss {loss:.3f}, {rate:,.0f} images/s"
            self._bars.update(self._rows[worker], completed=done / total, note=note)
        self._refresh()

    def finished(self, worker: int, job: Job) -> None:
        """Show that a worker's job is done and recorded."""
        _, since, _ = self._running.pop(worker)
        cost = self._waiting.pop(id(job), 0.0)
        self._corrections.learn(kind_of(job), time.monotonic() - since, cost)
        self._add(kind_of(job), -cost)
        self._done_cells += len(job.cells)
        self._refresh()

    def _left(self) -> float | None:
        """Estimate the seconds until all is done; None before any job has got somewhere."""
        now, running = time.monotonic(), self._running.values()
        under_way = [(kind_of(job), now - since, share * self._costs[id(job)]) for job, since, share in running]
        factors = self._corrections.factors(under_way)
        if not factors:
            return None
        remaining = dict(self._remaining)
        for kind, _, done in under_way:
            remaining[kind] -= done
        left = sum(max(seconds, 0.0) * factors.get(kind, 1.0) for kind, seconds in remaining.items())
        return left / self._workers + self._after

    def _refresh(self) -> None:
        left = self._left()
        note = f"{self._done_cells} of {self._cells}" + (f", about {duration(left)} left" if left is not None else "")
        if self._bars is not None and self._total is not None:
            self._bars.update(self._total, completed=self._done_cells, note=note)
        elif not self._quiet and time.monotonic() - self._spoken >= PLAIN_INTERVAL:
            self._spoken = time.monotonic()
            doing = "; ".join(f"{job.name} ({share:.0%})" for job, _, share in self._running.values())
            print(f"cells {note}; now: {doing}", file=sys.stderr, flush=True)


class PreparationBars:
    """Bars on a terminal for downloads and other preparation, one per kind of work, or a line now and then in a log."""

    def __init__(self, *, quiet: bool = False) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        self._quiet, self._shown = quiet, console.is_terminal and not quiet
        self._bars = Progress(*columns, TimeRemainingColumn(), console=console)
        self._rows: dict[str, TaskID] = {}
        self._since: dict[str, float] = {}
        self._spoken = time.monotonic()

    def __enter__(self) -> Self:
        if self._shown:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._bars.stop()

    def advance(self, done: int, total: int, what: str) -> None:
        """Show that `done` of `total` units of `what` are done; `total` is 0 where it isn't known."""
        if what not in self._rows:
            self._rows[what] = self._bars.add_task(what)
            self._since[what] = time.monotonic()
        self._bars.update(self._rows[what], completed=done, total=total or None)
        if not self._shown and not self._quiet and time.monotonic() - self._spoken >= PLAIN_INTERVAL:
            self._spoken = time.monotonic()
            print(f"{what}{self._note(done, total, what)}", file=sys.stderr, flush=True)

    def _note(self, done: int, total: int, what: str) -> str:
        """How much of a kind of work is done, and how long the rest takes at the same pace."""
        if not total:
            return ""
        left = (time.monotonic() - self._since[what]) * (total - done) / done if done else None
        return f": {done / total:.0%}" + (f", about {duration(left)} left" if left else "")
