"""Files of a history: report in Markdown, CSV, figures, JSON for dashboards."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from labeleff.comparison.amounts import p_text, scale, value
from labeleff.comparison.history import History, Point, Series
from labeleff.reporting.csv_tables import columns, frame, to_csv
from labeleff.reporting.figures.style import COLOURS, MARKERS, beside_legend, label, labels, legend
from labeleff.reporting.markdown import table
from labeleff.stats.change_points import ALPHA, EXACT, ChangePoint
from labeleff.study.quantities import Quantity, Subject, quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = columns(
    "started commit dirty package plugins machine folder quantity arm task encoder series value low high level_change "
    "p_value"
)
"""`series` counts a number's series of equal conditions; only values of one series may be joined. `level_change` stands
at the first run of a new level: its mean minus the mean of the level before."""
WIDE = 5
"""Largest number of subjects that a table shows side by side."""


def _changes(series: Series) -> dict[int, ChangePoint]:
    """Changes of level in a series, by index of the run."""
    return {series.points[change.place].run_index: change for change in series.changes}


def as_csv(history: History) -> bytes:
    """CSV of one row per number and run, sorted by number, series and time."""
    rows = []
    for series in history.series:
        changes = _changes(series)
        for point in series.points:
            change, subject = changes.get(point.run_index), series.subject
            rows.append(
                {
                    "started": point.origin.started,
                    "commit": point.origin.commit,
                    "dirty": point.origin.dirty,
                    "package": point.origin.package,
                    "plugins": point.origin.plugins or None,
                    "machine": point.origin.machine,
                    "folder": point.origin.name,
                    "quantity": subject.metric,
                    "arm": subject.arm,
                    "task": subject.task,
                    "encoder": subject.encoder,
                    "series": series.number,
                    "value": point.value.value,
                    "low": point.value.low,
                    "high": point.value.high,
                    "level_change": change and change.after - change.before,
                    "p_value": change and change.p_value,
                }
            )
    return to_csv(frame(rows, COLUMNS))


def dashboards(history: History) -> dict[str, bytes]:
    """Contents of `bigger.json` and `smaller.json`: every number's newest value.

    github-action-benchmark reads them with its tools `customBiggerIsBetter` and `customSmallerIsBetter`.
    """
    files: dict[str, list[dict[str, Any]]] = {"bigger.json": [], "smaller.json": []}
    for subject in dict.fromkeys(series.subject for series in history.series):
        series, point = _newest(history, subject)
        what = quantity(subject.metric)
        low, high = point.value.low, point.value.high
        item = {"name": f"{subject.name} {subject.place}".strip(), "unit": _unit(subject), "value": point.value.value}
        if low is not None and high is not None:
            item["range"] = f"± {(high - low) / 2:.3g}"
        item["extra"] = f"commit {point.origin.short}\n{point.origin.machine}\nseries {series.number}"
        files["bigger.json" if what.higher else "smaller.json"].append(item)
    return {name: json.dumps(items, indent=1, allow_nan=False).encode() + b"\n" for name, items in files.items()}


def _newest(history: History, subject: Subject) -> tuple[Series, Point]:
    candidates = [series for series in history.series if series.subject == subject]
    series = max(candidates, key=lambda item: item.points[-1].run_index)
    return series, series.points[-1]


def _unit(subject: Subject) -> str:
    """Unit of a number; for `throughput` only the quantity's, as it counts images, stories or calls."""
    what = quantity(subject.metric)
    return what.unit or ("U" if what.name == "utility" else "share" if what.percent else what.name)


def document(history: History, figures: Sequence[str]) -> str:
    """Report in Markdown; `figures` are names of files without folder and ending."""
    return "\n\n".join(_paragraphs(history, figures)) + "\n"


