"""Checks before the first training step.

Plug-ins must be installed, encoders fit their tasks, and data suffice. Each check raises a LabeleffError that names
what doesn't fit; none of them trains anything.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.catalogue.strategies import resolve_strategy
from labeleff.errors import DataError, PluginError, StudyError
from labeleff.execution.job_runner import JobRunner
from labeleff.plugins.encoders.heads import LastMap
from labeleff.plugins.encoders.interface import Encoder, build_encoder
from labeleff.plugins.encoders.rows import stored_rows
from labeleff.scheduling.jobs import steps
from labeleff.study.arms import Arm
from labeleff.study.cell import Budget, Cell
from labeleff.study.consistency import check_views
from labeleff.study.probe_settings import check_pool
from labeleff.study.schema import Study
from labeleff.training.hashed_random import held_out_count
from labeleff.training.slots import learning_rates
from labeleff.training.streaming import limit


def check_installed(study: Study) -> None:
    """Check that all that the arms need can be imported; raises OptionError naming the extra that is missing."""
    for arm in (arm for block in study.blocks for arm in block.arms):
        lookup.resolve("pretext", arm.pretext.name)
        lookup.resolve("protocol", arm.protocol.name)
        if arm.selected:
            resolve_strategy(arm.selected)


def _check_encoders(study: Study, runner: JobRunner) -> None:
    """Check that every encoder takes every task's examples, plain and split; raises StudyError naming the pair."""
    for block in study.blocks:
        for spec, (encoder, split) in itertools.product(block.tasks, block.networks):
            check_encoder(runner, block, encoder, spec, split=split)


def check_encoder(runner: JobRunner, block: Study, encoder: Spec, spec: Spec, *, split: bool) -> None:
    """Check that an encoder takes a task's examples, or the block's arms its features; StudyError names the pair."""
    task = runner.load(spec).task
    if task.features is not None:
        for arm in block.arms:
            stored_rows(task, str(arm.pretext.options["of"]))
        return
    side = int(task.train.inputs.shape[1])
    network = build_encoder(runner.placed(encoder), 0, task.text, split=split)
    if task.text is None:
        check_side(network, side, encoder, dense=task.goal.dense)
    else:
        _try(network, task.train.inputs[:1].to(torch.int64), f"encoder {encoder.label} can't take {spec.label}")
    check_pretexts(block.arms_on(encoder), encoder, side)


def check_side(network: Encoder, side: int, encoder: Spec, *, dense: bool) -> None:
    """Check that an encoder takes images of `side` pixels; raises StudyError with both."""
    what = f"encoder {encoder.label} can't take {side}-pixel images"
    _try(LastMap(network) if dense else network, torch.zeros(1, 3, side, side), what)


def _try(network: nn.Module, example: Tensor, what: str) -> None:
    try:
        with torch.inference_mode():
            network.eval()(example)
    except RuntimeError as error:
        raise StudyError(f"{what}: {error}") from error


def check_pretexts(arms: Sequence[Arm], encoder: Spec, side: int) -> None:
    """Check that pretexts which say so take an encoder and images of `side` pixels; raises their LabeleffError."""
    for arm in arms:
        if check := lookup.pretext_check(arm.pretext.name):
            check(build_encoder(encoder, 0), side, lookup.options("pretext", arm.pretext))


def check_stages(study: Study) -> None:
    """Check that every encoder has the stages up to which arms freeze it; raises UnknownNameError with those it has."""
    for block in study.blocks:
        for encoder, arm, _ in block.pairs:
            if "frozen" in arm.protocol.options:
                network = build_encoder(encoder, 0, split=arm.pretext_plugin.split)
                network.until(str(arm.protocol.options["frozen"]))


def _check_weights(study: Study, runner: JobRunner) -> None:
    """Check that weights from outside exist and fit every encoder; raises WeightsError naming what doesn't."""
    for block in study.blocks:
        for encoder, arm, _ in block.pairs:
            if arm.pretext_plugin.loaded:
                runner.filled_encoder(encoder, arm.pretext, 0)


def check_shared_images(study: Study, runner: JobRunner, read: Collection[str] | None = None) -> None:
    """Check that tasks which share pretrained encoders have the same training images; raises PluginError otherwise.

    Only tasks whose labels are in `read` are looked at, where that is given.
    """
    shared = {(c.task.label, c.pretrain_task.label): c for c in study.pretrained_cells if c.pretrain_task is not None}
    for (task, other), cell in shared.items():
        assert cell.pretrain_task is not None
        if read is not None and not {task, other} <= set(read):
            continue
        ours, theirs = (runner.load(spec).task.train.inputs for spec in (cell.task, cell.pretrain_task))
        if not torch.equal(ours, theirs):
            raise PluginError(f"{task} has other training images than {other}, whose pretrained encoders it would take")


