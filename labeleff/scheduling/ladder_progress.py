"""Progress of a study's adaptive ladders, one per task and encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from labeleff.records.entries import Record
from labeleff.scheduling.job_seconds import steps_of
from labeleff.scheduling.jobs import pack, pretraining_key
from labeleff.scheduling.ladder_chooser import Choice, Chooser, Question
from labeleff.study.cell import Cell
from labeleff.study.schema import Study

Where = tuple[str, str]
"""Labels of a task and an encoder."""


@dataclass(frozen=True)
class Ladders:
    """Adaptive ladders of a study with an `auto` table: cells chosen as far as its records allow."""

    choosers: Mapping[Where, Chooser]
    cells: Mapping[Where, Mapping[Choice, Cell]]
    """All cells that may be measured, in the study's order."""
    story_cells: Sequence[Cell]
    """Cells of `stories`, which are measured in any case."""
    metric: Callable[[str], str]
    """Name of the metric that intervals are computed of, from a task's label."""

    @classmethod
    def of(cls, study: Study, cells: Sequence[Cell], metric: Callable[[str], str]) -> Ladders:
        """Ladders of a study before anything is measured; `cells` are all that may be, in the study's order."""
        places = {(task.label, encoder.label) for task in study.tasks for encoder in study.encoders}
        tables: dict[Where, dict[Choice, Cell]] = {}
        story_cells = []
        for cell in cells:
            where = cell.task.label, cell.encoder.label
            if where in places:
                tables.setdefault(where, {})[Choice(study.arm_of(cell), cell.n, (cell.draw, cell.seed))] = cell
            else:
                story_cells.append(cell)
        choosers = {where: Chooser(_question(study, table)) for where, table in tables.items()}
        return cls(choosers, tables, story_cells, metric)

    def advance(self, records: Mapping[str, Record], again: Callable[[Record], bool] = lambda _: False) -> list[Cell]:
        """Return the cells to measure now; none where everything is finished.

        A failed record settles its cell, unless it is to be measured `again`.
        """
        pending = [cell for cell in self.story_cells if cell.key not in records or again(records[cell.key])]
        for where, chooser in self.choosers.items():
            table = self.cells[where]
            values = {
                choice: self._value(records[cell.key])
                for choice, cell in table.items()
                if cell.key in records and not again(records[cell.key])
            }
            pending += [table[choice] for choice in chooser.advance(values)]
        return pending

    def whole(self, pending: Sequence[Cell], records: Mapping[str, Record]) -> list[Cell]:
        """The `pending` cells, and all unmeasured cells that a fixed ladder would solve together with them.

        Frozen protocols solve problems side by side until the last has converged, so a cell's last digits depend on
        its neighbours. The added cells aren't chosen, and the ladder ignores their values.
        """
        packs, keys = {pack(cell) for cell in pending if cell.budget is None}, {cell.key for cell in pending}
        frozen = [cell for table in self.cells.values() for cell in table.values() if cell.budget is None]
        unmeasured = [cell for cell in frozen if cell.key not in records and cell.key not in keys]
        return [*pending, *(cell for cell in unmeasured if pack(cell) in packs)]

    def _value(self, record: Record) -> float | None:
        return record.value(self.metric(record.cell.task.label)) if record.status == "ok" else None

    @property
    def chosen(self) -> list[Cell]:
        """All cells chosen so far, measured or not."""
        ladder_cells = [
            self.cells[where][choice]
            for where, chooser in self.choosers.items()
            for step in chooser.steps
            for choice in step.choices
        ]
        return [*self.story_cells, *ladder_cells]

    def share(self, where: Where) -> float:
        """Training steps of the chosen cells over those of the largest ladder; pretrainings count once."""
        whole = training_steps(self.cells[where].values())
        return self.choosers[where].training_steps(self.cells[where]) / whole if whole else 1.0


def training_steps(cells: Iterable[Cell]) -> float:
    """Training steps of cells, every pretraining that they start from counted once."""
    total, pretraining_steps = 0.0, {}
    for cell in cells:
        total += steps_of(cell)
        if pretraining_key(cell) is not None:
            pretraining_steps[cell.pretraining.key] = steps_of(cell.pretraining)
    return total + sum(pretraining_steps.values())


def _question(study: Study, table: Mapping[Choice, Cell]) -> Question:
    assert study.auto is not None

    def pretraining(choice: Choice) -> tuple[str, float] | None:
        cell = table[choice]
        return None if pretraining_key(cell) is None else (cell.pretraining.key, float(steps_of(cell.pretraining)))

    return Question(
        baseline=study.baseline,
        arms=tuple(arm for arm in study.arm_names if arm != study.baseline),
        at=tuple(study.auto.at),
        rungs=tuple(study.rungs),
        runs=tuple(study.runs),
        width=study.auto.width,
        cost=lambda choice: float(steps_of(table[choice])),
        pretraining=pretraining,
        level=study.level,
        method=study.curve,
    )
