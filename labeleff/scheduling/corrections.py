"""Corrections of estimates during a run, kind by kind: what finished work took over what was expected of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from labeleff.scheduling.jobs import Job, Pretrain
from labeleff.scheduling.speeds import peak_name


def kind_of(job: Job) -> str:
    """Name of a job's kind of work: pretraining by pretext and encoder, cells by protocol, encoder and batch."""
    if isinstance(job, Pretrain):
        return peak_name(job.pretraining)
    return peak_name(job.cells[0]) if job.cells else "nothing"


@dataclass
class Corrections:
    """Seconds taken and expected by kind of work; what one kind took says nothing about another."""

    _taken: dict[str, float] = field(default_factory=dict)
    _expected: dict[str, float] = field(default_factory=dict)

    def learn(self, kind: str, taken: float, expected: float) -> None:
        """Note that work of a kind took some seconds, of which others were expected."""
        self._taken[kind] = self._taken.get(kind, 0.0) + taken
        self._expected[kind] = self._expected.get(kind, 0.0) + expected

    def factors(self, under_way: Iterable[tuple[str, float, float]] = ()) -> dict[str, float]:
        """Factors of estimates by kind; kinds of which nothing is known yet are left out.

        `under_way` has kind, seconds taken and seconds expected of the part that is done, for unfinished work.
        """
        taken, expected = dict(self._taken), dict(self._expected)
        for kind, seconds, share in under_way:
            if share > 0:
                taken[kind] = taken.get(kind, 0.0) + seconds
                expected[kind] = expected.get(kind, 0.0) + share
        return {kind: taken[kind] / seconds for kind, seconds in expected.items() if seconds > 0}
