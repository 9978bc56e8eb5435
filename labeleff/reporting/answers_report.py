"""The part of a report that is about questions answered: verdict, tables, figures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labeleff import catalogue
from labeleff.reporting import answers, report2021
from labeleff.reporting.answers import FAILED_OVER, Answers
from labeleff.reporting.figures import blank
from labeleff.reporting.markdown import percent, table
from labeleff.reporting.outputs import Section, plain
from labeleff.reporting.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED = 6
"""Tasks that a flag names; more are counted."""
DRAWN = ("loss", "accuracy")
"""What is drawn by epoch, a figure each."""


@dataclass(frozen=True)
class StoryReport:
    """What stories add to a report."""

    verdict: list[str] = field(default_factory=list)
    """Lines of the verdict."""
    weak: list[str] = field(default_factory=list)
    """What makes this evidence weak."""
    sections: list[Section] = field(default_factory=list)


def story_report(results: Results) -> StoryReport:
    """Everything that a study's tasks of stories add to its report; empty where it has none."""
    found = answers.of_stories(results)
    if not found:
        return StoryReport()
    groups = _groups(found)
    named = list(zip(groups, _names(groups), strict=True))
    return StoryReport(
        verdict=[_verdict(results, group, who) for group, who in named],
        weak=[flag for group, who in named for flag in _weak(group, who)],
        sections=[Section(files=answers.csvs(results, found)), *(_section(results, *each) for each in named)],
    )


def _groups(found: Sequence[Answers]) -> list[list[Answers]]:
    """By encoder and arm, at the largest label count of each task."""
    groups: dict[tuple[str, str], dict[str, Answers]] = {}
    for item in found:
        tasks = groups.setdefault((item.encoder, item.arm), {})
        if item.task not in tasks or tasks[item.task].n < item.n:
            tasks[item.task] = item
    return [sorted(tasks.values(), key=lambda item: _number(item.name)) for tasks in groups.values()]


def _names(groups: Sequence[Sequence[Answers]]) -> list[str]:
    """Encoder and arm of every group, the encoder without its options where that is unambiguous."""
    short = [f"{group[0].chosen.cell.encoder.name}, {group[0].arm}" for group in groups]
    full = [f"{group[0].encoder}, {group[0].arm}" for group in groups]
    return [one if short.count(one) == 1 else other for one, other in zip(short, full, strict=True)]


def _number(task: str) -> int:
    return int("".join(itertools.takewhile(str.isdigit, reversed(task)))[::-1] or 0)


def _verdict(results: Results, group: Sequence[Answers], who: str) -> str:
    """Tasks passed, mean error, and the failed ones by name."""
    errors = [1.0 if item.accuracy is None else 1 - item.accuracy for item in group]
    failed = [
        f"{_short(item)} ({percent(error)} %)" for item, error in zip(group, errors, strict=True) if not item.passed
    ]
    made = any(answers.provenance(results, item.task).startswith("generated") for item in group)
    head = f"{who}: {len(group) - len(failed)} of {len(group)} tasks passed"
    tail = f"; failed: {', '.join(failed)}" if failed else ""
    mean = f"mean error {percent(sum(errors) / len(errors))} %"
    return f"{head} (error at most {percent(FAILED_OVER)} %), {mean}{tail}." + (
        " Stories were generated, they are not the official ones." if made else ""
    )


def _weak(group: Sequence[Answers], who: str) -> Iterator[str]:
    """Flags of one encoder's and arm's answers."""
    single = [item.name for item in group if len(item.records) == 1]
    if single:
        names = ", ".join(single) if len(single) <= NAMED else f"{len(single)} of {len(group)} tasks"
        yield f"**One run** of {who} on {names}: another seed may answer otherwise, by how much isn't known."
    unlike = [item for item in group if len(_accuracies(item)) > 1 and _spread(item) > FAILED_OVER]
    for item in unlike:
        low, high = min(_accuracies(item)), max(_accuracies(item))
        yield f"**Runs differ** on {item.name}: {who} answers {percent(low)} to {percent(high)} %, by seed."
    sizes = sorted({item.size for item in group})
    if len(sizes) > 1:
        small = ", ".join(item.name for item in group if item.size == sizes[-1])
        yield f"**Unlike training sets**: {small} had the {sizes[-1]} file, the others {', '.join(sizes[:-1])}."


