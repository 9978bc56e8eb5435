"""Verdict, weak points, tables of each place: sections that need only accuracies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeleff.catalogue.metrics import Units
from labeleff.curves.bounds import savings, worth
from labeleff.curves.methods import extrapolates
from labeleff.curves.utility import FAR, UtilityPoint
from labeleff.reporting.figures.style import BEST, MOST_ARMS
from labeleff.reporting.findings import Comparison, Findings, TargetLabels, rank_comparisons
from labeleff.reporting.markdown import (
    amount,
    bold,
    break_even,
    capital,
    count,
    counts,
    join_texts,
    mean_ratio,
    money,
    portion,
    ratio,
    table,
)
from labeleff.reporting.measurements import Measurements, Place
from labeleff.reporting.output_files import Section
from labeleff.reporting.sections import outlying_runs
from labeleff.reporting.sections.curve_check import curve_check
from labeleff.reporting.sections.resolution import runs_needed
from labeleff.reporting.sections.verdict import distrust, verdict
from labeleff.stats.multiple_comparisons import tied_by_rung
from labeleff.stats.resampling import Runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


DOUBT = " (?)"
"""Mark of numbers that rest on an assumption that fails."""


@dataclass(frozen=True)
class PlaceFigure:
    """Figure of a place, with its file name."""

    name: str
    """File name without folder and ending."""
    words: str
    """Quantity that it shows, in words."""
    figure: Figure


def verdicts(findings: Findings) -> Iterator[str]:
    """Verdicts: what fails at a place, then a list with one item per arm; places with nothing to say are left out."""
    measured = findings.measured
    for place in measured.places:
        comparisons = "\n".join(f"- {verdict(item, measured.cost)}" for item in findings.at(place))
        decisive = outlying_runs.decisive(measured, [item for item in findings.outlying if item.place == place])
        parts = [text for text in (distrust(findings.failures[place]), *decisive, comparisons) if text]
        if parts:
            heading = [f"{measured.settings[place].title}:"] if len(measured.places) > 1 else []
            yield "\n\n".join([*heading, *parts])


def weak_points(flags: Sequence[str]) -> Iterator[str]:
    """Flags as a list under a heading; nothing where there are none."""
    if flags:
        yield "Weak points of this evidence:"
        yield "\n".join(f"- {text}" for text in flags)


def section(findings: Findings, place: Place, drawn: Sequence[PlaceFigure]) -> Section:
    """Tables and figures of one place."""
    title = findings.measured.settings[place].title.replace("[", "\\[").replace("]", "\\]")
    images = [f"![{item.words} at {title}](figures/{item.name}.png)" for item in drawn]
    compared = len(findings.at(place))
    if images and compared > MOST_ARMS:
        images.append(f"The figures show the {BEST} arms with the highest mean label ratio, of {compared:,}.")
    return Section([*_tables(findings, place), *images], figures={item.name: item.figure for item in drawn})


def _tables(findings: Findings, place: Place) -> Iterator[str]:
    measured = findings.measured
    title = measured.settings[place].title
    yield f"## {title}"
    if str(place) not in ("", title):
        yield f"In full: {place}."
    yield from _accuracies(measured, place)
    comparisons = findings.at(place)
    if comparisons:
        yield f"### Utility against {measured.baseline}"
        yield _utilities(measured, place, comparisons)
        yield from _how_to_read(measured, comparisons)
        yield from _ranking(measured, comparisons)
        yield from _saved(measured, place, comparisons)
        yield from curve_check(measured, place)
    yield from _targets(measured, place, [item for item in findings.labels if item.place == place])
    yield from runs_needed(measured, place)


def _accuracies(measured: Measurements, place: Place) -> Iterator[str]:
    setting, arms = measured.settings[place], measured.arms_at(place)
    yield f"### {capital(setting.quantity)}, mean ± standard deviation"
    best = _best(measured, place)
    rows = []
    for arm in arms:
        cells = [_mean(measured.at(place, arm), n, measured.planned_runs, setting.units) for n in setting.rungs]
        marked = [bold(text) if (arm, n) in best else text for n, text in zip(setting.rungs, cells, strict=True)]
        rows.append([arm, *marked])
    yield table(["arm", *(f"n = {n:,}" for n in setting.rungs)], rows)
    chance = "" if setting.chance is None else f" Chance: {setting.units.text(setting.chance)}{setting.units.mark}."
    level = f"({100 * measured.level:g} %, all arms of a rung together)"
    bold_note = f" Bold: can't be told from the best at that n {level}." if best else ""
    yield f"{measured.design}.{chance}{bold_note}"


def _best(measured: Measurements, place: Place) -> set[tuple[str, int]]:
    """Arms that can't be distinguished from the best, rung by rung; none where no spread is measured."""
    arms = {arm: runs for arm in measured.arms if (runs := measured.at(place, arm))}
    by_rung = tied_by_rung(arms, level=measured.level)
    return {
        (arm, n)
        for n, rung in by_rung.items()
        for arm, standing in rung.items()
        if standing.tied and standing.low is not None
    }


