"""What is done as one piece: a pretraining, cells of a trained protocol, or all frozen cells of an arm and seed."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from labeleff import catalogue
from labeleff.cell import Cell, Pretraining


@dataclass(frozen=True)
class Job:
    """One pretraining (`cells` empty), or cells that are done together and need theirs first.

    `pretraining` is that of the first cell. Of cells that are trained, `slots` go side by side; None is as many as pay.
    """

    pretraining: Pretraining
    cells: tuple[Cell, ...] = ()
    slots: int | None = 1

    @functools.cached_property
    def needs(self) -> frozenset[str]:
        """Keys of the pretrainings that must be finished first."""
        return frozenset(key for cell in self.cells if (key := needed(cell)) is not None)

    @property
    def name(self) -> str:
        """What people see while it runs."""
        if not self.cells:
            pretext = self.pretraining.pretext
            made = "load" if catalogue.lookup("pretext", pretext.name).loaded else "pretrain"
            return f"{made} {pretext.name}, seed {self.pretraining.seed}"
        first = self.cells[0]
        rungs, seeds = (sorted(set(of)) for of in zip(*((c.n, c.seed) for c in self.cells), strict=True))
        labels = f"n={rungs[0]}" if len(rungs) == 1 else f"n={rungs[0]}..{rungs[-1]}"
        name = f"{first.pretext.name}/{first.protocol.name}, {labels}"
        whose = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]}..{seeds[-1]}"
        return f"{name}, draw {first.draw}, {whose}" if len(self.cells) == 1 else f"{name}, {whose}"

    @property
    def length(self) -> int:
        """Examples that its longest cell trains on."""
        return max((length(cell) for cell in self.cells), default=0)


def needed(cell: Cell) -> str | None:
    """Key of the pretraining that a cell starts from; None where it starts from nothing."""
    return cell.pretraining.key if catalogue.makes_encoder(cell.pretext) else None


def length(cell: Cell) -> int:
    """Examples that a cell trains on, an epoch being its labels; 0 where it is solved."""
    return cell.budget.steps_for(cell.n) * cell.budget.batch if cell.budget else 0


def pack(cell: Cell) -> tuple[str, str, str]:
    """Equal for cells that a frozen protocol does together: one encoder, one task."""
    return cell.pretraining.key, cell.protocol.label, cell.task.label


def _alike(cell: Cell) -> tuple[str, ...]:
    """Equal for cells that can be trained as one: they differ in labels, seeds, rates and lengths alone."""
    shape = cell.budget.shape if cell.budget else ()
    specs = (cell.task, cell.encoder, cell.pretext, cell.protocol)
    return *(spec.label for spec in specs), str(shape), cell.precision, str(cell.layout)


def _packable(cell: Cell) -> bool:
    """Whether a trained cell can be trained together with others."""
    of_images = catalogue.lookup("task", cell.task.name).examples == "images"
    return of_images and catalogue.lookup("protocol", cell.protocol.name).prepare is not None


def _trained_jobs(cells: list[Cell], slots: int | None, queues: int) -> Iterator[Job]:
    """Each cell by itself, or those that are alike together, dealt to `queues` jobs from the longest on."""
    together = [cell for cell in cells if slots != 1 and _packable(cell)]
    chosen = {cell.key for cell in together}
    yield from (Job(cell.pretraining, (cell,)) for cell in cells if cell.key not in chosen)
    for _, group in itertools.groupby(sorted(together, key=_alike), key=_alike):
        longest = sorted(group, key=length, reverse=True)
        for dealt in (tuple(longest[start::queues]) for start in range(min(queues, len(longest)))):
            yield Job(dealt[0].pretraining, dealt, slots)


def jobs_for(
    cells: Iterable[Cell], pretrained: Callable[[Pretraining], bool], slots: int | None = 1, queues: int = 1
) -> list[Job]:
    """The jobs that give these cells: missing pretrainings first, then cells, longest first.

    With `slots` other than 1 trained cells that are alike go together, in `queues` jobs that can run side by side.
    """
    cells = list(cells)
    missing = {c.pretraining.key: c.pretraining for c in cells if catalogue.makes_encoder(c.pretext)}
    first = [Job(p) for p in missing.values() if not pretrained(p)]
    trained = [c for c in cells if catalogue.lookup("protocol", c.protocol.name).trained]
    jobs = list(_trained_jobs(trained, slots, queues))
    solved = sorted((c for c in cells if not catalogue.lookup("protocol", c.protocol.name).trained), key=pack)
    for _, group in itertools.groupby(solved, key=pack):
        members = tuple(group)
        jobs.append(Job(members[0].pretraining, members))
    jobs.sort(key=lambda job: -job.length)
    return first + jobs


def unprobed(
    pretrainings: Iterable[Pretraining], jobs: Iterable[Job], lacks: Callable[[Pretraining], bool]
) -> list[Job]:
    """Jobs for finished encoders that lack the curve of a probe, but for those that are among `jobs` anyway."""
    begun = {job.pretraining.key for job in jobs if not job.cells}
    return [Job(asked) for asked in pretrainings if asked.key not in begun and lacks(asked)]
