"""Made records of a whole study, from which its report is built once to be timed: learning curves with noise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch

from labeleff.catalogue import lookup
from labeleff.catalogue.metrics import GOALS
from labeleff.commands.calibrate.made_data import CLASS_COUNT
from labeleff.execution.environment import environment, timestamp
from labeleff.execution.workplace import machine_of
from labeleff.records.entries import Conditions, Entry, PretrainingRecord, Record, RunEntry
from labeleff.records.folders import FILE_NAME
from labeleff.records.jsonl import line
from labeleff.records.training_log import Training, Window
from labeleff.scheduling.job_seconds import classes_of, pool_of, steps_of, test_of
from labeleff.scheduling.jobs import pretraining_key
from labeleff.seeding import generator
from labeleff.study.cell import Cell, Pretraining
from labeleff.study.schema import Study

RUN = "made"
WINDOWS = 10
"""Most windows of a made training, each with a point of the learning curve."""
RATE = 1000.0
"""Examples per second of made trainings."""
TOP, FALL = 0.9, 2.0
"""Accuracies with many labels, and their loss with one label, which falls with the root of the label count."""
NOISE = 0.02
"""Standard deviation of made accuracies."""


def write_records(study: Study, folder: Path) -> None:
    """Write `records.jsonl` of a study of which every cell is finished into `folder`."""
    (folder / FILE_NAME).write_bytes(b"".join(map(line, _entries(study))))


def _entries(study: Study) -> Iterator[Entry]:
    yield _run_entry(study)
    for pretraining in study.pretrainings:
        training = _training(pretraining) if pretraining.budget else None
        curve = {"loss": 0.5, "accuracy": 0.8}
        yield PretrainingRecord(
            run=RUN, key=pretraining.key, pretraining=pretraining, status="ok", metrics=curve, training=training
        )
    for cell in study.cells():
        yield _record(cell)


def _run_entry(study: Study) -> RunEntry:
    tasks, goals = {}, {}
    for spec in (spec for block in study.blocks for spec in block.tasks):
        goals[spec.label] = lookup.find("task", spec.name).goal
        classes = [str(number) for number in range(_classes(spec.label, study))]
        facts = {"train": pool_of(spec), "test": test_of(spec), "chance": 1 / max(len(classes), 1), "provenance": RUN}
        tasks[spec.label] = {"classes": classes, "metric": GOALS[goals[spec.label]][0], **facts}
    return RunEntry(
        run=RUN,
        started=timestamp(),
        command=["labeleff", "run", study.name],
        study=study.model_dump(mode="json"),
        conditions=Conditions(device="cpu", precision={}, torch=RUN, data=dict.fromkeys(tasks, RUN)),
        tasks=tasks,
        environment=environment(machine_of(torch.device("cpu")), 1),
    )


def _classes(label: str, study: Study) -> int:
    spec = next(task for block in study.blocks for task in block.tasks if task.label == label)
    known = classes_of(spec)
    return CLASS_COUNT if known is None else known


def _record(cell: Cell) -> Record:
    goal, tested = lookup.find("task", cell.task.name).goal, test_of(cell.task)
    luck = generator("made record", cell.key).normal(0.0, NOISE)
    lead = generator("made arm", cell.arm).uniform(0.0, 1.0) * cell.n
    accuracy = min(max(TOP - FALL / math.sqrt(cell.n + lead + 4) + luck, 0.01), 0.99)
    training = _training(cell) if cell.budget else None
    return Record(
        run=RUN,
        key=cell.key,
        cell=cell,
        status="ok",
        metrics=dict.fromkeys(GOALS[goal], round(accuracy * tested) / tested),
        class_hits=_hits(cell, accuracy, tested) if goal == "item_classes" else [],
        test_count=tested,
        test_seconds=1.0 if training else None,
        pretraining=pretraining_key(cell),
        training=training,
        seconds=1.0,
        processor_seconds=1.0,
        peak_memory=1,
        finished=timestamp(),
    )


def _hits(cell: Cell, accuracy: float, tested: int) -> list[int]:
    classes = classes_of(cell.task) or CLASS_COUNT
    return [round(accuracy * tested / classes)] * classes


def _training(work: Cell | Pretraining) -> Training:
    assert work.budget is not None
    steps, batch = max(steps_of(work), 1), work.budget.batch
    windows = min(WINDOWS, steps)
    images = steps * batch / windows
    names = ("loss", "accuracy", "validation_loss", "validation_accuracy", "heldout_accuracy")
    history = [
        {"step": number * steps / windows, "epoch": float(number), **dict.fromkeys(names, number / (windows + 1))}
        for number in range(1, windows + 1)
    ]
    parts = [Window(images=round(images), seconds=images / RATE, processor_seconds=images / RATE)] * windows
    seconds = steps * batch / RATE
    return Training(steps=steps, batch=batch, images=steps * batch, seconds=seconds, windows=parts, history=history)
