"""Questions answered: verdict, tables and figures of tasks of stories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from labeleff.catalogue import lookup
from labeleff.records.entries import Record
from labeleff.reporting import repeated_questions, story_results
from labeleff.reporting.figures.stories import QUANTITIES, figure
from labeleff.reporting.markdown import percent, table
from labeleff.reporting.output_files import LONGEST, Section, first_free, plain
from labeleff.reporting.results import Results
from labeleff.reporting.story_results import FAILED_OVER, Answers, Readers

EPOCHS = (
    (1.7425, 0.2715, 1.7303, 0.2800),
    (1.7368, 0.2771, 1.7206, 0.3080),
    (1.7299, 0.2840, 1.6998, 0.3110),
    (1.7183, 0.2946, 1.6886, 0.3170),
    (1.7055, 0.3025, 1.6686, 0.3360),
    (1.6936, 0.3113, 1.6484, 0.3340),
    (1.6798, 0.3231, 1.6427, 0.3520),
    (1.6689, 0.3311, 1.6294, 0.3460),
    (1.6615, 0.3418, 1.6282, 0.3560),
    (1.6501, 0.3514, 1.6214, 0.3670),
)
"""Loss, accuracy, validation loss and validation accuracy per epoch, as printed in the course report of 2021."""
KERAS = ((1.9683, 0.1675, 1.8005, 0.1820), (1.3910, 0.4637, 1.3562, 0.4760))
"""First and tenth epoch of the same network in Keras 3.15.1 (backend torch, seed 0), validated on the test stories."""
NAMES = ("loss", "accuracy", "validation_loss", "validation_accuracy")


def report2021_comparison(record: Record) -> Iterator[str]:
    """Compare ten epochs of the memory network on task 1 with the report of 2021; nothing for other runs."""
    history = record.training.history if record.training else []
    cell = record.cell
    same = cell.encoder.name == "memnet" and cell.task.name == "babi/qa1" and cell.task.options.get("size") == "10k"
    if not same or len(history) != len(EPOCHS) or any(name not in entry for entry in history for name in NAMES):
        return
    yield "### Beside the report of 2021"
    header = ["epoch", *(f"{name.replace('_', ' ')}{suffix}" for name in NAMES for suffix in ("", " (2021)"))]
    rows = []
    for number, (entry, printed) in enumerate(zip(history, EPOCHS, strict=True), start=1):
        pairs = zip((entry[name] for name in NAMES), printed, strict=True)
        rows.append([str(number), *(f"{value:.4f}" for pair in pairs for value in pair)])
    yield table(header, rows, left=0)
    first, last = KERAS
    yield (
        "The network, its start, the optimiser, the learning rate, the batch and the number of epochs are those of "
        "2021. What differs: validation stories are a share of the 10,000 training stories here, so an epoch has "
        f"{history[0]['step']:,.0f} steps in place of 313, while the report validated on the 1,000 test stories; "
        "words are in lower case; chance plays other numbers."
    )
    yield (
        "To see what the difference owes to this implementation, the Keras example itself was run once with Keras "
        "3.15.1 on the same files (313 steps an epoch, validated on the test stories). Its first epoch gave loss "
        f"{first[0]:.4f}, accuracy {first[1]:.4f}, validation loss {first[2]:.4f}, validation accuracy {first[3]:.4f}; "
        f"its tenth {last[0]:.4f}, {last[1]:.4f}, {last[2]:.4f}, {last[3]:.4f}. The report's first epoch is ahead of "
        "Keras's and its later ones fall behind, so its run had another start or other settings, which it doesn't tell."
    )


NAMED = 6
"""Largest number of tasks that a flag names; more are only counted."""


@dataclass(frozen=True)
class StoryReport:
    """Parts that stories add to a report."""

    verdict: list[str] = field(default_factory=list)
    """Lines of the verdict."""
    weak: list[str] = field(default_factory=list)
    """Flags of what makes the evidence weak."""
    sections: list[Section] = field(default_factory=list)


def story_report(results: Results) -> StoryReport:
    """Everything that a study's tasks of stories add to its report; empty where it has none."""
    answers = story_results.story_answers(results)
    if not answers:
        return StoryReport()
    groups = story_results.groups(results, answers)
    slugs: list[str] = []
    for group in groups:
        slugs.append(first_free(plain(group.name)[:LONGEST].strip("-"), slugs))
    sections = [_section(results, group, slug) for group, slug in zip(groups, slugs, strict=True)]
    return StoryReport(
        verdict=[_verdict(results, group) for group in groups],
        weak=[*repeated_questions.flags(answers), *(flag for group in groups for flag in _weak(group))],
        sections=[Section(files=story_results.csvs(results, answers)), *sections],
    )


