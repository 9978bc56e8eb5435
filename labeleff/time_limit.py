"""A limit on a run's time: how it is written, which jobs still fit, and the record of a run that it ended."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from labeleff.durations import duration
from labeleff.errors import OptionError
from labeleff.jobs import Job, Pretrain
from labeleff.record import StopEntry

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_TEXT = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s?)?")


def seconds_of(text: str) -> float:
    """Seconds from `2h`, `30m`, `90s`, `1h30m` or plain seconds; OptionError where it is none of these or 0."""
    found = _TEXT.fullmatch(text.strip().lower())
    total = sum(float(found[unit] or 0) * size for unit, size in _UNITS.items()) if found else 0.0
    if not 0 < total < float("inf"):
        raise OptionError(f"--time-limit {text!r}: expected a time over 0 like 2h, 30m, 90s, 1h30m, or seconds")
    return total


def stop(run: str, now: str, seconds: float, left: int, cells: int) -> StopEntry:
    """The record of a run that its limit of so many seconds ended with cells left, after saying so."""
    print(f"stopped by the time limit of {duration(seconds)}: {left} of {cells} cells aren't measured; ", end="")
    print("run the same command to go on", flush=True)
    return StopEntry(run=run, time=now, limit=seconds, left=left)


@dataclass
class TimeLimit:
    """So many seconds from now on, of which jobs take their estimates times what earlier ones took against theirs."""

    seconds: float
    estimate: Callable[[Job], float]
    """Seconds that a job takes by itself, guessed before the run."""
    clock: Callable[[], float] = time.monotonic
    _begun: float = field(init=False)
    _spent: float = 0.0
    _expected: float = 0.0

    def __post_init__(self) -> None:
        self._begun = self.clock()

    @property
    def left(self) -> float:
        """Seconds that are left, at least 0."""
        return max(0.0, self.seconds - (self.clock() - self._begun))

    @property
    def scale(self) -> float:
        """What finished jobs took, over what they were estimated to take; 1 before any has finished."""
        return self._spent / self._expected if self._expected > 0 else 1.0

    def learn(self, job: Job, seconds: float) -> None:
        """A job has finished after so many seconds."""
        self._spent += seconds
        self._expected += self.estimate(job)

    def fits(self, job: Job, waiting: Sequence[Job]) -> bool:
        """Whether a job would end in what is left; a pretraining must leave time for one of those that wait for it."""
        taken = self.estimate(job)
        if isinstance(job, Pretrain):
            taken += min((self.estimate(one) for one in waiting if job.pretraining.key in one.needs), default=0.0)
        return taken * self.scale < self.left
