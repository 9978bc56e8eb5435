"""A study in k parts that know nothing of each other: one part a machine, or a task of a job array.

Which cells a part has follows from the study alone, not from what is measured yet or how fast a machine is, so parts
may start at any time and anywhere. What starts from one pretraining stays together, so that no encoder is made twice.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from labeleff.errors import OptionError
from labeleff.scheduling.job_seconds import job_seconds
from labeleff.scheduling.jobs import Job, Pretrain, jobs_for
from labeleff.study.cell import Cell


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 1) of `count`."""

    index: int
    count: int

    @classmethod
    def of(cls, text: str) -> Self:
        """A shard from `i/k`; OptionError where it isn't one."""
        found = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text.strip())
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise OptionError(f"--shard: found {text!r}, expected i/k with i from 1 to k, e.g. 2/8")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def folder(self, study: str) -> Path:
        """Where the part's records go unless told otherwise: no two parts write to one folder."""
        return Path("runs") / f"{study}-{self.index}of{self.count}"


def loads(cells: Sequence[Cell], count: int) -> list[tuple[float, list[Cell]]]:
    """The cells of a study in `count` parts: (estimated seconds, cells in the study's order) of each.

    The longest piece of work goes first, each to the part that has least so far. Costs are rough guesses, the same
    on every machine: measured speeds would cut the study differently here and there.
    """
    order = {cell.key: place for place, cell in enumerate(cells)}
    pieces = sorted(_pieces(cells), key=lambda piece: (-piece[0], order[piece[1][0].key]))
    parts: list[tuple[float, int, list[Cell]]] = [(0.0, part, []) for part in range(count)]  # a heap
    for seconds, members in pieces:
        spent, part, own = parts[0]
        own += members
        heapq.heapreplace(parts, (spent + seconds, part, own))
    parts.sort(key=lambda part: part[1])
    return [(seconds, sorted(members, key=lambda cell: order[cell.key])) for seconds, _, members in parts]


def _pieces(cells: Sequence[Cell]) -> list[tuple[float, list[Cell]]]:
    """What must not be cut: a pretraining with all cells that need it, or a job that needs none, with its seconds."""
    groups: dict[str, list[Job]] = {}
    for number, job in enumerate(jobs_for(cells, lambda _: False)):
        apart = not isinstance(job, Pretrain) and not job.needs
        groups.setdefault(f"job {number}" if apart else job.pretraining.key, []).append(job)
    return [
        (sum(job_seconds(job, {}) for job in jobs), [cell for job in jobs for cell in job.cells])
        for jobs in groups.values()
    ]
