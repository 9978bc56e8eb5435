"""Checks of a study across its axes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import PLACE, Plugin, Spec
from labeleff.catalogue.metrics import CALIBRATION, DENSE, GOALS, METRICS, PUBLISHED, QUADRATIC, SINGLE, UNSEEN
from labeleff.errors import StudyError, UnknownNameError
from labeleff.study.auto_ladder import check_auto
from labeleff.study.budget_rows import check_budgets, pretext_rows
from labeleff.study.cell import Augment
from labeleff.study.option_values import unfit_names
from labeleff.study.probe_settings import check_pool
from labeleff.study.question import check_question
from labeleff.study.selection import check_selection

OF_ALL_BLOCKS = ("subset", "draws_from")
"""Keys that say how labels are drawn, which blocks of stories share with their study."""


def check(study: Study) -> None:
    """Check a study across its axes; raises StudyError, or UnknownNameError with the nearest match."""
    check_names(study)
    check_size(study)
    check_headline(study)
    check_arm_names(study)
    if study.asks is not None:
        check_question(study.asks, {option for task in study.tasks for option in task.options})
    if study.auto is not None:
        check_auto(study.auto, study.rungs, len(study.runs), len(study.arms))
    for name, block in study.stories.items():
        check_block(block, f"stories.{name}")
        for key in OF_ALL_BLOCKS:
            if (found := getattr(block, key)) != (expected := getattr(study, key)):
                raise StudyError(f"stories.{name}.{key}: found {found!r}, expected {expected!r}, as of the whole study")
    check_pretexts(study)
    check_budgets(study)
    check_examples(study)
    check_pools(study)
    check_probe(study)
    check_tune(study)
    check_selection(study)
    check_protocols(study.declared_tasks, [(arm.protocol, arm.protocol_plugin) for arm in study.arms])
    check_metrics(study.metrics, study.declared_tasks)
    check_probabilities(study)
    check_item_targets(study)
    check_class_tokens(study)


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


def check_class_tokens(study: Study) -> None:
    """Raise StudyError for an encoder whose features are a class token on a task where every pixel has a label."""
    dense = [task for task, plugin in study.declared_tasks if plugin.goal in DENSE]
    for task, encoder in itertools.product(dense, study.encoders):
        if lookup.options("encoder", encoder).get("pool") == "token":
            raise StudyError(
                f"encoder {encoder.label} can't be used on {task.name}, where every pixel has a label: its last map is "
                'the class token, one for the whole image; take pool = "mean"'
            )


def check_item_targets(study: Study) -> None:
    """Raise StudyError for protocols that don't know a task's targets, and for values on a ladder chosen as it goes."""
    items = [(task, plugin.goal) for task, plugin in study.declared_tasks if plugin.goal not in DENSE | SINGLE]
    for (task, goal), arm in itertools.product(items, study.arms):
        if goal not in arm.protocol_plugin.targets:
            able = ", ".join(one.name for one in lookup.plugins("protocol") if goal in one.targets)
            raise StudyError(f"protocol {arm.protocol.name!r} can't be used on {task.name}; choose one of {able}")
        if study.auto is not None and not METRICS[GOALS[goal][0]].share:
            raise StudyError(f"auto: {task.name} has values that may be under 0; give its rungs instead")


def check_metrics(metrics: Mapping[str, str], tasks: Sequence[tuple[Spec, Plugin]]) -> None:
    """Check the recorded metrics to report on, by task name.

    Raises UnknownNameError for an unknown task or metric, StudyError for a metric for which lower is better.
    """
    plugins = {task.name: plugin for task, plugin in tasks}
    for name, metric in metrics.items():
        if name not in plugins:
            raise UnknownNameError("task (in 'metrics')", name, plugins)
        recorded = _recorded(plugins[name])
        usable = [one for one in recorded if not PUBLISHED[one].lower]
        if metric in CALIBRATION and QUADRATIC in recorded:
            raise StudyError(
                f"metrics: {metric!r} of {name} is the better the smaller, so labels can't be counted against it; "
                f"choose {QUADRATIC}, which is 1 - Brier score / 2"
            )
        if metric not in recorded:
            raise UnknownNameError(f"metric of {name}", metric, usable)
        if metric not in usable:
            raise StudyError(
                f"metrics: {metric!r} of {name} is the better the smaller, so labels can't be counted against it; "
                f"choose one of {', '.join(usable)}"
            )


def _recorded(task: Plugin) -> tuple[str, ...]:
    """Metrics of a task's records that a study may name."""
    if task.examples == "stories":
        return (*GOALS[task.goal], UNSEEN)
    return (*GOALS[task.goal], *((QUADRATIC,) if task.goal in SINGLE else ()))


def check_probabilities(study: Study) -> None:
    """Raise StudyError for a report on probabilities with arms whose protocol gives none."""
    if QUADRATIC not in study.metrics.values():
        return
    for arm, name in zip(study.arms, study.arm_names, strict=True):
        if not arm.protocol_plugin.probabilities:
            raise StudyError(
                f"metrics: {QUADRATIC} is of predicted probabilities, and the scores of {name} are none; leave out "
                "that arm or choose another metric"
            )


