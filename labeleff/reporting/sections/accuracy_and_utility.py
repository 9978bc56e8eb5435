"""Sentences, tables and figures of each place, and weak points: sections that need only accuracies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeleff.catalogue.metrics import Units
from labeleff.curves.bounds import savings, worth
from labeleff.curves.utility import UtilityPoint
from labeleff.reporting.findings import Comparison, Findings, TargetLabels
from labeleff.reporting.markdown import (
    amount,
    at_labels,
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
from labeleff.reporting.sections.verdict import WEAK, distrust, nothing_claimed, nothing_shown, shows_something, verdict
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
    draw: Callable[[], Figure]
    left_out: str = ""
    """Sentence on the arms that it leaves out; empty where it leaves out none."""


def verdicts(findings: Findings, place: Place) -> Iterator[str]:
    """What fails at a place, then what each arm is worth, those of which nothing is shown together."""
    measured, items = findings.measured, findings.at(place)
    if text := distrust(findings.failures[place]):
        yield text
    yield from outlying_runs.decisive(measured, [item for item in findings.outlying if item.place == place])
    shown = [item for item in items if shows_something(item)]
    if shown:
        yield "\n".join(f"- {verdict(item, measured.cost_at(place))}" for item in shown)
    unsure = [item for item in items if item not in shown]
    doubted = [item for item in unsure if item.doubts_everywhere]
    texts = [nothing_shown([item for item in unsure if item not in doubted]), nothing_claimed(doubted)]
    if any(texts):
        yield " ".join(text for text in texts if text)


def weak_points(flags: Sequence[str]) -> Iterator[str]:
    """Flags as a list under a heading; nothing where there are none."""
    if flags:
        yield f"## {WEAK}"
        yield "\n".join(f"- {text}" for text in flags)


def section(findings: Findings, place: Place, drawn: Sequence[PlaceFigure]) -> Section:
    """Tables and figures of one place."""
    title = findings.measured.settings[place].title.replace("[", "\\[").replace("]", "\\]")
    images = [f"![{item.words} at {title}](figures/{item.name}.png)" for item in drawn]
    return Section(
        [*_tables(findings, place), *images],
        figures={item.name: item.draw for item in drawn},
        left_out={item.name: item.left_out for item in drawn if item.left_out},
        details=[*_checks(findings.measured, place)],
        place=(place, findings.measured.settings[place]),
    )


def _checks(measured: Measurements, place: Place) -> Iterator[str]:
    """Details of a place: does the baseline's curve fit, and how many runs are enough."""
    paragraphs = [*curve_check(measured, place), *runs_needed(measured, place)]
    title = measured.settings[place].title
    in_full = [f"In full: {place}."] if str(place) not in ("", title) else []
    if paragraphs or in_full:
        yield f"## {title}"
        yield from (*in_full, *paragraphs)


def _tables(findings: Findings, place: Place) -> Iterator[str]:
    measured = findings.measured
    title = measured.settings[place].title
    yield f"## {title}"
    yield from verdicts(findings, place)
    yield from _accuracies(measured, place)
    comparisons = findings.at(place)
    if comparisons:
        yield f"### Utility against {measured.baseline}"
        yield _utilities(measured, place, comparisons)
        yield from _how_to_read(comparisons)
        yield from _set_aside(comparisons)
        yield from _saved(measured, place, comparisons)
    yield from _targets(measured, place, [item for item in findings.labels if item.place == place])


def _accuracies(measured: Measurements, place: Place) -> Iterator[str]:
    setting, arms = measured.settings[place], measured.arms_at(place)
    yield f"### {capital(setting.quantity)}, mean ± standard deviation"
    best, tied = _best(measured, place)
    rows = []
    for arm in arms:
        cells = [_mean(measured.at(place, arm), n, measured.planned_runs, setting.units) for n in setting.rungs]
        marked = [bold(text) if best.get(n) == arm else text for n, text in zip(setting.rungs, cells, strict=True)]
        rows.append([arm, *marked])
    yield table(["arm", *(f"n = {n:,}" for n in setting.rungs)], rows)
    chance = "" if setting.chance is None else f" Chance: {setting.units.text(setting.chance)}{setting.units.mark}."
    level = f"({100 * measured.level:g} %, all arms of a rung together)"
    notes = [f" Bold: better than every other arm {level}."] if best else []
    notes += [f" Can't be told apart from the best: {at_labels(tied)}."] if tied else []
    yield f"{measured.design}.{chance}{''.join(notes)}"


def _best(measured: Measurements, place: Place) -> tuple[dict[int, str], list[tuple[str, list[int]]]]:
    """The arm that is better than all others by rung, where one is; and arms that can't be told from the best."""
    best: dict[int, str] = {}
    tied: dict[str, list[int]] = {}
    for n, rung in measured.standings[place].items():
        group = [arm for arm, standing in rung.items() if standing.tied and standing.low is not None]
        if len(group) == 1 and len(rung) > 1:
            best[n] = group[0]
        elif len(group) > 1:
            name = "all arms" if len(group) == len(rung) else ", ".join(group)
            tied.setdefault(name, []).append(n)
    return best, list(tied.items())


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
    header = ["arm", *(f"n = {n:,}" for n in rungs), "mean label ratio", "break-even at n"]
    alone = len([item for item in comparisons if item.mean is not None and item.mean.tied]) == 1 < len(comparisons)
    rows = [
        [
            item.arm,
            *_by_rung(item, rungs, lambda point: amount(worth(point), ratio)),
            _mean_ratio(item, alone),
            break_even(item.crossing),
        ]
        for item in comparisons
    ]
    return table(header, rows)


def _mean_ratio(item: Comparison, alone: bool) -> str:
    """Format an arm's mean label ratio: in bold where it is better than that of every other arm, `=` where tied."""
    mean = item.mean
    if mean is None:
        return "–"
    text = f"{mean_ratio(mean, mean.low, mean.high)}{DOUBT if item.doubts_mean else ''}"
    if mean.rank is None:
        return f"{text} (aside)"
    if not mean.tied or mean.low is None:
        return text
    return bold(text) if alone else f"{text} ="


def _how_to_read(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Note under the table of utilities: what can't be told apart, and what not to trust."""
    notes = []
    if sum(_mean_ratio(item, False).endswith("=") for item in comparisons) > 1:
        notes.append("`=` can't be told from the best of these arms.")
    if any(item.doubts(point.n) for item in comparisons for point in item.points):
        notes.append(f"`{DOUBT.strip()}` rests on an assumption that fails.")
    if notes:
        yield " ".join(notes)


def _by_rung(item: Comparison, rungs: Sequence[int], show: Callable[[UtilityPoint], str]) -> list[str]:
    points = {point.n: f"{show(point)}{DOUBT if item.doubts(point.n) else ''}" for point in item.points}
    return [points.get(n, "–") for n in rungs]


def _saved(measured: Measurements, place: Place, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Table of what arms save, where a label has a price."""
    cost, rungs = measured.cost_at(place), measured.settings[place].rungs
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
