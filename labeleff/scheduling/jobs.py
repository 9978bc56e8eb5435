"""Jobs: pretrainings and groups of cells that run as one piece."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.records.entries import Record
from labeleff.study.cell import Budget, Cell, Pretraining, drawn_beside


@dataclass(frozen=True)
class Pretrain:
    """One encoder, pretrained or filled with weights from outside."""

    pretraining: Pretraining

    @property
    def cells(self) -> tuple[Cell, ...]:
        """No cells: a pretraining measures none."""
        return ()

    @property
    def needs(self) -> frozenset[str]:
        """No keys: a pretraining waits for no other."""
        return frozenset()

    @property
    def name(self) -> str:
        """Text that the progress display shows."""
        verb = "load" if self.pretraining.from_outside else "pretrain"
        return f"{verb} {self.pretraining.pretext.name}, seed {self.pretraining.seed}"


@dataclass(frozen=True)
class _Measure:
    """Cells that are measured as one piece, once the encoders that they start from exist."""

    cells: tuple[Cell, ...]

    @property
    def pretraining(self) -> Pretraining:
        """The first cell's pretraining."""
        return self.cells[0].pretraining

    @functools.cached_property
    def needs(self) -> frozenset[str]:
        """Keys of the pretrainings that must be finished first."""
        return frozenset(key for cell in self.cells if (key := training_key(cell)) is not None)

    @property
    def name(self) -> str:
        """Text that the progress display shows."""
        first = self.cells[0]
        rungs, seeds = (sorted(set(of)) for of in zip(*((c.n, c.seed) for c in self.cells), strict=True))
        labels = f"n={rungs[0]}" if len(rungs) == 1 else f"n={rungs[0]}..{rungs[-1]}"
        name = f"{first.pretext.name}/{first.protocol.name}, {labels}"
        seed_text = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]}..{seeds[-1]}"
        return f"{name}, draw {first.draw}, {seed_text}" if len(self.cells) == 1 else f"{name}, {seed_text}"


@dataclass(frozen=True)
class Solve(_Measure):
    """Cells of a frozen protocol that share an encoder and a task: encoded once, solved together."""


@dataclass(frozen=True)
class Train(_Measure):
    """Cells of a trained protocol, usually one, each trained by itself."""


@dataclass(frozen=True)
class TrainTogether(_Measure):
    """Cells that are trained as one, `slots` side by side; None for as many as make it faster."""

    slots: int | None = None


@dataclass(frozen=True)
class Climb(_Measure):
    """Cells whose labels are selected, each after the rung below it in the same job; `below` are known records.

    Of a trained protocol they are one ladder of one draw and seed; of a frozen one all that share an encoder and a
    task, whose features are computed once.
    """

    below: tuple[Record, ...] = ()
    """Records of rungs of these ladders: what they asked needn't be asked again."""

    @property
    def in_order(self) -> bool:
        """Whether its cells are measured one after another, each recorded before the next begins."""
        return self.cells[0].budget is not None

    @property
    def name(self) -> str:
        """Text that the progress display shows."""
        return f"{super().name} ({self.cells[0].strategy})"


Job = Pretrain | Solve | Train | TrainTogether | Climb


def part_of(job: Job, cells: Sequence[Cell], known: Iterable[Record] = ()) -> Job:
    """A new job of the same kind with some of a job's cells, maybe none; a pretraining is only copied.

    `known` are records of its other cells, on which selections go on.
    """
    match job:
        case Pretrain():
            return replace(job)
        case Climb():
            return replace(job, cells=tuple(cells), below=(*job.below, *known))
        case _:
            return replace(job, cells=tuple(cells))


def with_known(job: Job, records: Mapping[str, Record]) -> Job:
    """A selection's job with the records, by key, of rungs below its cells; any other job as it is."""
    if not isinstance(job, Climb):
        return job
    rungs = {rung.key for cell in job.cells for rung in path_to(cell)}
    return part_of(job, job.cells, [records[key] for key in sorted(rungs) if key in records])


def path_to(cell: Cell) -> list[Cell]:
    """The rungs of a selected cell's ladder up to itself, the lowest first."""
    path = [cell]
    while (below := path[-1].rung_below) is not None:
        path.append(below)
    return path[::-1]


def ladder(cell: Cell) -> tuple[str | int, ...]:
    """Key that the rungs of one selection share: an arm with one strategy, one draw and one seed."""
    specs = (cell.task, cell.encoder, cell.pretext, cell.protocol)
    return *(spec.label for spec in specs), cell.strategy, cell.draw, cell.seed


def pretraining_key(cell: Cell) -> str | None:
    """Key of the encoder that a cell starts from; None for a cell that starts from scratch."""
    return cell.pretraining.key if lookup.find("pretext", cell.pretext.name).makes_encoder else None


def training_key(cell: Cell) -> str | None:
    """Key of the whole pretraining that gives a cell's encoder; None for a cell that starts from scratch."""
    return None if pretraining_key(cell) is None else cell.pretraining.whole.key


def takes_unlabelled(protocol: Spec) -> bool:
    """Whether a protocol also trains on images without labels; its epoch then is one pass over all images."""
    return lookup.find("protocol", protocol.name).unlabelled