def _accuracies(item: Answers) -> list[float]:
    return [value for record in item.records if (value := answers.accuracy_of(record)) is not None]


def _spread(item: Answers) -> float:
    return max(_accuracies(item)) - min(_accuracies(item))


def _short(item: Answers) -> str:
    return f"{item.name} from {item.size}" if item.size else item.name


def _section(results: Results, group: Sequence[Answers], who: str) -> Section:
    slug = plain(who).strip("-")
    trained = any(item.chosen.training for item in group)
    drawn = {f"answers-{what}-{slug}": _figure(group, what) for what in DRAWN if trained}
    return Section([*_paragraphs(results, group, who, list(drawn))], figures=drawn)


def _paragraphs(results: Results, group: Sequence[Answers], who: str, names: Sequence[str]) -> Iterator[str]:
    yield f"## Questions answered: {who}"
    if who != (full := f"{group[0].encoder}, {group[0].arm}"):
        yield f"In full: {full}."
    header = ["task", "what is asked", "stories", "n", "accuracy (%)", "error (%)", "passed", "chance (%)"]
    header += ["all runs (%)", "shown: seed", "epoch kept", "validation (%)"]
    yield table(header, [_row(results, item) for item in group], left=3)
    runs = max(len(item.records) for item in group)
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
    for name in names:
        yield f"![{name.split('-')[1]} of every epoch, {who}](figures/{name}.png)"
    for item in group:
        yield from report2021.beside(item.chosen)


def _row(results: Results, item: Answers) -> list[str]:
    told = item.chosen.train_metrics
    values = [answers.accuracy_of(record) for record in item.records]
    clause = catalogue.lookup("task", item.name).clause.partition(", ")[2]
    epoch = told.get("epoch")
    return [
        item.name,
        clause,
        answers.provenance(results, item.task) or "–",
        f"{item.n:,}",
        percent(item.accuracy) or "–",
        "–" if item.accuracy is None else percent(1 - item.accuracy),
        "yes" if item.passed else "**no**",
        percent(results.chance(item.task)) or "–",
        ", ".join(percent(value) or "failed" for value in values),
        str(item.chosen.cell.seed),
        "–" if epoch is None else f"{epoch:.0f}",
        percent(told.get("validation_accuracy")) or "–",
    ]


def _figure(group: Sequence[Answers], what: str) -> Figure:
    """A panel a task: training and validation by epoch, the lowest loss or highest accuracy marked with its epoch."""
    columns = min(4, len(group))
    rows = math.ceil(len(group) / columns)
    figure = blank(max(7.0, 3.2 * columns), max(3.6, 2.4 * rows))
    for place, item in enumerate(group, start=1):
        axes = figure.add_subplot(rows, columns, place)
        _panel(axes, item, what)
        if place == 1:
            axes.legend(frameon=False, fontsize=8)
    figure.supxlabel("epoch")
    figure.supylabel(what)
    return figure


def _panel(axes: Axes, item: Answers, what: str) -> None:
    from matplotlib.ticker import MaxNLocator

    history = item.chosen.training.history if item.chosen.training else []
    marks = answers.extremes(history)
    axes.set_title(item.name, fontsize=9)
    for prefix, colour in (("", "black"), ("validation_", "#D55E00")):
        entries = [entry for entry in history if f"{prefix}{what}" in entry]
        if not entries:
            continue
        epochs, values = [e["epoch"] for e in entries], [e[f"{prefix}{what}"] for e in entries]
        axes.plot(epochs, values, color=colour, linewidth=1.2, label="validation" if prefix else "training")
        best = marks.get(f"{'lowest' if what == 'loss' else 'highest'}_{prefix}{what}")
        if best is not None:
            axes.plot(epochs[best], values[best], "o", color=colour, markersize=4)
            above = what == "loss"
            axes.annotate(
                f"{epochs[best]:.0f}",
                (epochs[best], values[best]),
                xytext=(0, 5 if above else -5),
                textcoords="offset points",
                ha="center",
                va="bottom" if above else "top",
                fontsize=7,
                color=colour,
            )
    if what == "accuracy":
        axes.set_ylim(0, 1.05)
    else:
        axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=7)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
