"""Finding the facts of a run: its labels, its data's tables and its conditions, once all checks have passed."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from labeleff.catalogue.declaration import Spec
from labeleff.execution.draws import ChosenLabels, LabelRule, choose_labels
from labeleff.execution.environment import library_releases, plugin_origins
from labeleff.execution.image_checks import image_facts
from labeleff.execution.job_runner import JobRunner
from labeleff.execution.preparation.preflight import check_installed, check_ready
from labeleff.execution.run_facts import RunFacts, Settings
from labeleff.execution.workplace import machine_of, sizes_of
from labeleff.records.entries import Conditions, LabelsEntry
from labeleff.scheduling.job_seconds import learn_sizes
from labeleff.study.label_conditions import LabelCondition
from labeleff.study.schema import Study
from labeleff.training.device import choose, device_name, give_back, pick_device, torch_release
from labeleff.training.examples import Source, Task
from labeleff.training.overlap import counted


def _pools(block: Study) -> list[LabelCondition]:
    """Conditions of a block's labels that differ in which examples there are: noise leaves those as they are."""
    return list(dict.fromkeys(item.model_copy(update={"noise": None}) for item in block.label_conditions))


def _rule(block: Study, runner: JobRunner) -> LabelRule:
    """How a block's labels are chosen: as its study's, except for classes that may be missing."""
    return replace(runner.settings.labels, allow_missing_classes=block.allow_missing_classes)


def choices(block: Study, spec: Spec, runner: JobRunner) -> Iterator[tuple[Spec, int, int, ChosenLabels]]:
    """Choose the labels of a task for every draw and rung, and make those with noise: (named task, draw, n, labels).

    Raises LadderError where there are too few labels, DataError where a table of labels doesn't fit.
    """
    task = runner.load(spec).task
    learn_sizes({spec.label: sizes_of(task)})
    rule = _rule(block, runner)
    for draw in range(block.draws):
        for noise in block.noises:
            runner.noisy_labels(spec, noise, draw)
        for labels, n in itertools.product(_pools(block), block.rungs):
            chosen = choose_labels(task, spec, rule, draw, n, labels.ratio)
            yield labels.named(spec), draw, n, chosen


def _all_labels(study: Study, runner: JobRunner) -> list[LabelsEntry]:
    """Choose and check the labels of every task, draw and rung, before the first training step."""
    return [
        LabelsEntry(
            task=named.label,
            draw=draw,
            n=n,
            subset=study.subset,
            indices_sha256=chosen.sha256,
            indices=chosen.indices.tolist(),
        )
        for block in study.blocks
        for spec in block.tasks
        for named, draw, n, chosen in choices(block, spec, runner)
    ]


def _class_counts(task: Task) -> dict[str, dict[str, list[int]]]:
    """Count the training and the test examples of each class, where cells record their hits by class."""
    sides = {"train": task.train, "test": task.test}
    counts = {side: task.goal.class_counts(one.labels, len(task.classes)) for side, one in sides.items()}
    return {"class_counts": counts} if counts["train"] else {}


def _tables(study: Study, runner: JobRunner, loaded: Iterable[tuple[Spec, Task]]) -> dict[str, dict[str, Any]]:
    """Describe every task for the run's entry."""
    tables: dict[str, dict[str, Any]] = {}
    for spec, task in loaded:
        tables[spec.label] = {
            "classes": list(task.classes),
            "train": len(task.train),
            "test": len(task.test),
            "chance": task.chance,
            "metric": task.goal.headline,
            "provenance": task.provenance,
            **_data_facts(spec, task, study, runner),
            **_class_counts(task),
            **({"weak_points": list(task.weak_points)} if task.weak_points else {}),
        }
    return tables


