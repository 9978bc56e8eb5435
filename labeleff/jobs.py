"""What is done as one piece: a pretraining, one cell of a trained protocol, or all frozen cells of an arm and seed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from labeleff import catalogue
from labeleff.cell import Cell, Pretraining


@dataclass(frozen=True)
class Job:
    """One pretraining (`cells` empty), or cells that are done together and need `pretraining` first."""

    pretraining: Pretraining
    cells: tuple[Cell, ...] = ()

    @property
    def needs(self) -> str | None:
        """Key of the pretraining that must be finished first, if any."""
        return self.pretraining.key if self.cells and self.pretraining.budget is not None else None

    @property
    def name(self) -> str:
        """What people see while it runs."""
        if not self.cells:
            return f"pretrain {self.pretraining.pretext.name}, seed {self.pretraining.seed}"
        first = self.cells[0]
        rungs = sorted({cell.n for cell in self.cells})
        labels = f"n={rungs[0]}" if len(rungs) == 1 else f"n={rungs[0]}..{rungs[-1]}"
        name = f"{first.pretext.name}/{first.protocol.name}, {labels}"
        return f"{name}, draw {first.draw}, seed {first.seed}" if len(self.cells) == 1 else f"{name}, seed {first.seed}"


def _pack(cell: Cell) -> tuple[str, str, str]:
    """Equal for cells that a frozen protocol does together: one encoder, one task."""
    return cell.pretraining.key, cell.protocol.label, cell.task.label


def jobs_for(cells: Iterable[Cell], pretrained: Callable[[Pretraining], bool]) -> list[Job]:
    """The jobs that give these cells: missing pretrainings first, then cells, longest first."""
    cells = list(cells)
    missing = {c.pretraining.key: c.pretraining for c in cells if c.pretrain is not None}
    first = [Job(p) for p in missing.values() if not pretrained(p)]
    jobs = []
    for _, group in itertools.groupby(sorted(cells, key=_pack), key=_pack):
        members = tuple(group)
        trained = catalogue.lookup("protocol", members[0].protocol.name).trained
        packs = [(cell,) for cell in members] if trained else [members]
        jobs += [Job(pack[0].pretraining, pack) for pack in packs]
    jobs.sort(key=lambda job: -max(c.budget.steps_for(c.n) * c.budget.batch if c.budget else 0 for c in job.cells))
    return first + jobs