def check_images(study: Study, runner: JobRunner, read: Collection[str] | None = None) -> None:
    """Check that tasks have as many images as pretexts are to see; raises DataError with both numbers.

    Pretexts that make their own views compare the images of a batch, which must differ. Only tasks whose labels are in
    `read` are looked at, where that is given.
    """
    for item in study.pretrainings:
        if item.budget is None or not (read is None or item.task.label in read):
            continue
        plugin = lookup.find("pretext", item.pretext.name)
        if item.images is None and not plugin.own_views:
            continue
        count = runner.load(item.task).pretext_count(item)
        share = float(str(lookup.options("pretext", item.pretext).get("holdout", 0.0)))
        kept = count - held_out_count(count, share, least=2)
        if plugin.own_views and kept < item.budget.batch:
            raise DataError(
                f"{item.pretext.name} of {item.task.label}: found {kept:,} images to train on ({count:,} with "
                f"those held out), expected as many as a batch, {item.budget.batch}, whose images must differ"
            )


def check_budgets(study: Study, runner: JobRunner, read: Collection[str] | None = None) -> None:
    """Check that every row of a budget table trains, and that all it says has an effect; StudyError names the key.

    Sides of images and lengths of epochs are looked at for tasks whose labels are in `read`, where that is given.
    """
    for block in study.blocks:
        for key, row in block.budget.items():
            _check_effects(f"budget.{key}", row)
        for (key, row), spec in itertools.product(block.budget.items(), block.tasks):
            place, images = f"budget.{key}", lookup.find("task", spec.name).examples == "images"
            if images and row.augment.words is not None:
                raise StudyError(f"{place}.augment.words: found it for images of {spec.label}, expected stories")
            if images and (read is None or spec.label in read):
                _check_augment(place, row, int(runner.load(spec).task.train.inputs.shape[1]), spec)
    for cell in study.cells():
        if cell.budget is None:
            continue
        compares = lookup.find("protocol", cell.protocol.name).augmented
        if compares and lookup.options("protocol", cell.protocol).get("weight", 1):
            check_views(f"budget of {cell.arm}, augment", cell.budget.augment)
        if read is None or cell.task.label in read:
            count = len(runner.load(cell.task).task.train)
            _check_rates(cell, cell.budget, steps(cell, cell.budget, itertools.repeat(count).__next__))


def _check_effects(place: str, row: Budget) -> None:
    usual = {name: field.default for name, field in Budget.model_fields.items()}
    if row.optimizer != "sgd" and row.momentum != usual["momentum"]:
        raise StudyError(f"{place}.momentum: found {row.momentum:g} with {row.optimizer}, expected it with sgd alone")
    if row.schedule == "constant" and row.final != usual["final"]:
        raise StudyError(f"{place}.final: found {row.final:g} with a constant schedule, expected linear or cosine")


def _check_augment(place: str, row: Budget, side: int, task: Spec) -> None:
    for name in ("crop", "cutout"):
        if (found := getattr(row.augment, name)) >= side:
            raise StudyError(
                f"{place}.augment.{name}: found {found} pixels, expected fewer than the {side} of {task.label}"
            )


def _check_rates(cell: Cell, budget: Budget, count: int) -> None:
    if count == 1 and not any(learning_rates(budget, count)):
        raise StudyError(
            f"budget of {cell.arm}: found one step at {cell.n} labels, whose rate is 0, as schedules end; expected "
            "more steps, a warmup, or a final rate over 0"
        )


def _check_probe(study: Study, runner: JobRunner) -> None:
    """Check that training splits have enough examples for a probe; raises StudyError naming the numbers."""
    if study.probe is not None:
        for spec in study.tasks:
            check_pool(study.probe, spec, len(runner.load(spec).task.train))


def check_ready(study: Study, runner: JobRunner) -> None:
    """Run all checks that need the tasks' data; raises the LabeleffError of the first that fails."""
    limit(runner.device)
    _check_encoders(study, runner)
    check_stages(study)
    _check_weights(study, runner)
    check_shared_images(study, runner)
    check_images(study, runner)
    check_budgets(study, runner)
    _check_probe(study, runner)
