"""The kinds of work of a study, each to be timed once."""

from __future__ import annotations

from dataclasses import dataclass, field

from labeleff.scheduling.speeds import solving_names, work_name
from labeleff.study.cell import Cell, Pretraining
from labeleff.study.schema import Study


@dataclass(frozen=True)
class Kind:
    """One kind of work: a pretraining, a trained cell, or two cells of a frozen protocol with few and many labels."""

    pretraining: Pretraining
    cells: tuple[Cell, ...] = ()

    @property
    def representative(self) -> Cell | Pretraining:
        """The cell or pretraining that stands for the kind: its first cell, else its pretraining."""
        return self.cells[0] if self.cells else self.pretraining

    @property
    def name(self) -> str:
        """Name for people."""
        return work_name(self.representative)


@dataclass(frozen=True)
class Measurement:
    """The result of one process for a kind: rates per second by name, or the reason why there are none."""

    rates: dict[str, float] = field(default_factory=dict)
    spread: float | None = None
    """Range of repeated times divided by their median; None where nothing was repeated."""
    slowed: float | None = None
    """Seconds of wall time divided by seconds of processor time; None on an accelerator."""
    peak_memory: int | None = None
    reason: str | None = None


def kinds(study: Study) -> list[Kind]:
    """List every kind of work once: by encoder, size, batch, and pretext or protocol, however labels are chosen."""
    axes = ("noise", "imbalance", "pretraining", "tune")  # none of them changes the kind of work
    study = study.model_copy(update=dict.fromkeys(axes))
    by_name: dict[str, Kind] = {}
    for pretraining in study.pretrainings:
        if pretraining.budget is not None:
            by_name.setdefault(work_name(pretraining), Kind(pretraining))
    trained: dict[str, list[Cell]] = {}
    solved: dict[str, list[Cell]] = {}
    training = {arm.protocol.name for block in study.blocks for arm in block.arms if arm.protocol_plugin.trained}
    for cell in (cell.model_copy(update={"selection": None}) if cell.selection else cell for cell in study.cells()):
        if cell.protocol.name in training:
            trained.setdefault(work_name(cell), []).append(cell)
        else:
            solved.setdefault(solving_names(cell)[0], []).append(cell)
    for name, cells in trained.items():
        ordered = sorted(cells, key=lambda cell: cell.n)
        middle = ordered[len(ordered) // 2]
        by_name[name] = Kind(middle.pretraining, (middle,))
    for name, cells in solved.items():
        few, many = min(cells, key=lambda cell: cell.n), max(cells, key=lambda cell: cell.n)
        by_name[name] = Kind(many.pretraining, (few, many))
    return list(by_name.values())
