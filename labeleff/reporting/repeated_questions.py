"""Equal questions of stories: how many labels differ, which test questions are among them, and flags of both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from labeleff.catalogue.metrics import UNSEEN
from labeleff.records.entries import Record, Repeats
from labeleff.reporting.csv_tables import columns
from labeleff.reporting.markdown import join_texts, percent

if TYPE_CHECKING:
    from labeleff.reporting.story_results import Answers

COLUMNS = columns("distinct_labels unseen_count unseen_accuracy")
"""Further columns of `answers.csv`: labelled questions that differ, test questions that aren't among them."""
LITTLE = 0.05
"""Largest share of labels that may repeat others without a flag."""
HEADER = ["labels that differ", "unseen questions", "accuracy on these (%)"]


def counted(records: Iterable[Record]) -> bool:
    """Whether equal questions were counted for some of these; records of earlier versions have no counts."""
    return any(record.repeats is not None for record in records)


def row(record: Record) -> dict[str, Any]:
    """Values of COLUMNS; None where they weren't counted."""
    if record.repeats is None or record.test_count is None:
        return dict.fromkeys(COLUMNS)
    values = record.repeats.distinct, record.test_count - record.repeats.seen, record.metrics.get(UNSEEN)
    return dict(zip(COLUMNS, values, strict=True))


def cells(record: Record) -> list[str]:
    """Texts under HEADER."""
    distinct, unseen, accuracy = row(record).values()
    return [*("–" if count is None else f"{count:,}" for count in (distinct, unseen)), percent(accuracy) or "–"]


def note(record: Record) -> str:
    """What stands under HEADER, for records like this one."""
    apart = " No validation question equals one that was trained on." if record.cell.held_out else ""
    return (
        "Labels that differ: labelled questions, those of the same story in the same words counted once. Unseen "
        "questions: test questions that equal none of the n labelled ones, whether these were trained on or set aside "
        f"for validation; the rest of the training file, whose answers weren't given, doesn't count.{apart}"
    )


def flags(items: Sequence[Answers]) -> Iterator[str]:
    """Flags of all answers of a report, of every encoder and arm: labels are the same for all of them."""
    by_task: dict[str, dict[int, list[Record]]] = {}
    for item in items:
        records = [record for record in item.records if record.repeats is not None]
        if records:
            by_task.setdefault(item.task, {}).setdefault(item.n, []).extend(records)
    names = _names(items)
    yield from _test_questions(by_task, names)
    yield from _labels(by_task, names)


def _names(items: Sequence[Answers]) -> dict[str, str]:
    """Names of tasks without options, where they are enough to tell them apart."""
    labels = {item.task: item.name for item in items}
    return {label: name if [*labels.values()].count(name) == 1 else label for label, name in labels.items()}


def _test_questions(by_task: dict[str, dict[int, list[Record]]], names: dict[str, str]) -> Iterator[str]:
    """Flag the test questions that are among the labelled ones, by task at its largest label count."""
    found: dict[str, tuple[float, str]] = {}
    for task, rungs in by_task.items():
        n, records = max(rungs.items())
        low, high = _extent(records, lambda repeats: repeats.seen)
        count = records[0].test_count
        if high and count:
            shares = _span(percent(low / count), percent(high / count))
            found[task] = high / count, f"{_span(f'{low:,}', f'{high:,}')} of {count:,} of {names[task]} ({shares} %)"
            if len(rungs) > 1:
                found[task] = high / count, f"{found[task][1]} at {n:,} labels"
    if found:
        ranked = [text for _, text in sorted(found.values(), key=lambda pair: -pair[0])]
        yield (
            f"**Test questions in training**, the same story in the same words: {join_texts(ranked)}. Their answers "
            "may be remembered; `unseen_accuracy` leaves them out."
        )


def _labels(by_task: dict[str, dict[int, list[Record]]], names: dict[str, str]) -> Iterator[str]:
    """Flag the labels that repeat others, by task at every label count."""
    found: dict[str, tuple[float, str]] = {}
    for task, rungs in by_task.items():
        texts, least = [], 1.0
        for n, records in sorted(rungs.items()):
            low, high = _extent(records, lambda repeats: repeats.distinct)
            if low < (1 - LITTLE) * n:
                texts.append(f"{_span(f'{low:,}', f'{high:,}')} of {n:,}")
                least = min(least, low / n)
        if texts:
            found[task] = least, f"{names[task]} {', '.join(texts)}"
    if found:
        ranked = [text for _, text in sorted(found.values(), key=lambda pair: pair[0])]
        yield (
            f"**Repeated labels**: as many labelled questions differ: {join_texts(ranked)}. The others repeat one of "
            "them with its story and tell nothing new, so n overstates what was labelled."
        )


def _extent(records: Sequence[Record], count: Callable[[Repeats], int]) -> tuple[int, int]:
    counts = [count(record.repeats) for record in records if record.repeats is not None]
    return min(counts), max(counts)


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
