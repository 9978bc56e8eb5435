"""`selection` of a study: arms whose labels are selected rung by rung, beside those whose labels are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from labeleff.catalogue.declaration import as_toml
from labeleff.catalogue.metrics import SINGLE
from labeleff.catalogue.strategies import RANDOM, find_strategy
from labeleff.errors import StudyError
from labeleff.study.arms import Arm, parse_arm
from labeleff.study.names import arm_names

if TYPE_CHECKING:
    from labeleff.study.schema import Study

POOLS = ("images", "items")
"""Kinds of examples that labels can be selected among."""


def expand_selection(table: Any) -> Any:
    """Replace `selection` of a study's table by arms; any other table is returned unchanged.

    Every arm that names no strategy is measured with each of them; the baseline comes first, with drawn labels.
    Raises StudyError for anything but a name or a list of different names.
    """
    if not isinstance(table, Mapping) or "selection" not in table:
        return table
    names = _names(table["selection"])
    rest = {key: value for key, value in table.items() if key != "selection"}
    if not isinstance(table.get("arms"), list):
        return rest
    given = [parse_arm(arm) for arm in table["arms"]]
    plain = dict(zip(arm_names(given), given, strict=True))
    baseline = plain.get(str(table.get("baseline", "scratch/finetune")))
    arms = [baseline] if baseline is not None else []
    for arm in given:
        arms += [arm] if arm.selected else [arm.model_copy(update={"selection": name}) for name in names]
    return {**rest, "arms": [arm for place, arm in enumerate(arms) if arm not in arms[:place]]}


def _names(value: Any) -> list[str]:
    """Parse one strategy or a list of them."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise StudyError(f"selection: found {as_toml(value)}, expected a strategy or a list, as ['random', 'margin']")
    if len(set(names)) < len(names):
        raise StudyError(f"selection: {names} names one strategy twice")
    return [name if name == RANDOM else find_strategy(name).name for name in names]


def check_selection(study: Study) -> None:
    """Raise StudyError where labels can't be selected: the baseline's, ladders of another kind, other tasks."""
    selected = [arm for arm in study.arms if arm.selected]
    if not selected:
        return
    baseline = study.arms[study.arm_names.index(study.baseline)]
    if baseline.selected:
        raise StudyError(
            f"baseline: found {study.baseline!r}, whose labels are selected, expected an arm whose labels are drawn: "
            "U(n) counts labels drawn at random"
        )
    if study.auto is not None:
        raise StudyError(
            f"auto: a ladder that chooses its rungs can't be climbed by {_named(selected)}, which selects labels rung "
            "by rung; give the rungs, or leave out the selection"
        )
    if study.draws_from is not None:
        raise StudyError(f"draws_from: found published labels and {_named(selected)}, expected one or the other")
    if study.noise or study.imbalance:
        raise StudyError(
            f"selection: found {_named(selected)} beside noise or imbalance of labels, expected one or the other: a "
            "selection buys labels one by one, and these would be of another pool"
        )
    for task, plugin in study.declared_tasks:
        if plugin.examples not in POOLS or plugin.goal not in SINGLE:
            found = plugin.examples if plugin.examples not in POOLS else f"{plugin.examples} with {plugin.goal}"
            raise StudyError(
                f"selection: {task.name} has {found}, expected images or items with one class each for "
                f"{_named(selected)}"
            )


def _named(arms: Sequence[Arm]) -> str:
    return f"selection {arms[0].selection!r}"