def _paragraphs(history: History, figures: Sequence[str]) -> Iterator[str]:
    studies = [str(entry.study["name"]) for entry in history.entries if entry.study is not None]
    yield f"# {studies[-1] if studies else 'Timings'} over time"
    yield from _list_section("Changes of level", level_changes(history), "None: no series changed its level.")
    if tests := by_chance(history):
        yield f"{tests}."
    yield from _list_section(
        "New series", new_series(history), "None: everything was measured under the same conditions."
    )
    yield "## Runs"
    more = {
        "cells missing or failed": [str(e.missing) if e.missing else "" for e in history.entries],
        "plug-ins": [e.origin.plugins for e in history.entries],
    }
    more = {heading: texts for heading, texts in more.items() if any(texts)}
    rows = [
        [str(k), e.origin.date, e.origin.short, e.origin.machine, e.origin.name]
        + [texts[k - 1] or "–" for texts in more.values()]
        for k, e in enumerate(history.entries, 1)
    ]
    yield table(["run", "started", "commit", "machine", "folder", *more], rows, left=5 + len(more))
    for metric in history.metrics:
        yield f"## {scale(quantity(metric))}"
        yield from _tables(history, metric)
        yield from (f"![{name}](figures/{name}.png)" for name in figures if name.startswith(f"history-{metric}-"))
    yield (
        "Scores are means over the rungs, utility is the mean label ratio over the ladder minus 1 (label counts "
        "brought into the ladder), throughput and time are medians, by the clock and, where CPUs recorded it, by "
        "processor time. A number in brackets says which "
        "series of like conditions a value belongs to, where it isn't the first; series are never joined. Levels are "
        "told apart by binary segmentation with permutation tests "
        f"at {100 * ALPHA:g} %; a series of fewer than {EXACT} runs can't show a change. Runs that repeat to the last "
        "digit are one measurement: *changed* says that the intervals of two such levels overlap."
    )


def _list_section(heading: str, texts: Sequence[str], nothing: str) -> Iterator[str]:
    yield f"## {heading}"
    yield "\n".join(f"- {text}" for text in texts) if texts else nothing


def level_changes(history: History) -> list[str]:
    """Describe every new level, the newest first."""
    texts = []
    for series in history.series:
        for index, change in _changes(series).items():
            origin, what = history.entries[index].origin, series.quantity
            once = series.once_each(change)
            verdict = "changed" if once else "better" if series.better(change) else "worse"
            surely = "every run of a level the same, no intervals apart" if once else f"p {p_text(change.p_value)}"
            levels = f"{value(what, change.before)} -> {value(what, change.after)}"
            where = f"since {origin.date}, commit {origin.short}"
            texts.append((index, f"**{verdict}**: `{series.subject.name}` {levels} {where}, {surely}"))
    return [text for _, text in sorted(texts, key=lambda pair: -pair[0])]


def by_chance(history: History) -> str:
    """Say in how many series a change of level is expected by chance alone; empty where none is long enough."""
    count = sum(len(series.points) >= EXACT for series in history.series)
    return (
        f"of {count} series of {EXACT} runs or more, up to {ALPHA * count:.2g} change by chance alone" if count else ""
    )


def new_series(history: History) -> list[str]:
    """Describe every new series, those with the same run and reason together."""
    groups: dict[tuple[int, str], list[str]] = {}
    for series in history.series:
        if series.condition_changes:
            groups.setdefault((series.points[0].run_index, "; ".join(series.condition_changes)), []).append(
                series.subject.name
            )
    texts = []
    for (index, reason), names in sorted(groups.items()):
        origin, more = history.entries[index].origin, f" and {len(names) - 1} more" if len(names) > 1 else ""
        texts.append(f"{origin.date}, commit {origin.short}: `{names[0]}`{more}: {reason}")
    return texts


def _tables(history: History, metric: str) -> Iterator[str]:
    for part in history.groups(metric, WIDE):
        cells = {subject: _by_place(history, subject) for subject in part}
        names = list(names_of(part).values())
        rows = [
            [str(place + 1), *(cells[subject].get(place, "–") for subject in part)]
            for place in range(len(history.entries))
            if any(place in cells[subject] for subject in part)
        ]
        yield table(["run", *names], rows)


def names_of(subjects: Sequence[Subject]) -> dict[Subject, str]:
    """Names of subjects: the arm, with the task where they have several places, without its options if unambiguous."""
    if len({subject.place for subject in subjects}) == 1:
        return {subject: subject.arm for subject in subjects}
    bare = {subject: subject.task.partition("(")[0] for subject in subjects}
    alone = len(set(bare.values())) == len({subject.task for subject in subjects})
    return {subject: f"{subject.arm} ({bare[subject] if alone else subject.task})" for subject in subjects}


def _by_place(history: History, subject: Subject) -> dict[int, str]:
    texts = {}
    for series in history.series:
        if series.subject == subject:
            for point in series.points:
                mark = f" ({series.number})" if series.number > 1 else ""
                texts[point.run_index] = f"{value(series.quantity, point.value.value)}{mark}"
    return texts


