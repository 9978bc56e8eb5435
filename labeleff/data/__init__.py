"""Data sets: one small file each, loaded by name through the catalogue."""

from __future__ import annotations

from labeleff import catalogue
from labeleff.cell import Spec
from labeleff.errors import PluginError
from labeleff.tensors import Source, Task


def load_task(spec: Spec, source: Source) -> Task:
    """The task named by `spec`, with its images in memory; raises DataError where they can't be had."""
    task: Task = catalogue.resolve("task", spec.name)(catalogue.options("task", spec), source)
    if task.goal.name != (said := catalogue.lookup("task", spec.name).goal):
        raise PluginError(f"task {spec.label}: its goal is {task.goal.name!r}, but the catalogue says {said!r}")
    return task
