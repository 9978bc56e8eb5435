"""`report.md` and `rows.csv` on the report of 2021, from the records of both studies."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labeleff.commands.reproduce import rows2021
from labeleff.commands.reproduce.measure2021 import ReaderAnswer, read_answer
from labeleff.commands.reproduce.printed2021 import (
    ANSWER,
    BABI,
    CORRECT,
    CREDITED,
    PARTS,
    QUESTION,
    RECIPES,
    STORY,
    THROUGHPUT,
)
from labeleff.commands.reproduce.rows2021 import ReportRow, rows
from labeleff.commands.reproduce.studies2021 import AS_PUBLISHED, SOUNDLY
from labeleff.curves.bounds import worth
from labeleff.errors import RecordError
from labeleff.files import without_collection
from labeleff.records.jsonl import read_records
from labeleff.reporting import output_files, study_report
from labeleff.reporting.findings import Findings, find
from labeleff.reporting.markdown import amount, percent, ratio, table
from labeleff.reporting.measurements import Place
from labeleff.reporting.options import ReportOptions
from labeleff.reporting.results import Results, load
from labeleff.reporting.sections import accuracy_and_utility
from labeleff.reporting.sections.stories import KERAS, NAMES
from labeleff.stats.intervals import MeanInterval

ROWS = "rows.csv"


@dataclass(frozen=True)
class Material:
    """The rows, findings and answers that the document is written from."""

    published: Results
    rows: list[ReportRow]
    stories: list[ReportRow]
    speeds: list[ReportRow]
    sound: Findings | None
    """Findings of the sound experiment; None where it hasn't begun."""
    answers: dict[str, ReaderAnswer]
    """Each study's reader's answer to the example question, by folder."""
    commands: list[str]
    """What measured them, as published and soundly; one command where both came of it."""


@without_collection()
def build(folder: Path, out: Path | None = None) -> Path:
    """Write the reports of both studies inside `out`, and the common `report.md` and `rows.csv`; returns the path.

    `out` is `folder` itself by default. Works on partial records. Raises RecordError where `folder` has no records or
    `out` can't be written.
    """
    out = out or folder
    if not (folder / AS_PUBLISHED).is_dir():
        raise RecordError(
            f"{folder}: no folder {AS_PUBLISHED!r} in it, expected the output of `labeleff reproduce report`"
        )
    material = _read(folder)
    names = [AS_PUBLISHED, *([SOUNDLY] if material.sound is not None else [])]
    for name in names:
        study_report.build(folder / name, ReportOptions(out=out / name))
    everything = [*material.rows, *material.stories, *material.speeds]
    document = "\n\n".join(_document(material)).encode() + b"\n"
    output_files.write(out, {output_files.REPORT: document, ROWS: rows2021.to_bytes(everything)})
    return out / output_files.REPORT


def _read(folder: Path) -> Material:
    published = load(folder / AS_PUBLISHED)
    sound = load(folder / SOUNDLY) if read_records(folder / SOUNDLY).runs else None
    answers = {name: read_answer(folder / name) for name in (AS_PUBLISHED, SOUNDLY)}
    return Material(
        published=published,
        rows=rows(PARTS, published),
        stories=rows(BABI, published),
        speeds=rows(THROUGHPUT, published),
        sound=find(sound.measured) if sound else None,
        answers={name: answer for name, answer in answers.items() if answer is not None},
        commands=list(dict.fromkeys(shlex.join(one.run.command) for one in (published, sound) if one)),
    )


def _document(material: Material) -> Iterator[str]:
    yield "# The course report of 2021, measured again"
    if material.published.study.smoke:
        yield "> **Rehearsal.** Made images and hardly any training: the path works, its numbers mean nothing."
    yield (
        "A course report of December 2021 tried rotation pretraining with MobileNetV2 on 200 labels of CIFAR-10, and a "
        "memory network on bAbI task 1. Here is every number that it prints, beside what the same recipe gives here, "
        "and then the same experiment without its mistakes."
    )
    yield "## Verdict"
    yield "\n".join(f"- {text}" for text in _verdict(material))
    yield "## Row by row: images"
    yield "\n".join(f"- {part}: {what}" for part, what in RECIPES.items())
    yield rows2021.markdown(material.rows)
    yield "## Row by row: stories"
    yield from _stories(material)
    yield "## Row by row: time"
    yield rows2021.markdown(material.speeds)
    yield "Times are medians over epochs (or 20 steps), scaled to as many images or stories as theirs are of."
    yield "## The same experiment, done soundly"
    yield from _soundly(material)
    yield "## Conditions"
    yield from _conditions(material)


