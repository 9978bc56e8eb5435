"""A history as files: a report in Markdown, one row a run and number as CSV, and JSON for dashboards."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from labeleff.comparison.amounts import p_text, scale, value
from labeleff.comparison.history import History, Point, Series
from labeleff.reporting.figures.style import COLOURS, MARKERS, beside_legend, label, legend
from labeleff.reporting.markdown import table
from labeleff.reporting.tables import columns, frame, to_csv
from labeleff.stats.change_points import ALPHA, ChangePoint
from labeleff.study.quantities import Quantity, Subject, quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = columns(
    "started commit dirty machine folder quantity arm task encoder series value low high level_change p_value"
)
"""`series` counts a number's series of like conditions, whose values alone may be joined; `level_change` stands at the
first run of a new level: what its mean is more than the mean of the level before."""
WIDE = 5
"""Numbers that a table shows side by side."""


def _changes(series: Series) -> dict[int, ChangePoint]:
    """By place among all runs."""
    return {series.points[change.place].place: change for change in series.changes}


def as_csv(found: History) -> bytes:
    """One row a number and run, by number, series and time."""
    rows = []
    for series in found.series:
        changes = _changes(series)
        for point in series.points:
            change, subject = changes.get(point.place), series.subject
            rows.append(
                {
                    "started": point.origin.started,
                    "commit": point.origin.commit,
                    "dirty": point.origin.dirty,
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


def dashboards(found: History) -> dict[str, bytes]:
    """`bigger.json` and `smaller.json`: every number's newest value, as github-action-benchmark's tools
    `customBiggerIsBetter` and `customSmallerIsBetter` read them."""
    files: dict[str, list[dict[str, Any]]] = {"bigger.json": [], "smaller.json": []}
    for subject in dict.fromkeys(series.subject for series in found.series):
        series, point = _newest(found, subject)
        what = quantity(subject.metric)
        low, high = point.value.low, point.value.high
        item = {"name": f"{subject.name} {subject.place}".strip(), "unit": _unit(subject), "value": point.value.value}
        if low is not None and high is not None:
            item["range"] = f"± {(high - low) / 2:.3g}"
        item["extra"] = f"commit {point.origin.short}\n{point.origin.machine}\nseries {series.number}"
        files["bigger.json" if what.higher else "smaller.json"].append(item)
    return {name: json.dumps(items, indent=1, allow_nan=False).encode() + b"\n" for name, items in files.items()}


def _newest(found: History, subject: Subject) -> tuple[Series, Point]:
    own = [series for series in found.series if series.subject == subject]
    series = max(own, key=lambda item: item.points[-1].place)
    return series, series.points[-1]


def _unit(subject: Subject) -> str:
    """Of `throughput` what is counted can't be told from the numbers alone: images, stories or calls."""
    what = quantity(subject.metric)
    return what.unit or ("U" if what.name == "utility" else "share" if not what.relative else what.name)


def document(found: History, figures: Sequence[str]) -> str:
    """The report; `figures` are names of files without folder and ending."""
    return "\n\n".join(_paragraphs(found, figures)) + "\n"


def _paragraphs(found: History, figures: Sequence[str]) -> Iterator[str]:
    studies = [str(entry.study["name"]) for entry in found.entries if entry.study is not None]
    yield f"# {studies[-1] if studies else 'Timings'} over time"
    yield from _listed("Changes of level", level_changes(found), "None: no series changed its level.")
    yield from _listed("New series", new_series(found), "None: everything was measured under the same conditions.")
    yield "## Runs"
    rows = [
        [str(k), e.origin.date, e.origin.short, e.origin.machine, e.origin.name] for k, e in enumerate(found.entries, 1)
    ]
    yield table(["run", "started", "commit", "machine", "folder"], rows, left=5)
    for metric in found.metrics:
        yield f"## {scale(quantity(metric))}"
        yield from _tables(found, metric)
        yield from (f"![{name}](figures/{name}.png)" for name in figures if name.startswith(f"history-{metric}-"))
    yield (
        "Scores are means over the rungs, utility is the mean label ratio over the ladder minus 1 (label counts "
        "brought into the ladder), throughput and time are medians. A number in brackets says which "
        "series of like conditions a value belongs to, where it isn't the first; series are never joined. Levels are "
        "told apart by binary segmentation with permutation tests "
        f"at {100 * ALPHA:g} %; a series of fewer than eight runs can't show a change."
    )


def _listed(heading: str, texts: Sequence[str], nothing: str) -> Iterator[str]:
    yield f"## {heading}"
    yield "\n".join(f"- {text}" for text in texts) if texts else nothing


def level_changes(found: History) -> list[str]:
    """Every new level in words, the newest first."""
    texts = []
    for series in found.series:
        for place, change in _changes(series).items():
            origin, what = found.entries[place].origin, series.quantity
            told = "better" if series.better(change) else "worse"
            levels = f"{value(what, change.before)} -> {value(what, change.after)}"
            where = f"since {origin.date}, commit {origin.short}"
            texts.append((place, f"**{told}**: `{series.subject.name}` {levels} {where}, p {p_text(change.p_value)}"))
    return [text for _, text in sorted(texts, key=lambda pair: -pair[0])]


def new_series(found: History) -> list[str]:
    """What began anew, those of the same run and reason together."""
    groups: dict[tuple[int, str], list[str]] = {}
    for series in found.series:
        if series.began:
            groups.setdefault((series.points[0].place, "; ".join(series.began)), []).append(series.subject.name)
    texts = []
    for (place, reason), names in sorted(groups.items()):
        origin, more = found.entries[place].origin, f" and {len(names) - 1} more" if len(names) > 1 else ""
        texts.append(f"{origin.date}, commit {origin.short}: `{names[0]}`{more}: {reason}")
    return texts


