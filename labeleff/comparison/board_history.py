"""Lines of a board: headline numbers of studies that were run several times, as small drawings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from labeleff.comparison.amounts import scale, value
from labeleff.comparison.history import Entry, History, Point, Series, history

WIDTH, HEIGHT, EDGE = 180, 34, 5
"""Size of a drawing in pixels of CSS, and its free edge."""


@dataclass(frozen=True)
class Run:
    """One run in a line."""

    x: float
    y: float
    started: str
    commit: str
    value: float
    low: float | None
    high: float | None
    text: str
    """When it was, and its value, as they are read out."""
    changed: bool
    """Whether a new level begins with it."""


@dataclass(frozen=True)
class Line:
    """One headline number of a study over its runs of equal conditions."""

    study: str
    number: str
    """What it counts, with its unit, and whose: `accuracy (%), rotation/finetune`."""
    task: str
    encoder: str
    newest: str
    """Its last value, as reports print it."""
    runs: tuple[Run, ...]
    """Runs by time, at least two."""

    @property
    def points(self) -> str:
        """Corners of the line, as SVG takes them."""
        return " ".join(f"{run.x:g},{run.y:g}" for run in self.runs)

    @property
    def words(self) -> str:
        """The whole line as it is read out."""
        return "; ".join(run.text for run in self.runs)


def lines(entries: Sequence[Entry]) -> list[Line]:
    """Lines of every study that several of the entries are runs of; numbers of unlike conditions aren't joined."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.study is not None and entry.values:
            groups.setdefault(str(entry.study["name"]), []).append(entry)
    return [line for name, runs in groups.items() if len(runs) > 1 for line in _of_study(name, history(runs))]


def _of_study(name: str, over_time: History) -> Iterator[Line]:
    for series in over_time.series:
        if len(series.points) > 1:
            newest, subject = series.points[-1].value, series.subject
            text = _text(series, newest.value, newest.low, newest.high)
            number = f"{scale(series.quantity)}, {subject.arm}"
            yield Line(name, number, subject.task, subject.encoder, text, tuple(_runs(series)))


def _text(series: Series, number: float, low: float | None, high: float | None) -> str:
    ends = "" if low is None or high is None else f" [{value(series.quantity, low)}, {value(series.quantity, high)}]"
    return f"{value(series.quantity, number)}{ends}"


def _runs(series: Series) -> Iterator[Run]:
    """Runs with their places in the drawing, at equal distances."""
    numbers = [point.value.value for point in series.points]
    least, most = min(numbers), max(numbers)
    step = (WIDTH - 2 * EDGE) / (len(numbers) - 1)
    begin = {change.place for change in series.changes}
    for index, point in enumerate(series.points):
        share = 0.5 if most == least else (point.value.value - least) / (most - least)
        y = HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE)
        yield _run(series, point, round(EDGE + index * step, 2), round(y, 2), changed=index in begin)


def _run(series: Series, point: Point, x: float, y: float, *, changed: bool) -> Run:
    origin, found = point.origin, point.value
    text = f"{origin.date}: {value(series.quantity, found.value)}{', a new level' if changed else ''}"
    return Run(x, y, origin.started, origin.short, found.value, found.low, found.high, text, changed)


def as_json(found: Sequence[Line]) -> list[Mapping[str, object]]:
    """Lines as tables of a JSON file, without their places in the drawings."""
    return [
        {
            "study": line.study,
            "number": line.number,
            "task": line.task,
            "encoder": line.encoder,
            "runs": [
                {
                    "started": run.started,
                    "commit": run.commit,
                    "value": run.value,
                    "low": run.low,
                    "high": run.high,
                    "new_level": run.changed,
                }
                for run in line.runs
            ],
        }
        for line in found
    ]
