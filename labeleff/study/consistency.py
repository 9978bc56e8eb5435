"""Checks of a study across its axes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import PLACE, Plugin, Spec
from labeleff.catalogue.metrics import DENSE, GOALS, METRICS, SINGLE
from labeleff.errors import StudyError, UnknownNameError
from labeleff.study.cell import Augment, Budget
from labeleff.study.probe_settings import check_pool


def check_protocols(tasks: Sequence[tuple[Spec, Plugin]], protocols: Sequence[tuple[Spec, Plugin]]) -> None:
    """Raise StudyError for a protocol that can't be used on a task where every pixel has a label."""
    dense = [task for task, plugin in tasks if plugin.goal in DENSE]
    for task, (protocol, plugin) in itertools.product(dense, protocols):
        if not plugin.dense:
            able = ", ".join(plugin.name for plugin in lookup.plugins("protocol") if plugin.dense)
            raise StudyError(
                f"protocol {protocol.name!r} can't be used on {task.name}, where every pixel has a label; "
                f"choose one of {able}"
            )
        if protocol.options.get("mask") is False:
            raise StudyError(
                f"protocol {protocol.label!r} can't be used on {task.name}: mask = false repeats a report on classes "
                "of images; leave it out"
            )


def check_item_targets(study: Study) -> None:
    """Raise StudyError for protocols that don't know a task's targets, and for values on a ladder chosen as it goes."""
    items = [(task, plugin.goal) for task, plugin in study.declared_tasks if plugin.goal not in DENSE | SINGLE]
    for (task, goal), arm in itertools.product(items, study.arms):
        if goal not in arm.protocol_plugin.targets:
            able = ", ".join(one.name for one in lookup.plugins("protocol") if goal in one.targets)
            raise StudyError(f"protocol {arm.protocol.name!r} can't be used on {task.name}; choose one of {able}")
        if arm.protocol.options.get("choose") == "split":
            raise StudyError(f"protocol {arm.protocol.label!r} can't be used on {task.name}: leave out `choose`")
        if study.auto is not None and not METRICS[GOALS[goal][0]].share:
            raise StudyError(f"auto: {task.name} has values that may be under 0; give its rungs instead")


def check_metrics(metrics: Mapping[str, str], tasks: Sequence[tuple[Spec, Plugin]]) -> None:
    """Check the recorded metrics to report on, by task name.

    Raises UnknownNameError for an unknown task or metric, StudyError for a metric for which lower is better.
    """
    goals = {task.name: plugin.goal for task, plugin in tasks}
    for name, metric in metrics.items():
        if name not in goals:
            raise UnknownNameError("task (in 'metrics')", name, goals)
        recorded = GOALS[goals[name]]
        usable = [one for one in recorded if not METRICS[one].lower]
        if metric not in recorded:
            raise UnknownNameError(f"metric of {name}", metric, usable)
        if metric not in usable:
            raise StudyError(
                f"metrics: {metric!r} of {name} is the better the smaller, so labels can't be counted against it; "
                f"choose one of {', '.join(usable)}"
            )


def check_pretexts(
    pretexts: Sequence[tuple[Spec, Plugin]], encoders: Sequence[Spec], budgets: Mapping[str, Budget]
) -> None:
    """Raise StudyError for an encoder that can't be split, and for views that no augmentation makes different."""
    for (_, plugin), encoder in itertools.product(pretexts, encoders):
        if plugin.split:
            check_split(encoder)
    for pretext, plugin in pretexts:
        row = budgets.get(pretext.name)
        if plugin.augmented and row is not None and _alike(row.augment):
            raise StudyError(
                f"budget.{pretext.name}.augment: found {row.augment}, expected crop, jitter or cutout: without, the "
                "two augmentations of an image that are compared would be equal"
            )


def check_split(encoder: Spec) -> None:
    """Raise StudyError for an encoder without a narrow version."""
    if lookup.find("encoder", encoder.name).narrow is None:
        able = ", ".join(plugin.name for plugin in lookup.plugins("encoder") if plugin.narrow)
        users = ", ".join(plugin.name for plugin in lookup.plugins("pretext") if plugin.split)
        raise StudyError(
            f"encoder {encoder.name!r} has no narrow version, and can't be split into lightness and colour as {users} "
            f"needs it; choose one of {able}"
        )


def _alike(augment: Augment) -> bool:
    """Whether two views can't differ, as they share the flip and nothing else is random."""
    return augment.model_copy(update={"flip": False, "words": None}) == Augment()


if TYPE_CHECKING:
    from labeleff.study.schema import Study

MOST_CELLS = 100_000
"""Most cells of a study: large ones have thousands, so this finds a zero too many before it takes all memory."""


def check_names(study: Study) -> None:
    """Check that nothing is named twice, that the baseline is an arm, and that zipped draws and seeds are as many."""
    for axis in (study.tasks, study.encoders):
        labels = [spec.label for spec in axis]
        if len(set(labels)) < len(labels):
            places = [str(spec.options[PLACE]) for spec in axis if PLACE in spec.options]
            if len(set(places)) > 1:
                raise StudyError(
                    f"{' and '.join(places)}: found tasks that differ in their path alone, expected names for them: "
                    'give each data = "NAME"'
                )
            raise StudyError(f"{labels} names one thing twice")
    names = study.arm_names
    if len(set(names)) < len(names):
        raise StudyError(f"arms: {names} names one arm twice")
    if study.baseline not in names:
        raise UnknownNameError("arm (in 'baseline')", study.baseline, names)
    if study.pairing == "zipped" and study.draws != study.seeds:
        raise StudyError(
            f"pairing = 'zipped' needs as many seeds as draws: found draws = {study.draws}, seeds = {study.seeds}"
        )


