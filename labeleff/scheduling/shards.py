"""A study cut into k independent parts, one per machine or task of a job array.

Which cells a part has follows from the study alone, not from what is measured yet or how fast a machine is, so parts
may start at any time and anywhere. Cells that start from one pretraining stay together: no encoder is trained twice.
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
    """Part `index` (from 1) of a study in `count` parts."""

    index: int
    count: int

    @classmethod
    def of(cls, text: str) -> Self:
        """Parse `i/k`. Raises OptionError for anything else."""
        match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text.strip())
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise OptionError(f"--shard: found {text!r}, expected i/k with i from 1 to k, e.g. 2/8")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def folder(self, study: str) -> Path:
        """Default folder of the part's records: no two parts write to one folder."""
        return Path("runs") / f"{study}-{self.index}of{self.count}"


def loads(cells: Sequence[Cell], count: int) -> list[tuple[float, list[Cell]]]:
    """Deal the cells of a study to `count` parts: (estimated seconds, cells in the study's order) per part.

    The longest piece of work goes first, each to the part with the least work so far. Costs are rough guesses, the
    same on every machine: with measured speeds two machines would cut the study differently.
    """
    order = {cell.key: place for place, cell in enumerate(cells)}
    pieces = sorted(_pieces(cells), key=lambda piece: (-piece[0], order[piece[1][0].key]))
    parts: list[tuple[float, int, list[Cell]]] = [(0.0, part, []) for part in range(count)]  # a heap
    for seconds, members in pieces:
        total, part, part_cells = parts[0]
        part_cells += members
        heapq.heapreplace(parts, (total + seconds, part, part_cells))
    parts.sort(key=lambda part: part[1])
    return [(seconds, sorted(members, key=lambda cell: order[cell.key])) for seconds, _, members in parts]


def _pieces(cells: Sequence[Cell]) -> list[tuple[float, list[Cell]]]:
    """Pieces that must not be cut, with their seconds: a pretraining with all cells that need it, or a job without."""
    groups: dict[str, list[Job]] = {}
    for number, job in enumerate(jobs_for(cells, lambda _: False)):
        apart = not isinstance(job, Pretrain) and not job.needs
        groups.setdefault(f"job {number}" if apart else job.pretraining.whole.key, []).append(job)
    return [
        (sum(job_seconds(job, {}) for job in jobs), [cell for job in jobs for cell in job.cells])
        for jobs in groups.values()
    ]