def drawn(protocol: Spec, batch: int) -> int:
    """Number of examples that a step of a trained protocol draws, with labels and without."""
    beside = lookup.find("protocol", protocol.name).beside
    return batch if beside is None else batch + drawn_beside(lookup.options("protocol", protocol), batch)


def steps(cell: Cell, budget: Budget, pool: Callable[[], int]) -> int:
    """Number of steps of a cell under its budget; `pool` counts the training examples where an epoch is all of them."""
    batch = drawn(cell.protocol, budget.batch)
    alone = lookup.find("protocol", cell.protocol.name).beside is not None and batch == budget.batch
    images = pool() if takes_unlabelled(cell.protocol) and not alone else None
    return budget.steps_for(cell.n, images, batch)


def length(cell: Cell) -> int:
    """Number of examples that a cell trains on, where an epoch is one pass over its labels; 0 for a solved cell."""
    return cell.budget.steps_for(cell.n) * drawn(cell.protocol, cell.budget.batch) if cell.budget else 0


def pack(cell: Cell) -> tuple[str, str, str]:
    """Key that cells share which a frozen protocol solves together: one encoder, one task."""
    return cell.pretraining.key, cell.protocol.label, cell.task.label


def together(cell: Cell) -> Hashable:
    """Key of the cells that are never parted: a ladder with selected labels, else the cell alone."""
    return cell.key if cell.selection is None else ladder(cell)


def _packing_key(cell: Cell) -> tuple[str, ...]:
    """Key that cells share which can be trained as one: they differ only in labels, seeds, rates and lengths.

    By `joint` only those of one rung can: how many images of a batch have labels follows from how many there are.
    """
    shape = cell.budget.shape if cell.budget else ()
    specs = (cell.task, cell.encoder, cell.pretext, cell.protocol)
    rung = str(cell.n) if "labelled_share" in cell.protocol.options else ""
    return *(spec.label for spec in specs), rung, str(shape), cell.precision, str(cell.layout)


def _trained_jobs(cells: list[Cell], packed: list[Cell], slots: int | None, workers: int) -> Iterator[Job]:
    """Each of `cells` by itself; those of `packed` with one key together, dealt to `workers`, longest first."""
    yield from (Train((cell,)) for cell in cells)
    for _, group in itertools.groupby(sorted(packed, key=_packing_key), key=_packing_key):
        members = sorted(group, key=length, reverse=True)
        for start in range(min(workers, len(members))):
            yield TrainTogether(tuple(members[start::workers]), slots)


def _climbs(cells: Iterable[Cell]) -> Iterator[Climb]:
    """Selected cells: those of a trained protocol by ladder, those of a frozen one with all that share features."""
    groups: dict[tuple[str | int, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault(ladder(cell) if cell.budget is not None else pack(cell), []).append(cell)
    yield from (Climb(tuple(sorted(group, key=lambda cell: cell.n))) for group in groups.values())


def jobs_for(
    cells: Iterable[Cell], pretrained: Callable[[Pretraining], bool], slots: int | None = 1, workers: int = 1
) -> list[Job]:
    """Group cells into jobs: missing pretrainings first, then cells, longest first.

    `pretrained` says whether a pretraining is finished, with all its points. With `slots` other than 1, trained cells
    on images that differ only in labels, seeds, rates and lengths are trained together where the protocol can do that,
    in `workers` jobs that can run side by side. Cells whose labels are selected are never packed: each waits for the
    rung below.
    """
    cells = list(cells)
    tasks = {name: lookup.find("task", name) for name in {cell.task.name for cell in cells}}
    protocols = {name: lookup.find("protocol", name) for name in {cell.protocol.name for cell in cells}}
    missing = {key: c.pretraining.whole for c in cells if (key := training_key(c)) is not None}
    first: list[Job] = [Pretrain(item) for item in missing.values() if not pretrained(item)]
    solved, alone, packed, selected = [], [], [], []
    for cell in cells:
        protocol = protocols[cell.protocol.name]
        if cell.selection is not None:
            selected.append(cell)
        elif not protocol.trained:
            solved.append(cell)
        elif slots != 1 and protocol.prepare and not cell.tune and tasks[cell.task.name].examples == "images":
            packed.append(cell)
        else:
            alone.append(cell)
    jobs = list(_trained_jobs(alone, packed, slots, workers))
    jobs += [Solve(tuple(group)) for _, group in itertools.groupby(sorted(solved, key=pack), key=pack)]
    jobs += _climbs(selected)
    jobs.sort(key=lambda job: -(sum if isinstance(job, Climb) else max)(length(cell) for cell in job.cells))
    return first + jobs


def probe_jobs(
    pretrainings: Iterable[Pretraining], jobs: Iterable[Job], lacks: Callable[[Pretraining], bool]
) -> list[Job]:
    """Jobs for finished encoders that lack a probe's curve; pretrainings that are among `jobs` are left out."""
    scheduled = {job.pretraining.key for job in jobs if isinstance(job, Pretrain)}
    return [Pretrain(item) for item in pretrainings if item.key not in scheduled and lacks(item)]
