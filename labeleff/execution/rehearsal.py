"""A run's checks for a plan: what `labeleff run` would refuse, without a step of training and without a download.

Data in folders of the user's and weights in files are read; made tasks count by their declaration, and data that a run
would fetch first isn't judged.
"""

from __future__ import annotations

import itertools

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.execution.draws import choose_labels, read_draws
from labeleff.execution.job_runner import JobRunner
from labeleff.execution.launch import settings_of
from labeleff.execution.preflight import check_encoder, check_stages
from labeleff.scheduling.job_seconds import learn_sizes
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.probe_settings import check_pool
from labeleff.study.schema import Study
from labeleff.training.examples import Source


def rehearse(study: Study, options: RunOptions) -> None:
    """Check tasks, labels, encoders and weights as far as they are on this machine; raises the LabeleffError of a run.

    The sizes of the tasks that are read count for estimates from then on.
    """
    runner = JobRunner(settings_of(study, options), Source(options.data, offline=True, base=options.base))
    for block in study.blocks:
        for spec in block.tasks:
            if is_local(spec):
                _check_task(block, spec, runner)
            elif study.draws_from is not None:
                _check_draws(block, spec, runner)
        for encoder, arm in itertools.product(block.encoders, block.arms):
            if arm.pretext_plugin.loaded and "path" in arm.pretext.options:
                runner.filled_encoder(encoder, arm.pretext, 0)
    check_stages(study)


def is_local(task: Spec) -> bool:
    """Whether a task's data are in a file or folder that the study names."""
    return bool(task.options.get("path"))


def _check_task(block: Study, spec: Spec, runner: JobRunner) -> None:
    task = runner.load(spec).task
    learn_sizes(spec, len(task.train), len(task.test))
    for draw, n in itertools.product(range(block.draws), block.rungs):
        choose_labels(task, spec, runner.settings.labels, draw, n)
    splits = sorted({arm.pretext_plugin.split for arm in block.arms})
    for encoder, split in itertools.product(block.encoders, splits):
        check_encoder(encoder, task, spec, split=split)
    if block.probe is not None:
        check_pool(block.probe, spec, len(task.train))


def _check_draws(block: Study, spec: Spec, runner: JobRunner) -> None:
    """Check that published labels are there for every draw and rung."""
    pool = lookup.find("task", spec.name).pool_of(spec.options)
    published = runner.settings.labels.published
    if pool is not None and published is not None:
        for draw, n in itertools.product(range(block.draws), block.rungs):
            read_draws(published, spec.label, draw, n, pool=pool)
