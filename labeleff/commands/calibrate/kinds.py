"""The kinds of work that a study has, each of which is timed once. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from labeleff.scheduling.speeds import solving_names, work_name
from labeleff.study.cell import Cell, Pretraining
from labeleff.study.schema import Study


@dataclass(frozen=True)
class Kind:
    """One kind: a pretraining, a cell that is trained, or two cells of a frozen protocol, of few and many labels."""

    pretraining: Pretraining
    cells: tuple[Cell, ...] = ()

    @property
    def asked(self) -> Cell | Pretraining:
        """What identifies it: its first cell, or its pretraining."""
        return self.cells[0] if self.cells else self.pretraining

    @property
    def name(self) -> str:
        """Name for people."""
        return work_name(self.asked)


@dataclass(frozen=True)
class Measured:
    """What one process measured of a kind: rates per second by name, or why it couldn't."""

    rates: dict[str, float] = field(default_factory=dict)
    spread: float | None = None
    """Largest less smallest time of repeated measurements, over the median; None where nothing was repeated."""
    slowed: float | None = None
    """Seconds on the wall over those on the processor; None on an accelerator."""
    peak_memory: int | None = None
    reason: str | None = None


def kinds(study: Study) -> list[Kind]:
    """Every kind of work once: by encoder, size, batch, and pretext or protocol."""
    found: dict[str, Kind] = {}
    for pretraining in study.pretrainings:
        if pretraining.budget is not None:
            found.setdefault(work_name(pretraining), Kind(pretraining))
    trained: dict[str, list[Cell]] = {}
    solved: dict[str, list[Cell]] = {}
    training = {arm.protocol.name for block in study.blocks for arm in block.arms if arm.protocol_plugin.trained}
    for cell in study.cells():
        if cell.protocol.name in training:
            trained.setdefault(work_name(cell), []).append(cell)
        else:
            solved.setdefault(solving_names(cell)[0], []).append(cell)
    for name, cells in trained.items():
        ordered = sorted(cells, key=lambda cell: cell.n)
        middle = ordered[len(ordered) // 2]
        found[name] = Kind(middle.pretraining, (middle,))
    for name, cells in solved.items():
        few, many = min(cells, key=lambda cell: cell.n), max(cells, key=lambda cell: cell.n)
        found[name] = Kind(many.pretraining, (few, many))
    return list(found.values())