def check_headline(study: Study) -> None:
    """Raise StudyError for a headline that is no rung."""
    if study.headline is not None and study.headline not in study.rungs:
        rungs = ", ".join(map(str, study.rungs))
        raise StudyError(f"headline: found {study.headline}, expected one of the rungs: {rungs}")


def check_size(study: Study) -> None:
    """Check that there are not too many cells, nor too few rungs to compare arms."""
    runs = study.draws * (1 if study.pairing == "zipped" else study.seeds)
    cells = runs * len(study.rungs) * len(study.arms) * len(study.tasks) * len(study.encoders)
    if cells > MOST_CELLS:
        found = f"{cells:,}" if cells < 10**12 else "over a trillion"
        raise StudyError(f"found {found} cells, expected {MOST_CELLS:,} at most; lower draws or seeds")
    if len(study.rungs) == 1 < len(study.arms) and not study.allow_one_rung:
        raise StudyError(
            f"rungs: found {study.rungs} for {len(study.arms)} arms, expected two or more to compare them; "
            "set allow_one_rung = true to measure accuracies without utility on purpose"
        )


def check_block(block: Study, where: str) -> None:
    """Check a block of `stories`: one level, one label count, tasks of stories."""
    if block.stories:
        raise StudyError(f"{where}: found a block inside a block, expected one level")
    if len(block.rungs) > 1:
        raise StudyError(f"{where}.rungs: found {block.rungs}, expected one label count; a ladder is a study's own")
    for task, plugin in block.declared_tasks:
        if plugin.examples != "stories":
            raise StudyError(f"{where}.tasks: found {task.name!r}, expected tasks of stories")


def check_examples(study: Study) -> None:
    """Check that every encoder and arm can work on every task of the block."""
    workers = [("encoder", lookup.find("encoder", encoder.name)) for encoder in study.encoders]
    for arm in study.arms:
        workers += [("pretext", arm.pretext_plugin), ("protocol", arm.protocol_plugin)]
    for (task, entry), (kind, plugin) in itertools.product(study.declared_tasks, workers):
        if entry.examples == "items" and kind == "protocol" and plugin.trained:
            able = ", ".join(one.name for one in lookup.plugins("protocol") if not one.trained)
            raise StudyError(
                f"protocol {plugin.name!r} trains the encoder, but {task.name} has stored features; choose {able}"
            )
        if entry.examples == "items" and kind == "pretext" and plugin.examples != "items":
            raise StudyError(f"pretext {plugin.name!r} has no features of {task.name}; choose 'embedding' with a file")
        if plugin.examples not in {"either", entry.examples}:
            raise StudyError(
                f"{kind} {plugin.name!r} works on {plugin.examples}, but {task.name} has {entry.examples}; a block of "
                "its own under [stories.NAME] can pair them otherwise"
            )


def check_budgets(study: Study) -> None:
    """Check that everything that is trained has a row of the budget table, and that no row is unused."""
    allowed = {*study.arm_names}
    viewers = {arm.pretext.name for arm in study.arms if arm.pretext_plugin.own_views}
    for arm, name in zip(study.arms, study.arm_names, strict=True):
        for plugin, per_arm in ((arm.pretext_plugin, False), (arm.protocol_plugin, name in study.budget)):
            if plugin.trained:
                allowed.add(plugin.name)
                if plugin.name not in study.budget and not per_arm:
                    raise StudyError(f"budget.{plugin.name} is missing: arm {name!r} trains and needs one")
    for key, row in study.budget.items():
        if key not in allowed:
            raise UnknownNameError("row of the budget table", key, allowed)
        if key in viewers and row.augment != Augment():
            raise StudyError(f"budget.{key}.augment: {key} makes its own views of the images; leave the key out")


def check_pools(study: Study) -> None:
    """Check that every task has enough examples for the largest rung, and that the smallest covers its classes."""
    for task, plugin in study.declared_tasks:
        pool = plugin.pool_of(task.options)
        if pool is not None and study.rungs[-1] > pool:
            raise StudyError(
                f"rungs: {study.rungs[-1]} labels asked for, but {task.label} has {pool} training {plugin.examples}"
            )
        classes = plugin.classes if plugin.goal == "classes" and not study.allow_missing_classes else None
        if classes and study.rungs[0] < classes:
            raise StudyError(
                f"rungs: {study.rungs[0]} labels can't cover the {classes} classes of {task.label}; "
                "set allow_missing_classes = true to measure that on purpose"
            )


def check_probe(study: Study) -> None:
    """Check that a probe has an encoder that is trained, and enough examples."""
    if study.probe is None:
        return
    if not any(arm.pretext_plugin.trained for arm in study.arms):
        raise StudyError(f"probe: none of the arms {study.arm_names} trains an encoder that could be probed")
    for task, plugin in study.declared_tasks:
        pool = plugin.pool_of(task.options)
        if pool is not None:
            check_pool(study.probe, task, pool)
