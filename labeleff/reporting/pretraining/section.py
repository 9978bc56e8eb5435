"""Section on U(n) against the length of pretraining and the number of its images, and `pretraining.csv`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from labeleff.curves.bounds import worth
from labeleff.curves.joint_intervals import Gain
from labeleff.records.run_estimate import duration
from labeleff.reporting.csv_tables import Row, Table, columns
from labeleff.reporting.figures.pretraining_courses import draw
from labeleff.reporting.markdown import amount, joint_ratio, ratio, table
from labeleff.reporting.measurements import Measurements, Place
from labeleff.reporting.output_files import Section, slugs
from labeleff.reporting.pretraining.courses import Axis, Course, Stop, courses
from labeleff.reporting.results import Results
from labeleff.reporting.sections.accuracy_and_utility import DOUBT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = columns(
    "task encoder arm axis share images steps images_drawn pretraining_seconds n runs accuracy kind utility "
    "utility_at_least utility_at_most simultaneous_low simultaneous_high mean_ratio mean_ratio_low mean_ratio_high "
    "gain gain_low gain_high assumption"
)
"""One row per point of pretraining, arm and rung; kinds and bounds as in utility.csv. `share`: of the steps, as asked;
`steps`: as done; `images`: number that the pretext sees, empty for all; `gain`: mean label ratio over that of the point
before; intervals hold for all points and rungs of an arm along an axis at once."""
HEADINGS: dict[Axis, str] = {
    "steps": "Along the steps of a pretraining",
    "images": "By the number of images without labels",
}


def section(results: Results, measured: Measurements) -> Section:
    """Section with `pretraining.csv`; empty for a study without points of pretraining."""
    if results.study.pretraining is None:
        return Section()
    items = courses(results, measured)
    files = {"pretraining.csv": Table([row for item in items for row in _rows(item)], COLUMNS).csv()} if items else {}
    groups: dict[tuple[Axis, Place], list[Course]] = {}
    for item in items:
        groups.setdefault((item.axis, item.home), []).append(item)
    names = slugs(measured)
    figures = {
        (axis, home): (f"pretraining-{axis}-{names[home]}", partial(draw, measured, members))
        for (axis, home), members in groups.items()
    }
    return Section([*_paragraphs(measured, groups, figures)], files, dict(figures.values()))


def _rows(course: Course) -> Iterator[Row]:
    added = {gain.after: gain for gain in course.gains}
    for stop in course.stops:
        item, gain = stop.comparison, added.get(course.words(stop.point))
        mean = item.mean
        for point in item.joint:
            reading = worth(point)
            yield {
                "task": stop.place.task,
                "encoder": stop.place.encoder,
                "arm": course.arm,
                "axis": course.axis,
                "share": stop.point.share or 1.0,
                "images": stop.point.images,
                "steps": stop.steps,
                "images_drawn": stop.drawn,
                "pretraining_seconds": stop.seconds,
                "n": point.n,
                "runs": point.runs,
                "accuracy": item.units.value(point.accuracy),
                "kind": point.kind,
                "utility": reading.value,
                "utility_at_least": reading.bound if point.kind in ("extrapolated", "above") else None,
                "utility_at_most": reading.bound if point.kind == "below" else None,
                "simultaneous_low": reading.low,
                "simultaneous_high": reading.high,
                "mean_ratio": None if mean is None else mean.ratio,
                "mean_ratio_low": None if mean is None else mean.joint_low,
                "mean_ratio_high": None if mean is None else mean.joint_high,
                "gain": None if gain is None else gain.ratio,
                "gain_low": None if gain is None else gain.low,
                "gain_high": None if gain is None else gain.high,
                "assumption": " ".join(kind.replace(" ", "-") for kind in item.doubts(point.n)),
            }


def _paragraphs(
    measured: Measurements,
    groups: Mapping[tuple[Axis, Place], Sequence[Course]],
    figures: Mapping[tuple[Axis, Place], tuple[str, Callable[[], Figure]]],
) -> Iterator[str]:
    yield "## What the length and the images of pretraining are worth"
    if not groups:
        yield "No arm is measured yet at two points of its pretraining with a curve of the baseline to compare them by."
        return
    for (axis, home), members in groups.items():
        yield f"### {HEADINGS[axis]}: {measured.settings[home].title}"
        yield "\n".join(f"- {sentence(item)}" for item in members)
        yield _table(measured, members)
        yield f"![label ratio {HEADINGS[axis].lower()}](figures/{figures[axis, home][0]}.png)"
    if any(axis == "steps" for axis, _ in groups):
        yield (
            "**A point is not a shorter pretraining**: all points of an arm and seed are encoders of one pretraining, "
            "saved on its way at the nearest window's end, and its learning rate follows the schedule of the whole. A "
            "pretraining planned to be that short would have ended with a low rate, and may be better. Time is that of "
            "the pretraining up to the point."
        )
    if any(axis == "images" for axis, _ in groups):
        yield (
            "Every number of images is a pretraining of its own, on images drawn without labels: those of a smaller "
            "number are among those of a larger one of the same seed, and all pretexts of a seed see the same. Images "
            "with labels may or may not be among them. With fewer images a budget in steps is as long, one in epochs "
            "shorter."
        )
    yield (
        f"{measured.baseline} is measured once and is the same at all points. Intervals hold "
        f"{100 * measured.level:g} % for all points and rungs of an arm together.{_doubted(groups)}"
    )


def _doubted(groups: Mapping[tuple[Axis, Place], Sequence[Course]]) -> str:
    stops = [stop for members in groups.values() for item in members for stop in item.stops]
    doubted = any(stop.comparison.doubts(point.n) for stop in stops for point in stop.comparison.points)
    return " `(?)` rests on an assumption that fails." if doubted else ""


def sentence(course: Course) -> str:
    """What each point of a course adds to the one before, where its interval says so.

    `rotation/linear: from 10 to 30 % of the steps: what n labels are worth rises by a factor of 1.5 [1.4, 1.7]; the
    last 70 % of the steps: nothing that can be told is added (x1.05 [0.98, 1.13]).`
    """
    doubted = {course.words(stop.point) for stop in course.stops if stop.comparison.doubts_everywhere}
    texts = [_gain(course, gain, bool(doubted & {gain.before, gain.after})) for gain in course.gains]
    return f"{course.arm}: {'; '.join(texts)}."


def _gain(course: Course, gain: Gain, doubted: bool) -> str:
    way = _way(course, gain)
    steps = {course.words(stop.point): stop.steps for stop in course.stops}
    if course.axis == "steps" and steps[gain.before] is not None and steps[gain.before] == steps[gain.after]:
        return f"{way}: one encoder, as the pretraining has no window's end between them"
    if doubted:
        return f"{way}: nothing is claimed, as an assumption fails there"
    if gain.low is None or gain.high is None:
        return f"{way}: x{ratio(gain.ratio)}, without an interval"
    low, high = "…" if gain.open_low else ratio(gain.low), "…" if gain.open_high else ratio(gain.high)
    factor = f"{ratio(gain.ratio)} [{low}, {high}]"
    if gain.sign == 0:
        return f"{way}: nothing that can be told is added (x{factor})"
    return f"{way}: what n labels are worth {'rises' if gain.sign > 0 else 'falls'} by a factor of {factor}"


def _way(course: Course, gain: Gain) -> str:
    """The way between two points in words."""
    if course.axis == "images":
        return f"from {gain.before} to {gain.after}"
    shares = {course.words(stop.point): 100 * (stop.point.share or 1.0) for stop in course.stops}
    before, after = shares[gain.before], shares[gain.after]
    return (
        f"the last {100 - before:g} % of the steps" if after == 100 else f"from {before:g} to {after:g} % of the steps"
    )


def _table(measured: Measurements, items: Sequence[Course]) -> str:
    first = items[0]
    rungs = sorted({point.n for item in items for stop in item.stops for point in stop.comparison.points})
    rungs = [measured.headline] if measured.headline in rungs else rungs
    header = ["arm", "pretraining", "steps", "time", *(f"U, n = {n:,}" for n in rungs), "mean label ratio"]
    rows = [
        [item.arm, first.words(stop.point), *_effort(stop), *_worth(stop, rungs)]
        for item in items
        for stop in item.stops
    ]
    return table(header, rows, left=2)


def _effort(stop: Stop) -> list[str]:
    return ["–" if stop.steps is None else f"{stop.steps:,}", "–" if stop.seconds is None else duration(stop.seconds)]


def _worth(stop: Stop, rungs: Sequence[int]) -> list[str]:
    item = stop.comparison
    texts = {p.n: f"{amount(worth(p), ratio)}{DOUBT if item.doubts(p.n) else ''}" for p in item.joint}
    mean = "–" if item.mean is None else f"{joint_ratio(item.mean)}{DOUBT if item.doubts_mean else ''}"
    return [*(texts.get(n, "–") for n in rungs), mean]
