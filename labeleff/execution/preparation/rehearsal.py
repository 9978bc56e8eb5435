"""A run's checks for a plan: what `labeleff run` would refuse, without a step of training and without a download.

Data in files of the user's and weights on this machine are read; made tasks count by their declaration, unless their
own labels say whether a table of noise or a long tail fits. Of what a run would fetch first the plan says so.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from pathlib import Path

from labeleff.catalogue import downloads, lookup
from labeleff.catalogue.declaration import Spec
from labeleff.catalogue.metrics import DENSE
from labeleff.errors import AbsentWeightsError
from labeleff.execution.draws import read_draws
from labeleff.execution.environment import check_conditions
from labeleff.execution.image_checks import image_facts
from labeleff.execution.job_runner import JobRunner
from labeleff.execution.preparation.fact_finding import choices, conditions
from labeleff.execution.preparation.preflight import (
    check_budgets,
    check_encoder,
    check_images,
    check_installed,
    check_pretexts,
    check_shared_images,
    check_side,
    check_stages,
)
from labeleff.execution.progress import PreparationBars
from labeleff.execution.run_facts import settings_of
from labeleff.execution.workplace import sizes_of
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.encoders.word_vectors import read_vectors
from labeleff.records.jsonl import Records
from labeleff.scheduling.job_seconds import examples_of, learn_sizes
from labeleff.scheduling.overheads import data_name
from labeleff.scheduling.run_options import RunOptions
from labeleff.scheduling.speeds import INSTANT
from labeleff.study.arms import Arm
from labeleff.study.probe_settings import check_pool
from labeleff.study.schema import Study
from labeleff.training.examples import Source
from labeleff.training.overlap import counted
from labeleff.training.streaming import limit


def rehearse(study: Study, options: RunOptions, records: Records) -> dict[str, float]:
    """Check device, tasks, labels, encoders, weights and conditions as far as they are on this machine.

    `records` are those of the run's folder. Raises the LabeleffError of a run. The sizes of the tasks that are read
    count for estimates from then on. Returns examples per second of processor time by name, of the data that were made
    ready.
    """
    check_installed(study)
    bars = PreparationBars(quiet=options.quiet)
    settings = dataclasses.replace(settings_of(study, options), precision=records.precision)
    runner = JobRunner(settings, Source(options.data, True, bars.advance, base=options.base))
    rates: dict[str, float] = {}
    for block in study.blocks:
        for spec in block.tasks:
            if is_read(block, spec, options):
                with bars:
                    rate = _check_task(block, spec, runner)
                if is_local(spec):
                    rates[data_name(spec)] = rate
                continue
            if study.draws_from is not None:
                _check_draws(block, spec, runner)
            _check_sides(block, spec)
    limit(runner.device)
    for block in study.blocks:
        for encoder, arm, _ in block.pairs:
            _check_weights(encoder, arm, runner)
        for encoder in (encoder for encoder in map(runner.placed, block.encoders) if encoder.options.get("vectors")):
            read_vectors(Path(str(encoder.options["vectors"])), ())
    check_stages(study)
    read = [spec for block in study.blocks for spec in block.tasks if is_read(block, spec, options)]
    check_shared_images(study, runner, {spec.label for spec in read})
    check_images(study, runner, {spec.label for spec in read})
    check_budgets(study, runner, {spec.label for spec in read})
    check_conditions(records.measured_runs, conditions(study, runner, read), options.folder)
    return rates


def is_local(task: Spec) -> bool:
    """Whether a task's data are in files or a folder that the study names."""
    return bool(task.options.get("path") or task.options.get("files"))


def is_read(block: Study, task: Spec, options: RunOptions) -> bool:
    """Whether a plan reads a task's data: the user's, and those without which it can't say what a run would refuse.

    These are, offline, data that a run would miss, and data at hand whose labels a long tail or a table must fit.
    """
    if is_local(task):
        return True
    absent = downloads.missing(task, options.data) is not None
    return options.offline if absent else block.fits_labels


def _check_sides(block: Study, spec: Spec) -> None:
    """Check that encoders, and pretexts on them, take images as large as a task declares them."""
    plugin = lookup.find("task", spec.name)
    if plugin.examples != "images" or "size" not in spec.options:
        return
    side = int(spec.options["size"])
    for encoder, split in block.networks:
        check_side(build_encoder(encoder, 0, split=split), side, encoder, dense=plugin.goal in DENSE)
        check_pretexts(block.arms_on(encoder), encoder, side)


def _check_task(block: Study, spec: Spec, runner: JobRunner) -> float:
    """Check one task as a run does, and print its notes; returns the examples per second at which it was read."""
    start = time.process_time()
    task = counted(runner.load(spec).task, spec.options)
    assert runner.load(spec).fingerprint
    image_facts(task)
    seconds = time.process_time() - start
    learn_sizes({spec.label: sizes_of(task)})
    for _ in choices(block, spec, runner):
        pass
    for note in task.notes:
        print(f"note: {note}", flush=True)
    for encoder, split in block.networks:
        check_encoder(runner, block, encoder, spec, split=split)
    if block.probe is not None:
        check_pool(block.probe, spec, len(task.train))
    return examples_of(spec) / max(seconds, INSTANT)


def _check_weights(encoder: Spec, arm: Arm, runner: JobRunner) -> None:
    """Check that weights from outside fit an encoder, as far as they are here; prints a note where they aren't."""
    by_package = lookup.origin("pretext", arm.pretext.name) is not None
    offline = runner.settings.options.offline
    if not arm.pretext_plugin.loaded or (by_package and not offline and "path" not in arm.pretext.options):
        return
    try:
        runner.filled_encoder(encoder, arm.pretext, 0)
    except AbsentWeightsError:
        if offline:
            raise
        print(f"note: {arm.pretext.label}: not there yet, would be downloaded", flush=True)


def _check_draws(block: Study, spec: Spec, runner: JobRunner) -> None:
    """Check that published labels are there for every draw and rung."""
    pool = lookup.find("task", spec.name).pool_of(spec.options)
    published = runner.settings.labels.published
    if pool is not None and published is not None:
        for draw, n in itertools.product(range(block.draws), block.rungs):
            read_draws(published, spec.label, draw, n, pool=pool)
