"""Synthetic records of readers of stories."""

from labeleff.records.entries import Record
from labeleff.records.training_log import Training
from labeleff.study.cell import Cell
from labeleff.study.loading import parse_study

HISTORY = [
    {"step": 10.0, "epoch": 1.0, "loss": 1.8, "accuracy": 0.2, "validation_loss": 1.7, "validation_accuracy": 0.3},
    {"step": 20.0, "epoch": 2.0, "loss": 1.2, "accuracy": 0.5, "validation_loss": 1.1, "validation_accuracy": 0.6},
    {"step": 30.0, "epoch": 3.0, "loss": 0.9, "accuracy": 0.7, "validation_loss": 1.4, "validation_accuracy": 0.6},
]


def study(**changes):
    table = {
        "name": "all",
        "tasks": ["babi/qa1", "babi/qa2"],
        "encoders": ["qrn"],
        "arms": ["scratch/validated"],
        "baseline": "scratch/validated",
        "rungs": [10_000],
        "draws": 1,
        "seeds": 2,
        "stories": {"qa3": {"tasks": [{"name": "babi/qa3", "size": "1k"}], "rungs": [1000]}},
        "budget": {"validated": {"lr": 0.01, "batch": 32, "epochs": 3}},
    }
    return parse_study({**table, **changes}, "test")


def record(cell: Cell, accuracy: float | None, validation: float) -> Record:
    training = Training(steps=30, batch=32, images=960, seconds=1.0, windows=[], history=HISTORY)
    return Record(
        run="r1",
        key=cell.key,
        cell=cell,
        status="ok" if accuracy is not None else "failed",
        reason=None if accuracy is not None else "diverged: the loss is nan",
        metrics={} if accuracy is None else {"accuracy": accuracy},
        test_count=1000,
        training=training if accuracy is not None else None,
        train_metrics={
            "validation_accuracy": validation,
            "validation_loss": 0.1,
            "validation_count": 100,
            "epoch": 2.0,
        },
    )