MOST = 6
"""Largest number of subjects in one figure."""
TICKS = 12
"""Largest number of runs that the axis names."""


def figures(history: History) -> dict[str, Figure]:
    """Draw figures, by file name `history-QUANTITY-NUMBER`; none for a single run."""
    drawn: dict[str, Figure] = {}
    for metric in history.metrics if len(history.entries) > 1 else []:
        for number, subjects in enumerate(history.groups(metric, MOST), start=1):
            drawn[f"history-{metric}-{number}"] = _figure(history, metric, subjects)
    return drawn


def _figure(history: History, metric: str, subjects: Sequence[Subject]) -> Figure:
    figure, columns = beside_legend(len(subjects))
    axes = figure.add_subplot()
    what = quantity(metric)
    names = names_of(subjects)
    shown = labels(names.values())
    for index, subject in enumerate(subjects):
        for series in history.of(metric):
            if series.subject == subject:
                _draw(
                    axes, series, COLOURS[index], MARKERS[index], shown[names[subject]] if series.number == 1 else "_"
                )
    _breaks(axes, history, subjects)
    _axis(axes, history)
    axes.set_ylabel(f"{label(scale(what))}, {'higher' if what.higher else 'lower'} is better")
    axes.set_title(f"{label(metric)} over time; bars: levels, triangles: their changes", fontsize=10, loc="left")
    axes.grid(color="0.92", linewidth=0.6)
    legend(axes, columns)
    return figure


def _shown(what: Quantity, number: float) -> float:
    """Convert a value to the units of the axis."""
    return 100 * number if what.percent else number


def _draw(axes: Axes, series: Series, colour: str, marker: str, name: str) -> None:
    what, places = series.quantity, [point.run_index for point in series.points]
    values = [_shown(what, point.value.value) for point in series.points]
    axes.plot(places, values, color=colour, marker=marker, markersize=4, linewidth=1.0, alpha=0.9, label=name)
    for point in series.points:
        low, high = point.value.low, point.value.high
        if low is not None and high is not None:
            ends = [_shown(what, low), _shown(what, high)]
            axes.plot([point.run_index] * 2, ends, color=colour, linewidth=0.8, alpha=0.4)
    for first, last, level in _levels(series):
        axes.plot([first - 0.3, last + 0.3], [_shown(what, level)] * 2, color=colour, linewidth=4, alpha=0.25)
    for change in series.changes:
        middle = _shown(what, (change.before + change.after) / 2)
        shape = "^" if change.after > change.before else "v"
        axes.plot(
            series.points[change.place].run_index - 0.5,
            middle,
            marker=shape,
            markersize=10,
            color=colour,
            markeredgecolor="black",
            zorder=5,
        )


def _levels(series: Series) -> Iterator[tuple[int, int, float]]:
    """First run, last run and mean of every stretch between changes; none for a series without changes."""
    cuts = [change.place for change in series.changes]
    if cuts:
        for first, end in itertools.pairwise([0, *cuts, len(series.points)]):
            stretch = series.points[first:end]
            yield stretch[0].run_index, stretch[-1].run_index, sum(p.value.value for p in stretch) / len(stretch)


def _breaks(axes: Axes, history: History, subjects: Sequence[Subject]) -> None:
    """Mark where conditions changed, with the first difference."""
    reasons: dict[int, str] = {}
    for series in history.series:
        if series.subject in subjects and series.condition_changes:
            reasons.setdefault(series.points[0].run_index, series.condition_changes[0])
    for place, reason in reasons.items():
        axes.axvline(place - 0.5, color="0.4", linestyle=":", linewidth=1)
        text = axes.annotate(label(reason), (place - 0.5, 1.0), xycoords=("data", "axes fraction"), rotation=90)
        text.set(va="top", ha="center", fontsize=7, color="0.35", bbox={"color": "white", "pad": 1.0})


def _axis(axes: Axes, history: History) -> None:
    """Label the axis with runs by day and commit, fewer where they would collide."""
    step = 1 + (len(history.entries) - 1) // TICKS
    places = range(0, len(history.entries), step)
    origins = [history.entries[place].origin for place in places]
    names = [f"{origin.date[:10]}\n{origin.short}" for origin in origins]
    axes.set_xticks(list(places), names, rotation=45, ha="right", fontsize=7)
    axes.set_xlim(-0.6, len(history.entries) - 0.4)
    axes.set_xlabel("runs in order of time: day, commit")