def _verdict(material: Material) -> Iterator[str]:
    ours = {(row.printed.part, row.printed.ours): row.ours for row in material.rows}
    missing = sum(row.ours is None for row in (*material.rows, *material.stories, *material.speeds))
    if missing:
        yield f"{missing} rows have no number yet; their last column says why."
    scratch, tuned = ours["A", "test_accuracy"], ours["B2", "test_accuracy"]
    if scratch is not None and tuned is not None:
        yield (
            f"As published: from scratch {percent(scratch)} % (2021: 10.0 %), rotation then finetuning "
            f"{percent(tuned)} % (2021: 19.2 %). The report takes the difference for what pretraining is worth."
        )
    if material.sound is not None:
        yield from _sound_verdict(material, material.sound)
    reply = material.answers.get(AS_PUBLISHED)
    if reply is not None:
        verdict = "right" if reply.answer == CORRECT else "wrong"
        yield f"The memory network answers the example question `{reply.answer}`: {verdict} (2021: `{ANSWER}`, wrong)."


def _place(sound: Findings) -> Place:
    return sound.measured.places[0]


def _sound_verdict(material: Material, sound: Findings) -> Iterator[str]:
    """Give the baseline's accuracy at the report's label count, and what pretraining is worth there."""
    measured, labels = sound.measured, material.published.study.rungs[0]
    intervals = {item.n: item for item in measured.intervals.get((_place(sound), measured.baseline), [])}
    if labels in intervals:
        item = intervals[labels]
        within = "" if item.low is None else f" [{percent(item.low)}, {percent(item.high)}]"
        yield (
            f"With batch-norm statistics that converge, from scratch reaches {percent(item.mean)}{within} % on "
            f"{labels:,} labels (mean of {measured.size} runs); {percent(CREDITED)} % is what the report credits to "
            f"pretraining, {_beside(item)}."
        )
    for comparison in sound.at(_place(sound)):
        for point in comparison.points:
            if point.n == labels:
                yield f"{comparison.arm}, done soundly: U({labels:,}) = {amount(worth(point), ratio)}."


def _beside(item: MeanInterval) -> str:
    """Compare the number that the report credits to pretraining with the baseline's interval."""
    low, high = (item.mean if end is None else end for end in (item.low, item.high))
    return "less than that" if low > CREDITED else "more than that" if high < CREDITED else "no more and no less"


def _stories(material: Material) -> Iterator[str]:
    yield rows2021.epochs(material.stories)
    reasons = {row.why for row in material.stories if row.ours is None}
    if reasons:
        yield f"No number: {'; '.join(sorted(reasons))}."
    last = KERAS[1]
    beside = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in zip(NAMES, last, strict=True))
    yield (
        "Why it may differ: network, start, optimiser, rate, batch and epochs are those of 2021, as far as it tells "
        "them; validation is on training stories that were set aside, where the report took the 1,000 test stories. "
        f"The Keras example itself, run once with Keras 3.15.1, ends at {beside}, so the report's run had another "
        "start or other settings, which it doesn't tell."
    )
    example = " ".join([*STORY, QUESTION])
    yield f"Its example: `{example}` The right answer is `{CORRECT}`; the report takes `{ANSWER}` for it."
    lines = [["memory network, 2021", ANSWER, "", "no"]]
    for name, reply in material.answers.items():
        rivals = ", ".join(f"{word} {percent(share)} %" for word, share in reply.likeliest)
        correct = "yes" if reply.answer == CORRECT else "no"
        lines.append([f"{name}: {reply.reader}", reply.answer, rivals, correct])
    yield table(["reader", "answer", "likeliest", "right"], lines, left=4)


def _soundly(material: Material) -> Iterator[str]:
    yield (
        "What is different: batch-norm statistics that converge (momentum 0.1 in PyTorch's sense), turns drawn anew "
        "whenever an image comes, in joint training the class loss on labelled images alone, a ladder of label counts "
        "with one budget for all arms, and several runs, each with its own labels, start and pretraining. Optimiser, "
        "batches and rates are the report's (finetuning and from scratch: 0.001)."
    )
    if material.sound is None:
        yield "Not measured yet."
        return
    place = _place(material.sound)
    yield from accuracy_and_utility.section(material.sound, place, []).paragraphs
    slug = output_files.slugs(material.sound.measured)[place]
    if material.sound.at(place):
        yield f"![utility against labels]({SOUNDLY}/figures/utility-{slug}.png)"
    yield f"Everything else, weak points of the evidence among them, is in [its own report]({SOUNDLY}/report.md)."


def _conditions(material: Material) -> Iterator[str]:
    run = material.published.run
    facts = [["device", run.conditions.device], ["torch", run.conditions.torch]]
    facts += [[f"data of {task}", str(about.get("provenance"))] for task, about in run.tasks.items()]
    yield table(["condition", "value"], facts, left=2)
    yield f"In full: [as published]({AS_PUBLISHED}/report.md), [done soundly]({SOUNDLY}/report.md)."
    measuring = "as published by the first, soundly by the second" if material.commands[1:] else "by the first"
    yield f"Measured {measuring} of these, rebuilt by the last from the records in this folder, DIR:"
    yield "\n".join(["```", *material.commands, "labeleff reproduce report --from DIR", "```"])
