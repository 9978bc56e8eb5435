"""Records of earlier versions, which named tasks by the place of their data, as entries that name them without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labeleff.catalogue.declaration import PLACE, Spec, labelled
from labeleff.records.entries import Entry, LabelsEntry, PretrainingRecord, Record, RunEntry


def without_places(entry: Entry, names: dict[str, str]) -> Entry:
    """The entry with keys and names as this version makes them; `names` has tasks' names of run entries before it."""
    if isinstance(entry, RunEntry):
        names |= _names(entry.study)
        if names:
            tasks = {names.get(name, name): facts for name, facts in entry.tasks.items()}
            data = {names.get(name, name): digest for name, digest in entry.conditions.data.items()}
            conditions = entry.conditions.model_copy(update={"data": data})
            return entry.model_copy(update={"tasks": tasks, "conditions": conditions})
    elif isinstance(entry, LabelsEntry):
        return entry.model_copy(update={"task": names[entry.task]}) if entry.task in names else entry
    elif isinstance(entry, Record) and PLACE in entry.cell.task.options:
        pretraining = None if entry.pretraining is None else entry.cell.pretraining.key
        return entry.model_copy(update={"key": entry.cell.key, "pretraining": pretraining})
    elif isinstance(entry, PretrainingRecord) and PLACE in entry.pretraining.task.options:
        return entry.model_copy(update={"key": entry.pretraining.key})
    return entry


def _names(study: dict[str, Any]) -> dict[str, str]:
    """Names of a recorded study's tasks by the names that earlier versions gave them, where they differ."""
    specs = [Spec.model_validate(task) for task in _tasks(study)]
    return {labelled(spec.name, spec.options): spec.label for spec in specs if PLACE in spec.options}


def _tasks(study: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for block in (study, *study.get("stories", {}).values()):
        yield from (task for task in block.get("tasks", ()) if isinstance(task, dict) and "options" in task)
