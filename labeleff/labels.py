"""The labels of one draw at one rung: drawn, or read from published lists, and checked either way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labeleff import ladder
from labeleff.cell import Spec, Subset
from labeleff.ladder import Indices
from labeleff.tensors import Task


@dataclass(frozen=True)
class LabelRule:
    """How a study takes its labels; `published` is the folder of lists to read instead of drawing."""

    subset: Subset
    published: Path | None = None
    allow_missing_classes: bool = False


@dataclass(frozen=True)
class ChosenLabels:
    """Sorted positions in the training split (n,), their hash, and the classes that none of them has."""

    indices: Indices
    sha256: str
    missing: list[str]


def choose_labels(task: Task, spec: Spec, rule: LabelRule, draw: int, n: int) -> ChosenLabels:
    """The labels of a task's draw at rung n; raises LadderError where they can't be had, naming the numbers."""
    strata = task.strata.numpy()
    if rule.published is None:
        order = ladder.draw_order(strata, draw, subset=rule.subset, task=spec.name)
        indices = ladder.rung_indices(order, n)
    else:
        indices = ladder.read_draws(rule.published, spec.label, draw, n, pool=len(strata))
    missing = (
        []
        if task.goal.dense
        else ladder.check_rung(strata, indices, task.classes, allow_missing_classes=rule.allow_missing_classes)
    )
    return ChosenLabels(indices, ladder.indices_sha256(indices), missing)
