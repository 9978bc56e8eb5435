"""Results of tasks of stories: answers per task, and every epoch's loss and accuracy.

A task counts as failed where the error is over 5 % (Weston et al. 2015). Of several runs the one that answered
most of its validation stories is shown; nothing is chosen by test stories.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labeleff.records.entries import Record
from labeleff.reporting import repeated_questions
from labeleff.reporting.csv_tables import columns, to_csv
from labeleff.reporting.csv_tables import frame as whole_frame
from labeleff.reporting.results import Results
from labeleff.scheduling.speeds import reads_stories

if TYPE_CHECKING:
    import pandas as pd

    from labeleff.study.schema import Study

FAILED_OVER = 0.05
"""Error over which a task counts as failed."""

COLUMNS = columns(
    "task encoder arm n size provenance draw seed status accuracy error passed chosen chance test_count "
    "validation_accuracy validation_loss validation_count kept_epoch epochs seconds"
)
CURVES = columns(
    "task encoder arm n draw seed epoch step loss accuracy validation_loss validation_accuracy lowest_loss "
    "highest_accuracy lowest_validation_loss highest_validation_accuracy"
)
"""One row per epoch (or window); the last four are true where that column has its extreme, the first if several."""
EXTREMES = {
    "lowest_loss": ("loss", min),
    "highest_accuracy": ("accuracy", max),
    "lowest_validation_loss": ("validation_loss", min),
    "highest_validation_accuracy": ("validation_accuracy", max),
}


def accuracy_of(record: Record) -> float | None:
    """Accuracy of one run, in 0..1; None where it failed."""
    return record.metrics.get("accuracy") if record.status == "ok" else None


def _passes(accuracy: float | None) -> bool:
    return accuracy is not None and round(1 - accuracy, 9) <= FAILED_OVER


@dataclass(frozen=True)
class Answers:
    """Runs of one encoder and arm on one task at one label count; `chosen`, picked by validation alone, is shown."""

    task: str
    encoder: str
    arm: str
    n: int
    records: tuple[Record, ...]
    chosen: Record

    @property
    def accuracy(self) -> float | None:
        """Accuracy of the chosen run, in 0..1; None where every run failed."""
        return accuracy_of(self.chosen)

    @property
    def passed(self) -> bool:
        """Whether the error is at most 5 %; a run that failed answered nothing."""
        return _passes(self.accuracy)

    @property
    def name(self) -> str:
        """The task's name without options."""
        return self.chosen.cell.task.name

    @property
    def size(self) -> str:
        """Size of the task's training file: `1k` or `10k`."""
        return str(self.chosen.cell.task.options.get("size", ""))


def story_answers(results: Results) -> list[Answers]:
    """Everything a study measured on stories, in its order."""
    groups: dict[tuple[str, str, str, int], list[Record]] = {}
    for record in results.cells:
        cell = record.cell
        if reads_stories(cell.task):
            arm = results.study.arm_of(cell)
            groups.setdefault((cell.task.label, cell.encoder.label, arm, cell.n), []).append(record)
    return [Answers(*key, tuple(records), _chosen(records)) for key, records in groups.items()]


@dataclass(frozen=True)
class Readers:
    """Answers of the encoders that one verdict is on, one for each task, at its largest label count."""

    items: tuple[Answers, ...]
    """Answers by the number of their task."""
    names: Mapping[str, str]
    """Names of encoders by their labels: the plug-in's where that tells it from the arm's others."""

    @property
    def arm(self) -> str:
        """The arm of all answers."""
        return self.items[0].arm

    @property
    def labels(self) -> list[str]:
        """Labels of the encoders, in the order of the tasks."""
        return list(dict.fromkeys(item.encoder for item in self.items))

    @property
    def name(self) -> str:
        """Encoders and arm in short, as no other group has them."""
        return f"{' and '.join(self.names[label] for label in self.labels)}, {self.arm}"

    @property
    def in_full(self) -> str:
        """Encoders with their options, and arm."""
        return f"{' and '.join(self.labels)}, {self.arm}"


def groups(results: Results, answers: Sequence[Answers]) -> list[Readers]:
    """Group answers by encoder and arm.

    Encoders between which a study shares the tasks of an arm out, one for each task, are one group: what was measured
    of it doesn't matter.
    """
    largest: dict[tuple[str, str, str], Answers] = {}
    for item in answers:
        key = item.arm, item.encoder, item.task
        if key not in largest or largest[key].n < item.n:
            largest[key] = item
    together = _shared_out(results.study)
    found: dict[tuple[str, ...], list[Answers]] = {}
    for (arm, encoder, _), item in largest.items():
        found.setdefault((arm,) if arm in together else (arm, encoder), []).append(item)
    sorted_groups = [tuple(sorted(items, key=lambda item: _number(item.name))) for items in found.values()]
    return [Readers(items, _short_names(items[0].arm, answers)) for items in sorted_groups]


