"""What is done as one piece: a pretraining, cells of a trained protocol, or all frozen cells of an arm and seed."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.study.cell import Cell, Pretraining


@dataclass(frozen=True)
class Pretrain:
    """One encoder, pretrained or filled with weights from outside."""

    pretraining: Pretraining

    @property
    def cells(self) -> tuple[Cell, ...]:
        """None are measured by it."""
        return ()

    @property
    def needs(self) -> frozenset[str]:
        """It waits for no other pretraining."""
        return frozenset()

    @property
    def name(self) -> str:
        """What people see while it runs."""
        made = "load" if self.pretraining.from_outside else "pretrain"
        return f"{made} {self.pretraining.pretext.name}, seed {self.pretraining.seed}"


@dataclass(frozen=True)
class _Measure:
    """Cells that are measured as one piece, when the encoders that they start from are there."""

    cells: tuple[Cell, ...]

    @property
    def pretraining(self) -> Pretraining:
        """That of the first cell."""
        return self.cells[0].pretraining

    @functools.cached_property
    def needs(self) -> frozenset[str]:
        """Keys of the pretrainings that must be finished first."""
        return frozenset(key for cell in self.cells if (key := needed(cell)) is not None)

    @property
    def name(self) -> str:
        """What people see while it runs."""
        first = self.cells[0]
        rungs, seeds = (sorted(set(of)) for of in zip(*((c.n, c.seed) for c in self.cells), strict=True))
        labels = f"n={rungs[0]}" if len(rungs) == 1 else f"n={rungs[0]}..{rungs[-1]}"
        name = f"{first.pretext.name}/{first.protocol.name}, {labels}"
        whose = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]}..{seeds[-1]}"
        return f"{name}, draw {first.draw}, {whose}" if len(self.cells) == 1 else f"{name}, {whose}"


@dataclass(frozen=True)
class Solve(_Measure):
    """Cells of a frozen protocol that share an encoder and a task: encoded once, solved together."""


@dataclass(frozen=True)
class Train(_Measure):
    """Cells of a trained protocol, usually one, each trained by itself."""


@dataclass(frozen=True)
class TrainTogether(_Measure):
    """Cells that are trained as one, `slots` side by side; None is as many as pay."""

    slots: int | None = None


Job = Pretrain | Solve | Train | TrainTogether


def part_of(job: Job, cells: Sequence[Cell]) -> Job:
    """A job of its own for some of a job's cells, maybe none; a pretraining has none anyway."""
    return replace(job) if isinstance(job, Pretrain) else replace(job, cells=tuple(cells))


def needed(cell: Cell) -> str | None:
    """Key of the pretraining that a cell starts from; None where it starts from nothing."""
    return cell.pretraining.key if lookup.find("pretext", cell.pretext.name).makes_encoder else None


def takes_unlabelled(protocol: Spec) -> bool:
    """Whether a protocol also trains on images without labels, an epoch being all of them."""
    return lookup.find("protocol", protocol.name).unlabelled


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


def _trained_jobs(cells: list[Cell], packed: list[Cell], slots: int | None, queues: int) -> Iterator[Job]:
    """Each of `cells` by itself; those of `packed` that are alike together, dealt to `queues` from the longest on."""
    yield from (Train((cell,)) for cell in cells)
    for _, group in itertools.groupby(sorted(packed, key=_alike), key=_alike):
        longest = sorted(group, key=length, reverse=True)
        for dealt in (tuple(longest[start::queues]) for start in range(min(queues, len(longest)))):
            yield TrainTogether(dealt, slots)


def jobs_for(
    cells: Iterable[Cell], pretrained: Callable[[Pretraining], bool], slots: int | None = 1, queues: int = 1
) -> list[Job]:
    """The jobs that give these cells: missing pretrainings first, then cells, longest first.

    With `slots` other than 1 trained cells of images that are alike go together, where the protocol can do that, in
    `queues` jobs that can run side by side.
    """
    cells = list(cells)
    tasks = {name: lookup.find("task", name) for name in {cell.task.name for cell in cells}}
    protocols = {name: lookup.find("protocol", name) for name in {cell.protocol.name for cell in cells}}
    missing = {c.pretraining.key: c.pretraining for c in cells if needed(c) is not None}
    first: list[Job] = [Pretrain(asked) for asked in missing.values() if not pretrained(asked)]
    solved, alone, packed = [], [], []
    for cell in cells:
        protocol = protocols[cell.protocol.name]
        if not protocol.trained:
            solved.append(cell)
        elif slots != 1 and protocol.prepare is not None and tasks[cell.task.name].examples == "images":
            packed.append(cell)
        else:
            alone.append(cell)
    jobs = list(_trained_jobs(alone, packed, slots, queues))
    jobs += [Solve(tuple(group)) for _, group in itertools.groupby(sorted(solved, key=pack), key=pack)]
    jobs.sort(key=lambda job: -max(length(cell) for cell in job.cells))
    return first + jobs


def unprobed(
    pretrainings: Iterable[Pretraining], jobs: Iterable[Job], lacks: Callable[[Pretraining], bool]
) -> list[Job]:
    """Jobs for finished encoders that lack the curve of a probe, but for those that are among `jobs` anyway."""
    begun = {job.pretraining.key for job in jobs if isinstance(job, Pretrain)}
    return [Pretrain(asked) for asked in pretrainings if asked.key not in begun and lacks(asked)]