def _data_facts(spec: Spec, task: Task, study: Study, runner: JobRunner) -> dict[str, Any]:
    """Facts about a task's data: where it lies, what was done to it, leaks and copies."""
    block = next(block for block in study.blocks if spec in block.tasks)
    rule, largest = _rule(block, runner), block.rungs[-1]
    ratios = dict.fromkeys(labels.ratio for labels in block.label_conditions)
    labelled = (
        choose_labels(task, spec, rule, draw, largest, ratio).indices for ratio in ratios for draw in range(block.draws)
    )
    facts = {**task.facts, **image_facts(task, labelled), **_noise_facts(spec, task, block, runner)}
    if "path" in spec.options:
        facts["path"] = str(Source(Path(), base=runner.settings.options.base).place(str(spec.options["path"])))
    if task.unlabelled is not None:
        facts["unlabelled"] = len(task.unlabelled)
    return facts


def _noise_facts(spec: Spec, task: Task, block: Study, runner: JobRunner) -> dict[str, Any]:
    """Share of the whole training pool that tables of labels call by a wrong class, by table."""
    true = task.train.labels.numpy()
    tables = [noise for noise in block.noises if noise.kind == "file"]
    wrong = {str(one.label): float((runner.noisy_labels(spec, one, 0) != true).mean()) for one in tables}
    return {"share of wrong labels": wrong} if wrong else {}


def conditions(study: Study, runner: JobRunner, tasks: Collection[Spec] | None = None) -> Conditions:
    """The conditions that this runner would measure the study under; of data those of `tasks` alone where given."""
    read = _tasks(study) if tasks is None else tasks
    return Conditions(
        device=device_name(runner.device),
        precision={
            e.name: choose(e.name, runner.precision(e, block.precision), runner.device).precision
            for block in sorted(study.blocks, key=lambda block: block.precision == "auto")  # what workers are told
            for e in block.encoders
        },
        torch=torch_release(),
        data={t.label: runner.load(t).fingerprint for t in read}
        | _vector_digests(study, runner)
        | {s.label: runner.weights(s).sha256 for s in _loaded_pretexts(study) if tasks is None or "path" in s.options},
        plugins=plugin_origins(study),
        libraries=library_releases(study),
    )


def _vector_digests(study: Study, runner: JobRunner) -> dict[str, str]:
    """SHA-256 of the files of word vectors that encoders of the study start from, by their paths as the study says."""
    readers = [e for block in study.blocks for e in block.encoders if e.options.get("vectors")]
    return {
        str(e.options["vectors"]): hashlib.sha256(
            Path(str(runner.placed(e).options["vectors"])).read_bytes()
        ).hexdigest()
        for e in readers
    }


def _loaded_pretexts(study: Study) -> list[Spec]:
    """Pretexts of the study whose weights come from outside."""
    return [arm.pretext for block in study.blocks for arm in block.arms if arm.pretext_plugin.loaded]


def _tasks(study: Study) -> list[Spec]:
    return [spec for block in study.blocks for spec in block.tasks]


def find_facts(study: Study, runner: JobRunner) -> RunFacts:
    """Choose all labels, run all checks, and tell what the run needs to know of its data and device.

    Raises the LabeleffError of the first check that fails.
    """
    labels = _all_labels(study, runner)
    check_ready(study, runner)
    loaded = [(spec, counted(runner.load(spec).task, spec.options)) for spec in _tasks(study)]
    facts = RunFacts(
        machine_of(runner.device),
        {spec.label: sizes_of(task) for spec, task in loaded},
        tuple(labels),
        tuple(note for _, task in loaded for note in task.notes),
        conditions(study, runner),
        _tables(study, runner, loaded),
        {one.key: runner.cache_key(one) for all_ in study.pretrainings for one in runner.settings.encoders_of(all_)},
    )
    give_back()  # what reading the data let go, before workers take memory of their own
    return facts


def find_facts_apart(study: Study, settings: Settings, progress: Callable[[int, int, str], None]) -> RunFacts | None:
    """Find the facts in a process that ends afterwards; None, at once, where the device isn't the CPU.

    `progress(done, total, what)` hears of data that are read. The process has as many threads as the user lets it have.
    """
    check_installed(study)
    options = settings.options
    if pick_device(options.device).type != "cpu":
        return None
    threads = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(int(threads) if threads.isdecimal() and int(threads) else options.cores)
    return find_facts(study, JobRunner(settings, Source(options.data, options.offline, progress, base=options.base)))