def _verdict(results: Results, group: Readers) -> str:
    """Sentence with the number of tasks passed, the mean error, and the failed tasks by name."""
    errors = [1.0 if item.accuracy is None else 1 - item.accuracy for item in group.items]
    failed = [
        f"{_short(item)} ({percent(error)} %)"
        for item, error in zip(group.items, errors, strict=True)
        if not item.passed
    ]
    generated = any(story_results.provenance(results, item.task).startswith("generated") for item in group.items)
    head = f"{group.name}: {len(errors) - len(failed)} of {len(errors)} tasks passed"
    tail = f"; failed: {', '.join(failed)}" if failed else ""
    mean = f"mean error {percent(sum(errors) / len(errors))} %"
    return f"{head} (error at most {percent(FAILED_OVER)} %), {mean}{tail}." + (
        " Stories were generated, they are not the official ones." if generated else ""
    )


def _weak(group: Readers) -> Iterator[str]:
    """Flags of one group's answers."""
    single = [item.name for item in group.items if len(item.records) == 1]
    if single:
        names = ", ".join(single) if len(single) <= NAMED else f"{len(single)} of {len(group.items)} tasks"
        yield f"**One run** of {group.name} on {names}: another seed may answer otherwise, by how much isn't known."
    unlike = [item for item in group.items if len(_accuracies(item)) > 1 and _spread(item) > FAILED_OVER]
    for item in unlike:
        low, high = min(_accuracies(item)), max(_accuracies(item))
        reader = f"{group.names[item.encoder]}, {item.arm}"
        yield f"**Runs differ** on {item.name}: {reader} answers {percent(low)} to {percent(high)} %, by seed."
    sizes = sorted({item.size for item in group.items})
    if len(sizes) > 1:
        small = ", ".join(item.name for item in group.items if item.size == sizes[-1])
        yield f"**Unlike training sets**: {small} had the {sizes[-1]} file, the others {', '.join(sizes[:-1])}."


def _accuracies(item: Answers) -> list[float]:
    return [value for record in item.records if (value := story_results.accuracy_of(record)) is not None]


def _spread(item: Answers) -> float:
    return max(_accuracies(item)) - min(_accuracies(item))


def _short(item: Answers) -> str:
    return f"{item.name} from {item.size}" if item.size else item.name


def _section(results: Results, group: Readers, slug: str) -> Section:
    trained = any(item.chosen.training for item in group.items)
    figures = {f"answers-{what}-{slug}": partial(figure, group.items, what) for what in QUANTITIES if trained}
    return Section([*_paragraphs(results, group, list(figures))], figures=figures)


def _paragraphs(results: Results, group: Readers, files: Sequence[str]) -> Iterator[str]:
    yield f"## Questions answered: {group.name}"
    if group.name != group.in_full:
        yield f"In full: {group.in_full}."
    readers = group.names if len(group.labels) > 1 else {}
    header = ["task", *(["reader"] if readers else []), "what is asked", "stories", "n", "accuracy (%)", "error (%)"]
    header += ["passed", "chance (%)", "all runs (%)", "shown: seed", "epoch kept", "validation (%)"]
    repeats = repeated_questions.counted(item.chosen for item in group.items)
    header += repeated_questions.HEADER if repeats else []
    rows = [_row(results, item, readers.get(item.encoder), repeats=repeats) for item in group.items]
    yield table(header, rows, left=4 if readers else 3)
    runs = max(len(item.records) for item in group.items)
    chosen = (
        f"Of up to {runs} runs a task the one that answered most of its validation stories is shown. "
        if runs > 1
        else ""
    )
    yield (
        f"n: labelled stories, validation stories among them. {chosen}The test stories are scored once a run, at its "
        "end; no choice rests on them. A task is passed with an error of at most 5 %. Every epoch is in `epochs.csv`, "
        "every run in `answers.csv`."
    )
    if repeats:
        yield repeated_questions.note(group.items[0].chosen)
    for file in files:
        yield f"![{file.split('-')[1]} of every epoch, {group.name}](figures/{file}.png)"
    for item in group.items:
        yield from report2021_comparison(item.chosen)


def _row(results: Results, item: Answers, reader: str | None, *, repeats: bool) -> list[str]:
    metrics = item.chosen.train_metrics
    values = [story_results.accuracy_of(record) for record in item.records]
    clause = lookup.find("task", item.name).clause.partition(", ")[2]
    epoch = metrics.get("epoch")
    return [
        item.name,
        *([reader] if reader else []),
        clause,
        story_results.provenance(results, item.task) or "–",
        f"{item.n:,}",
        percent(item.accuracy) or "–",
        "–" if item.accuracy is None else percent(1 - item.accuracy),
        "yes" if item.passed else "**no**",
        percent(results.chance(item.task)) or "–",
        ", ".join(percent(value) or "failed" for value in values),
        str(item.chosen.cell.seed),
        "–" if epoch is None else f"{epoch:.0f}",
        percent(metrics.get("validation_accuracy")) or "–",
        *(repeated_questions.cells(item.chosen) if repeats else []),
    ]