def _ranking(measured: Measurements, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Table of the arms by their mean label ratio."""
    yield "### Over the whole ladder"
    ranking = rank_comparisons(comparisons)
    distinguishable = all(mean.low is not None for _, mean in ranking) and len(ranking) > 1
    alike = len({mean.ns for _, mean in ranking}) == 1
    rows = []
    for item, mean in ranking:
        doubt = DOUBT if any(item.doubts(n) for n in mean.ns) else ""
        shown = [item.arm, f"{mean_ratio(mean, mean.low, mean.high)}{doubt}"]
        others = [f"{mean.above} of {len(mean.ns)}", f"{mean.below} of {len(mean.ns)}"]
        others += [] if alike else [counts(mean.ns)]
        rows.append([bold(text) for text in shown] + others if distinguishable and mean.tied else shown + others)
    header = ["arm", "mean label ratio", "rungs brought down", "rungs brought up", *([] if alike else ["over n"])]
    yield table(header, rows)
    ns, most = ranking[0][1].ns, f"{FAR:g} times the last rung" if extrapolates(measured.method) else "the last rung"
    best = " Bold: can't be told from the best of these arms." if distinguishable else ""
    span = f"n = {ns[0]:,} to {ns[-1]:,}" if alike else "the label counts that it has"
    which = "the rungs that all arms have count" if alike else "two arms are ranked over the rungs that both have"
    yield (
        f"Mean label ratio: on the (geometric) average over {span}, one label of the arm does the "
        f"work of so many of {measured.baseline}; {which}. Label counts over {most} are "
        "brought down to it, so that the mean is rather too low (`>=`), those under the first rung are brought up to "
        f"it, so that it is rather too high (`<=`).{best}"
    )
    yield from _set_aside(comparisons)


def _set_aside(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Sentence on the arms that aren't ranked."""
    aside = [(item, item.mean) for item in comparisons if item.mean is not None and item.mean.rank is None]
    if aside:
        arms = join_texts(
            f"{item.arm} (only {counts(mean.ns)}; label ratio {mean_ratio(mean, mean.low, mean.high)})"
            for item, mean in aside
        )
        yield f"Set aside, since too few of their label counts are those of the others: {arms}."


def _mean(runs: Runs, n: int, planned: int | None, units: Units) -> str:
    """Format a mean as `61.3 ± 1.2`, with the number of runs where some are missing; a dash without runs."""
    values = list(runs.get(n, {}).values())
    if not values:
        return "–"
    mean = sum(values) / len(values)
    short = f" ({len(values)} of {planned})" if planned is not None and len(values) < planned else ""
    if len(values) == 1:
        return f"{units.text(mean)}{short}"
    deviation = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    return f"{units.text(mean)} ± {units.spread(deviation)}{short}"


def _utilities(measured: Measurements, place: Place, comparisons: Sequence[Comparison]) -> str:
    rungs = measured.settings[place].rungs
    header = ["arm", *(f"n = {n:,}" for n in rungs), "break-even at n"]
    rows = [
        [item.arm, *_by_rung(item, rungs, lambda point: amount(worth(point), ratio)), break_even(item.crossing)]
        for item in comparisons
    ]
    return table(header, rows)


def _how_to_read(measured: Measurements, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Notes under the table of utilities: for how many numbers an interval holds, and what not to trust."""
    if any(point.p_above is not None for item in comparisons for point in item.points):
        yield (
            f"Each interval holds {100 * measured.level:g} % alone, and less often where it is picked for what it "
            "shows; those of the verdict hold for all arms and rungs here together."
        )
    if any(item.doubts(point.n) for item in comparisons for point in item.points):
        yield f"`{DOUBT.strip()}` rests on an assumption that fails: see the verdict."


def _by_rung(item: Comparison, rungs: Sequence[int], show: Callable[[UtilityPoint], str]) -> list[str]:
    points = {point.n: f"{show(point)}{DOUBT if item.doubts(point.n) else ''}" for point in item.points}
    return [points.get(n, "–") for n in rungs]


def _saved(measured: Measurements, place: Place, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Table of what arms save, where a label has a price."""
    cost, rungs = measured.cost, measured.settings[place].rungs
    if cost is None:
        return
    yield f"### Saved ({cost.unit})"
    rows = [
        [item.arm, *_by_rung(item, rungs, lambda point: amount(savings(point, cost.per_label), money))]
        for item in comparisons
    ]
    yield table(["arm", *(f"n = {n:,}" for n in rungs)], rows)
    entry = measured.settings[place].metric_entry
    yield (
        f"(n1 - n) labels at {cost.text}: what {measured.baseline} would cost more than the arm for the same "
        f"{entry.words}, under 0 what it would cost less. What pretraining costs isn't counted."
    )


def _labels(item: TargetLabels) -> str:
    return f"{amount(item.labels, count)}{DOUBT if item.doubts else ''}" if item.labels else "–"


def _targets(measured: Measurements, place: Place, labels: Sequence[TargetLabels]) -> Iterator[str]:
    """Table of the labels that arms need for the target accuracies."""
    if not labels:
        return
    setting = measured.settings[place]
    entry = setting.metric_entry
    yield f"### Labels needed for {entry.one}"
    header = ["arm", *(text for target in measured.targets for text in (f"for {setting.units.short(target)}", "share"))]
    rows = []
    for arm in dict.fromkeys(item.arm for item in labels):
        arm_labels = [item for item in labels if item.arm == arm]
        cells = [text for item in arm_labels for text in (_labels(item), portion(item.share))]
        rows.append([arm, *cells])
    yield table(header, rows)
    yield (
        f"Every arm's own curve, by the method {measured.method}; the share is of the labels that {measured.baseline} "
        f"needs for the same {entry.words}, a bound where one of the two is."
    )
    short = {item.arm: item.reason for item in labels if item.reason is not None}
    if short:
        yield f"Not given: {'; '.join(f'{arm} ({reason})' for arm, reason in short.items())}."