def _shared_out(study: Study) -> set[str]:
    """Arms whose tasks of stories have one encoder each, whatever their options."""
    readers: dict[str, dict[str, set[str]]] = {}
    for block in study.blocks:
        for (encoder, _, arm), task in itertools.product(block.pairs, block.tasks):
            if reads_stories(task):
                readers.setdefault(arm, {}).setdefault(task.name, set()).add(encoder.label)
    return {arm for arm, tasks in readers.items() if all(len(encoders) == 1 for encoders in tasks.values())}


def _short_names(arm: str, answers: Sequence[Answers]) -> dict[str, str]:
    """Plug-ins of an arm's encoders by label, or the label again where a plug-in has several."""
    plugins = {item.encoder: item.chosen.cell.encoder.name for item in answers if item.arm == arm}
    counts = Counter(plugins.values())
    return {label: name if counts[name] == 1 else label for label, name in plugins.items()}


def _number(task: str) -> int:
    return int("".join(itertools.takewhile(str.isdigit, reversed(task)))[::-1] or 0)


def _chosen(records: Sequence[Record]) -> Record:
    """The finished run with the best validation accuracy, then loss; the first one where nothing was validated."""

    def merit(record: Record) -> tuple[bool, float, float]:
        accuracy, loss = (record.train_metrics.get(f"validation_{name}") for name in ("accuracy", "loss"))
        return record.status == "ok", -1.0 if accuracy is None else accuracy, 0.0 if loss is None else -loss

    return max(records, key=merit)


def provenance(results: Results, task: str) -> str:
    """Origin of a task's stories, from its run entry; empty where none has it."""
    return str(results.fact(task, "provenance") or "")


def frame(results: Results, items: Sequence[Answers]) -> pd.DataFrame:
    """Table of one row per run: test accuracy and error in 0..1, validation accuracy and loss.

    Where equal questions were counted, also labels that differ, unseen test questions and the accuracy on these.
    """
    rows = [_row(results, answers, record) for answers in items for record in answers.records]
    counted = repeated_questions.counted(record for answers in items for record in answers.records)
    return whole_frame(rows, [*COLUMNS, *(repeated_questions.COLUMNS if counted else [])])


def _row(results: Results, answers: Answers, record: Record) -> dict[str, Any]:
    accuracy = accuracy_of(record)
    metrics, training = record.train_metrics, record.training
    return {
        "task": answers.name,
        "encoder": answers.encoder,
        "arm": answers.arm,
        "n": answers.n,
        "size": answers.size,
        "provenance": provenance(results, answers.task),
        "draw": record.cell.draw,
        "seed": record.cell.seed,
        "status": record.status,
        "accuracy": accuracy,
        "error": None if accuracy is None else 1 - accuracy,
        "passed": _passes(accuracy),
        "chosen": record is answers.chosen,
        "chance": results.chance(answers.task),
        "test_count": record.test_count,
        "validation_accuracy": metrics.get("validation_accuracy"),
        "validation_loss": metrics.get("validation_loss"),
        "validation_count": None if metrics.get("validation_count") is None else int(metrics["validation_count"] or 0),
        "kept_epoch": metrics.get("epoch"),
        "epochs": training.history[-1]["epoch"] if training and training.history else None,
        "seconds": record.seconds,
        **repeated_questions.row(record),
    }


def extremes(history: Sequence[dict[str, float]]) -> dict[str, int]:
    """Index of the first entry with each extreme, by name of `EXTREMES`; columns that weren't recorded are left out."""
    indices = {}
    for name, (column, best) in EXTREMES.items():
        values = [entry[column] for entry in history if column in entry]
        if len(values) == len(history) > 0:
            indices[name] = values.index(best(values))
    return indices


def _epochs(answers: Answers, record: Record) -> Iterator[dict[str, Any]]:
    history = record.training.history if record.training else []
    marks = extremes(history)
    for index, entry in enumerate(history):
        yield {
            "task": answers.name,
            "encoder": answers.encoder,
            "arm": answers.arm,
            "n": answers.n,
            "draw": record.cell.draw,
            "seed": record.cell.seed,
            **entry,
            **{name: index == marks.get(name) for name in EXTREMES},
        }


def curves(items: Sequence[Answers]) -> pd.DataFrame:
    """Table of loss and accuracy in training and validation, one row per run and epoch."""
    rows = [row for answers in items for record in answers.records for row in _epochs(answers, record)]
    return whole_frame(rows, CURVES)


def csvs(results: Results, items: Sequence[Answers]) -> dict[str, bytes]:
    """Contents of `answers.csv` and `epochs.csv` by file name."""
    return {"answers.csv": to_csv(frame(results, items)), "epochs.csv": to_csv(curves(items))}