def _tables(found: History, metric: str) -> Iterator[str]:
    for part in found.groups(metric, WIDE):
        cells = {subject: _by_place(found, subject) for subject in part}
        names = list(names_of(part).values())
        rows = [
            [str(place + 1), *(cells[subject].get(place, "–") for subject in part)]
            for place in range(len(found.entries))
            if any(place in cells[subject] for subject in part)
        ]
        yield table(["run", *names], rows)


def names_of(subjects: Sequence[Subject]) -> dict[Subject, str]:
    """The arm alone where all are of one place, else with the task, without options where they are one task's."""
    if len({subject.place for subject in subjects}) == 1:
        return {subject: subject.arm for subject in subjects}
    bare = {subject: subject.task.partition("(")[0] for subject in subjects}
    alone = len(set(bare.values())) == len({subject.task for subject in subjects})
    return {subject: f"{subject.arm} ({bare[subject] if alone else subject.task})" for subject in subjects}


def _by_place(found: History, subject: Subject) -> dict[int, str]:
    texts = {}
    for series in found.series:
        if series.subject == subject:
            for point in series.points:
                mark = f" ({series.number})" if series.number > 1 else ""
                texts[point.place] = f"{value(series.quantity, point.value.value)}{mark}"
    return texts


MOST = 6
"""Numbers that one figure shows."""
TICKS = 12
"""Runs that the axis names."""


def figures(found: History) -> dict[str, Figure]:
    """By file name: `history-QUANTITY-1`, and so on where there are many numbers; none for a single run."""
    drawn: dict[str, Figure] = {}
    for metric in found.metrics if len(found.entries) > 1 else []:
        for number, subjects in enumerate(found.groups(metric, MOST), start=1):
            drawn[f"history-{metric}-{number}"] = _figure(found, metric, subjects)
    return drawn


def _figure(found: History, metric: str, subjects: Sequence[Subject]) -> Figure:
    figure, columns = beside_legend(len(subjects))
    axes = figure.add_subplot()
    what = quantity(metric)
    names = names_of(subjects)
    for index, subject in enumerate(subjects):
        for series in found.of(metric):
            if series.subject == subject:
                _draw(
                    axes, series, COLOURS[index], MARKERS[index], label(names[subject]) if series.number == 1 else "_"
                )
    _breaks(axes, found, subjects)
    _axis(axes, found)
    axes.set_ylabel(f"{scale(what)}, {'higher' if what.higher else 'lower'} is better")
    axes.set_title(f"{metric} over time; bars: levels, triangles: their changes", fontsize=10, loc="left")
    axes.grid(color="0.92", linewidth=0.6)
    legend(axes, columns)
    return figure


def _shown(what: Quantity, number: float) -> float:
    """In the units of the axis."""
    return number if what.relative or what.unit or what.name == "utility" else 100 * number


def _draw(axes: Axes, series: Series, colour: str, marker: str, name: str) -> None:
    what, places = series.quantity, [point.place for point in series.points]
    values = [_shown(what, point.value.value) for point in series.points]
    axes.plot(places, values, color=colour, marker=marker, markersize=4, linewidth=1.0, alpha=0.9, label=name)
    for point in series.points:
        low, high = point.value.low, point.value.high
        if low is not None and high is not None:
            ends = [_shown(what, low), _shown(what, high)]
            axes.plot([point.place] * 2, ends, color=colour, linewidth=0.8, alpha=0.4)
    for first, last, level in _levels(series):
        axes.plot([first - 0.3, last + 0.3], [_shown(what, level)] * 2, color=colour, linewidth=4, alpha=0.25)
    for change in series.changes:
        middle = _shown(what, (change.before + change.after) / 2)
        shape = "^" if change.after > change.before else "v"
        axes.plot(
            series.points[change.place].place - 0.5,
            middle,
            marker=shape,
            markersize=10,
            color=colour,
            markeredgecolor="black",
            zorder=5,
        )


def _levels(series: Series) -> Iterator[tuple[int, int, float]]:
    """First and last run of every stretch between changes, with its mean; none for a series without changes."""
    cuts = [change.place for change in series.changes]
    if cuts:
        for first, end in itertools.pairwise([0, *cuts, len(series.points)]):
            stretch = series.points[first:end]
            yield stretch[0].place, stretch[-1].place, sum(p.value.value for p in stretch) / len(stretch)


def _breaks(axes: Axes, found: History, subjects: Sequence[Subject]) -> None:
    """Where conditions changed, with the first thing that did."""
    began: dict[int, str] = {}
    for series in found.series:
        if series.subject in subjects and series.began:
            began.setdefault(series.points[0].place, series.began[0])
    for place, reason in began.items():
        axes.axvline(place - 0.5, color="0.4", linestyle=":", linewidth=1)
        text = axes.annotate(label(reason), (place - 0.5, 1.0), xycoords=("data", "axes fraction"), rotation=90)
        text.set(va="top", ha="center", fontsize=7, color="0.35", bbox={"color": "white", "pad": 1.0})


def _axis(axes: Axes, found: History) -> None:
    """Runs by day and commit, thinned out where they would collide."""
    step = 1 + (len(found.entries) - 1) // TICKS
    places = range(0, len(found.entries), step)
    origins = [found.entries[place].origin for place in places]
    names = [f"{origin.date[:10]}\n{origin.short}" for origin in origins]
    axes.set_xticks(list(places), names, rotation=45, ha="right", fontsize=7)
    axes.set_xlim(-0.6, len(found.entries) - 0.4)
    axes.set_xlabel("runs in order of time: day, commit")
