"""Synthetic studies with known curves: records without training."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labeleff.records.entries import Conditions, PretrainingRecord, Record, RunEntry
from labeleff.records.folders import FILE_NAME
from labeleff.records.training_log import Training, Window
from labeleff.seeding import stream_seed
from labeleff.study.cell import Cell
from labeleff.study.loading import parse_study
from labeleff.study.schema import Study

RUNGS = [20, 50, 100, 200, 500, 1000]
SAVED = {"scratch/finetune": 0.0, "rotation/finetune": 100.0, "rotation/linear": 3000.0}
"""Labels that each arm's curve lies to the left of the baseline's: U(n) = saved / n."""


def accuracy(n: float) -> float:
    """The baseline's true curve."""
    return float(0.92 - 1.6 * n**-0.3)


def study(**changes: Any) -> Study:
    """A small study over the toy task; `changes` replace keys of its table."""
    budget = {"lr": 0.05, "batch": 32, "steps": {"min": 8, "max": 8}}
    table = {
        "name": "known",
        "title": "Known curves",
        "tasks": [{"name": "toy/classify", "train": 2000, "test": 1000}],
        "encoders": [{"name": "resnet9", "width": 0.25}],
        "arms": list(SAVED),
        "rungs": RUNGS,
        "draws": 3,
        "budget": {"rotation": budget, "finetune": budget},
    }
    return parse_study({**table, **changes}, "the test's study")


def run_entry(of: Study, run: str = "r1", **changes: Any) -> RunEntry:
    """A run entry as the runner writes it."""
    task = {
        "classes": 10,
        "train": 2000,
        "test": 1000,
        "chance": 0.1,
        "metric": "accuracy",
        "provenance": "made",
    }
    fields = {
        "run": run,
        "started": "2026-01-02T03:04:05+00:00",
        "command": ["labeleff", "run", "known", "--set", "draws=3"],
        "study": of.model_dump(mode="json"),
        "conditions": Conditions(
            device="cpu",
            precision={e.label: "fp32" for e in of.encoders},
            torch="2.15",
            data={t.label: "ab" * 32 for t in of.tasks},
        ),
        "tasks": {t.label: task for t in of.tasks},
        "environment": {"python": "3.12.1", "cpu": "a processor", "cores": 2},
    }
    return RunEntry(**{**fields, **changes})


def training(rate: float = 1000.0) -> Training:
    """Five windows, the first of them slow, with a learning curve."""
    windows = [Window(images=640, seconds=640 / rate * (3 if i == 0 else 1 + 0.01 * i)) for i in range(5)]
    history = [
        {
            "step": 20.0 * i,
            "epoch": float(i),
            "loss": 1.4 / i,
            "accuracy": 0.9 - 0.6 / i,
            "heldout_accuracy": 0.8 - 0.5 / i,
        }
        for i in range(1, 6)
    ]
    seconds = sum(window.seconds for window in windows)
    return Training(steps=100, batch=32, images=3200, seconds=seconds, windows=windows, history=history)


def pretrainings(of: Study, run: str = "r1", cached: bool = False) -> list[PretrainingRecord]:
    return [
        PretrainingRecord(
            run=run,
            key=item.key,
            pretraining=item,
            status="ok",
            metrics={"accuracy": 0.78, "heldout_accuracy": 0.7, "loss": 0.28},
            training=training(),
            cached=cached,
            peak_memory=123_456_789,
        )
        for item in of.pretrainings
    ]


def value(cell: Cell, noise: float, seed: int = 0) -> float:
    """The cell's accuracy: its arm's curve, noise of its draw at the rung (shared by arms) and its own."""
    shared = np.random.default_rng([seed, cell.n, cell.draw]).standard_normal()
    own = np.random.default_rng([seed, stream_seed(cell.arm, cell.n, cell.draw, cell.seed)]).standard_normal()
    true = accuracy(cell.n + SAVED.get(cell.arm, 0.0))
    return round(1000 * (true + noise * cell.n**-0.3 * (0.7 * shared + 0.7 * own))) / 1000


def cell_records(
    of: Study, run: str = "r1", *, noise: float = 0.03, keep: Callable[[Cell], bool] = bool
) -> list[Record]:
    """A finished record for every cell that `keep` holds for."""
    return [
        Record(
            run=run,
            key=cell.key,
            cell=cell,
            status="ok",
            metrics={"accuracy": value(cell, noise)},
            test_count=1000,
            training=training() if cell.budget is not None else None,
            peak_memory=50_000_000,
            seconds=1.5,
        )
        for cell in of.cells()
        if keep(cell)
    ]


def failed(record: Record, reason: str = "the loss became NaN in step 12") -> Record:
    return record.model_copy(update={"status": "failed", "reason": reason, "metrics": {}, "training": None})


def write(folder: Path, entries: Sequence[RunEntry | PretrainingRecord | Record]) -> Path:
    """Write `folder/records.jsonl`."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(entry.model_dump(mode="json"), allow_nan=False) for entry in entries]
    (folder / FILE_NAME).write_text("\n".join([*lines, ""]))
    return folder


def folder(path: Path, **changes: Any) -> Path:
    """A folder with the whole small study in it."""
    of = study(**changes)
    return write(path, [run_entry(of), *pretrainings(of), *cell_records(of)])