def check_pretexts(study: Study) -> None:
    """Check that pretexts have encoders that can be split or have patches, and views that can differ.

    An arm is left out on an encoder that lacks what its pretext needs; the baseline is measured on all, and every arm
    on one at least. Raises StudyError.
    """
    for arm, name in zip(study.arms, study.arm_names, strict=True):
        unfit = [encoder for encoder in study.encoders if not fits(arm.pretext_plugin, encoder)]
        if unfit and (len(unfit) == len(study.encoders) or name == study.baseline):
            check_fit(arm.pretext_plugin, unfit[0])
        for key, row in pretext_rows(study, arm.pretext.name):
            if arm.pretext_plugin.augmented:
                check_views(f"budget.{key}.augment", row.augment)


def fits(pretext: Plugin, encoder: Spec) -> bool:
    """Whether an encoder has what a pretext needs: patches, a narrow version."""
    plugin = lookup.find("encoder", encoder.name)
    return (plugin.tokens or not pretext.tokens) and (plugin.narrow is not None or not pretext.split)


def left_out(study: Study) -> list[str]:
    """Notes on arms of all blocks that aren't measured on every encoder."""
    return [
        f"{name} isn't measured on {encoder.label}, which lacks what its pretext needs: patches, or a narrow version"
        for block in study.blocks
        for encoder, (arm, name) in itertools.product(block.encoders, zip(block.arms, block.arm_names, strict=True))
        if not fits(arm.pretext_plugin, encoder)
    ]


def check_fit(pretext: Plugin, encoder: Spec) -> None:
    """Raise StudyError for an encoder that lacks what a pretext needs, with those that have it."""
    if pretext.split:
        check_split(encoder)
    if pretext.tokens and not lookup.find("encoder", encoder.name).tokens:
        able = ", ".join(one.name for one in lookup.plugins("encoder") if one.tokens)
        raise StudyError(f"{pretext.name} hides patches, and encoder {encoder.name!r} has none; choose one of {able}")


def check_split(encoder: Spec) -> None:
    """Raise StudyError for an encoder without a narrow version."""
    if lookup.find("encoder", encoder.name).narrow is None:
        able = ", ".join(plugin.name for plugin in lookup.plugins("encoder") if plugin.narrow)
        users = ", ".join(plugin.name for plugin in lookup.plugins("pretext") if plugin.split)
        raise StudyError(
            f"encoder {encoder.name!r} has no narrow version, and can't be split into lightness and colour as {users} "
            f"needs it; choose one of {able}"
        )


def check_views(place: str, augment: Augment) -> None:
    """Raise StudyError where two views can't differ, as they share the flip and nothing else is random."""
    if augment.model_copy(update={"flip": False, "words": None}) == Augment():
        raise StudyError(
            f"{place}: found {augment}, expected crop, jitter or cutout: without, the two augmentations of an image "
            "that are compared would be equal"
        )


if TYPE_CHECKING:
    from labeleff.study.schema import Study

MOST_CELLS = 100_000
"""Most cells of a study: large ones have thousands, so this finds a zero too many before it takes all memory."""


def check_names(study: Study) -> None:
    """Check that nothing is named twice, that the baseline is an arm, and that zipped draws and seeds are as many."""
    for key, axis in (("tasks", study.tasks), ("encoders", study.encoders)):
        labels = [spec.label for spec in axis]
        if len(set(labels)) < len(labels):
            places = [str(spec.options[PLACE]) for spec in axis if PLACE in spec.options]
            if len(set(places)) > 1:
                raise StudyError(
                    f"{' and '.join(places)}: found tasks that differ in their path alone, expected names for them: "
                    'give each data = "NAME"'
                )
            raise StudyError(f"{key}: {labels} names one thing twice")
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


def check_arm_names(study: Study) -> None:
    """Raise StudyError for figures' names of arms that the study doesn't have, of nothing, or of several arms."""
    for arm in study.names:
        if arm not in study.arm_names:
            raise StudyError(f"names: {UnknownNameError('arm', arm, study.arm_names)}")
    if problem := unfit_names(study.names):
        raise StudyError(f"names: {problem}")


def check_size(study: Study) -> None:
    """Check that there are not too many cells, nor too few rungs to compare arms."""
    runs = study.draws * (1 if study.pairing == "zipped" else study.seeds)
    arms = sum(len(study.points_of(arm)) for arm in study.arms)
    cells = runs * len(study.rungs) * arms * len(study.tasks) * len(study.encoders)
    cells *= len(study.label_conditions)
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


def check_tune(study: Study) -> None:
    """Check that there is something to tune: protocols that are trained and, with `pretext`, pretexts that are."""
    if study.tune is None:
        return
    for task, plugin in study.declared_tasks:
        if plugin.examples == "stories":
            raise StudyError(f"tune: found {task.name}, expected tasks of images; of stories `validated` chooses")
    if study.tune.pretext is not None and not any(arm.pretext_plugin.trained for arm in study.arms):
        raise StudyError(f"tune.pretext: none of the arms {study.arm_names} has a pretext that is trained")
    if study.tune.pretext is None and not any(arm.protocol_plugin.trained for arm in study.arms):
        raise StudyError(f"tune: none of the arms {study.arm_names} has a protocol that is trained")
    undecayed = (
        cell for cell in study.cells() if cell.tune is not None and cell.budget and not cell.budget.weight_decay
    )
    if len(study.tune.weight_decay) > 1 and (cell := next(undecayed, None)) is not None:
        raise StudyError(
            f"tune.weight_decay: found multiples {study.tune.weight_decay} of the weight_decay of {cell.arm}'s budget "
            "row, which is 0, so all are equal; give the row a weight_decay"
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
