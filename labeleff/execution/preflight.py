"""Checks before the first training step.

Plug-ins must be installed, encoders fit their tasks, and data suffice. Each check raises a LabeleffError that names
what doesn't fit; none of them trains anything.
"""

from __future__ import annotations

import itertools

import torch

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import PluginError, StudyError
from labeleff.execution.job_runner import JobRunner
from labeleff.plugins.encoders.heads import LastMap
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.pretexts.stored_features import stored_rows
from labeleff.study.probe_settings import check_pool
from labeleff.study.schema import Study
from labeleff.training.examples import Task
from labeleff.training.streaming import limit


def check_installed(study: Study) -> None:
    """Check that all that the arms need can be imported; raises OptionError naming the extra that is missing."""
    for arm in (arm for block in study.blocks for arm in block.arms):
        lookup.resolve("pretext", arm.pretext.name)
        lookup.resolve("protocol", arm.protocol.name)


def _check_encoders(study: Study, runner: JobRunner) -> None:
    """Check that every encoder takes every task's examples, plain and split; raises StudyError naming the pair."""
    for block in study.blocks:
        kinds = {arm.pretext_plugin.split for arm in block.arms}
        for spec, encoder, split in itertools.product(block.tasks, block.encoders, sorted(kinds)):
            task = runner.load(spec).task
            if task.features is None:
                check_encoder(encoder, task, spec, split=split)
                continue
            for arm in block.arms:
                stored_rows(task, str(arm.pretext.options["of"]))


def check_encoder(encoder: Spec, task: Task, spec: Spec, *, split: bool) -> None:
    """Check that an encoder takes a task's examples; raises StudyError naming the pair."""
    side = int(task.train.inputs.shape[1])
    example = torch.zeros(1, 3, side, side) if task.text is None else task.train.inputs[:1].to(torch.int64)
    what = f"{side}-pixel images" if task.text is None else f"the stories of {spec.label}"
    network = build_encoder(encoder, 0, task.text, split=split)
    try:
        with torch.inference_mode():
            (LastMap(network) if task.goal.dense else network).eval()(example)
    except RuntimeError as error:
        raise StudyError(f"encoder {encoder.label} can't take {what}: {error}") from error


def check_stages(study: Study) -> None:
    """Check that every encoder has the stages up to which arms freeze it; raises UnknownNameError with those it has."""
    for block in study.blocks:
        for encoder, arm in itertools.product(block.encoders, block.arms):
            if "frozen" in arm.protocol.options:
                build_encoder(encoder, 0).until(str(arm.protocol.options["frozen"]))


def _check_weights(study: Study, runner: JobRunner) -> None:
    """Check that weights from outside exist and fit every encoder; raises WeightsError naming what doesn't."""
    for block in study.blocks:
        for encoder, arm in itertools.product(block.encoders, block.arms):
            if arm.pretext_plugin.loaded:
                runner.filled_encoder(encoder, arm.pretext, 0)


def _check_shared_images(study: Study, runner: JobRunner) -> None:
    """Check that tasks which share pretrained encoders have the same training images; raises PluginError otherwise."""
    shared = {(c.task.label, c.pretrain_task.label): c for c in study.pretrained_cells if c.pretrain_task is not None}
    for (task, other), cell in shared.items():
        assert cell.pretrain_task is not None
        ours, theirs = (runner.load(spec).task.train.inputs for spec in (cell.task, cell.pretrain_task))
        if not torch.equal(ours, theirs):
            raise PluginError(f"{task} has other training images than {other}, whose pretrained encoders it would take")


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
    _check_shared_images(study, runner)
    _check_probe(study, runner)
