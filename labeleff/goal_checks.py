"""What the goals of a study's tasks allow: which protocols, and which metrics to report on."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from labeleff import catalogue
from labeleff.cell import Spec
from labeleff.errors import StudyError, UnknownNameError
from labeleff.metrics import DENSE, GOALS, METRICS
from labeleff.plugin import Plugin


def check_protocols(tasks: Sequence[tuple[Spec, Plugin]], protocols: Sequence[tuple[Spec, Plugin]]) -> None:
    """Raises StudyError for a protocol that can't be used on a task where every pixel has a label."""
    dense = [task for task, plugin in tasks if plugin.goal in DENSE]
    for task, (protocol, known) in itertools.product(dense, protocols):
        if not known.dense:
            able = ", ".join(plugin.name for plugin in catalogue.plugins("protocol") if plugin.dense)
            raise StudyError(
                f"protocol {protocol.name!r} can't be used on {task.name}, where every pixel has a label; "
                f"choose one of {able}"
            )
        if protocol.options.get("mask") is False:
            raise StudyError(
                f"protocol {protocol.label!r} can't be used on {task.name}: mask = false repeats a report on classes "
                "of images; leave it out"
            )


def check_metrics(metrics: Mapping[str, str], tasks: Sequence[tuple[Spec, Plugin]]) -> None:
    """`metrics` gives recorded metrics to report on by task name.

    Raises UnknownNameError for a task or metric that isn't there, StudyError for one that is the better the smaller.
    """
    goals = {task.name: plugin.goal for task, plugin in tasks}
    for name, metric in metrics.items():
        if name not in goals:
            raise UnknownNameError("task (in 'metrics')", name, goals)
        known = GOALS[goals[name]]
        usable = [one for one in known if METRICS[one].share]
        if metric not in known:
            raise UnknownNameError(f"metric of {name}", metric, usable)
        if metric not in usable:
            raise StudyError(
                f"metrics: {metric!r} of {name} is the better the smaller, so labels can't be counted against it; "
                f"choose one of {', '.join(usable)}"
            )
