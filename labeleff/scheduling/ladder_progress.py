"""A study's ladders in the making, one a task and encoder: cells for the choosers' asks, accuracies from records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from labeleff.records.entries import Record
from labeleff.scheduling.job_seconds import steps_of
from labeleff.scheduling.jobs import needed, pack
from labeleff.scheduling.ladder_chooser import Ask, Chooser, Question
from labeleff.study.cell import Cell
from labeleff.study.schema import Study

Where = tuple[str, str]
"""Labels of a task and an encoder."""


@dataclass(frozen=True)
class Ladders:
    """What is chosen of a study with an `auto` table, as far as its records lead.

    `cells` are all that may be measured, in the study's order; cells of `stories` are measured in any case.
    """

    choosers: Mapping[Where, Chooser]
    asks: Mapping[Where, Mapping[Ask, Cell]]
    others: Sequence[Cell]
    metric: Callable[[str], str]
    """From a task's label to the metric that its intervals are of."""

    @classmethod
    def of(cls, study: Study, cells: Sequence[Cell], metric: Callable[[str], str]) -> Ladders:
        """Before anything is known."""
        own = {(task.label, encoder.label) for task in study.tasks for encoder in study.encoders}
        asks: dict[Where, dict[Ask, Cell]] = {}
        others = []
        for cell in cells:
            where = cell.task.label, cell.encoder.label
            if where in own:
                asks.setdefault(where, {})[Ask(study.arm_of(cell), cell.n, (cell.draw, cell.seed))] = cell
            else:
                others.append(cell)
        choosers = {where: Chooser(_question(study, table)) for where, table in asks.items()}
        return cls(choosers, asks, others, metric)

    def advance(self, records: Mapping[str, Record], again: Callable[[Record], bool] = lambda _: False) -> list[Cell]:
        """Cells that are to be measured now; none where everything is finished.

        A failed record settles its cell, unless it is to be measured `again`.
        """
        pending = [cell for cell in self.others if cell.key not in records or again(records[cell.key])]
        for where, chooser in self.choosers.items():
            table = self.asks[where]
            values = {
                ask: self._value(records[cell.key])
                for ask, cell in table.items()
                if cell.key in records and not again(records[cell.key])
            }
            pending += [table[ask] for ask in chooser.advance(values)]
        return pending

    def whole(self, pending: Sequence[Cell], records: Mapping[str, Record]) -> list[Cell]:
        """`pending`, with all that frozen protocols do together with it in a fixed ladder.

        They solve problems side by side until the last has converged, so that a cell's last digits depend on its
        neighbours. What comes along isn't chosen, and the ladder doesn't look at it.
        """
        packs, known = {pack(cell) for cell in pending if cell.budget is None}, {cell.key for cell in pending}
        along = [cell for table in self.asks.values() for cell in table.values() if cell.budget is None]
        fresh = [cell for cell in along if cell.key not in records and cell.key not in known]
        return [*pending, *(cell for cell in fresh if pack(cell) in packs)]

    def _value(self, record: Record) -> float | None:
        return record.metrics.get(self.metric(record.cell.task.label)) if record.status == "ok" else None

    @property
    def chosen(self) -> list[Cell]:
        """All that was chosen so far, measured or not."""
        of_ladders = [
            self.asks[where][ask] for where, c in self.choosers.items() for step in c.steps for ask in step.asks
        ]
        return [*self.others, *of_ladders]

    def share(self, where: Where) -> float:
        """Training steps of what was chosen, over those of the largest ladder; pretrainings count once."""
        whole = trained(self.asks[where].values())
        return self.choosers[where].trained(self.asks[where]) / whole if whole else 1.0


def trained(cells: Iterable[Cell]) -> float:
    """Training steps of cells, every pretraining that they start from counted once."""
    total, pretrained = 0.0, {}
    for cell in cells:
        total += steps_of(cell)
        if needed(cell) is not None:
            pretrained[cell.pretraining.key] = steps_of(cell.pretraining)
    return total + sum(pretrained.values())


def _question(study: Study, table: Mapping[Ask, Cell]) -> Question:
    assert study.auto is not None

    def before(ask: Ask) -> tuple[str, float] | None:
        cell = table[ask]
        return None if needed(cell) is None else (cell.pretraining.key, float(steps_of(cell.pretraining)))

    return Question(
        baseline=study.baseline,
        arms=tuple(arm for arm in study.arm_names if arm != study.baseline),
        at=tuple(study.auto.at),
        rungs=tuple(study.rungs),
        runs=tuple(study.runs),
        width=study.auto.width,
        cost=lambda ask: float(steps_of(table[ask])),
        before=before,
        level=study.level,
        method=study.curve,
    )
