"""Section on labels with noise or imbalance in labels without, and `noise.csv`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from labeleff.curves.bounds import equivalent
from labeleff.curves.utility import UtilityPoint
from labeleff.reporting.csv_tables import Row, Table, columns
from labeleff.reporting.figures.utility import utility
from labeleff.reporting.label_quality.choice import TargetChoice, at_targets, cheaper
from labeleff.reporting.label_quality.equivalents import Equivalent, equivalents, missing_references
from labeleff.reporting.markdown import amount, count, join_texts, money, percent, ratio, table
from labeleff.reporting.measurements import Measurements, Place
from labeleff.reporting.output_files import Section, slugs
from labeleff.reporting.results import Results
from labeleff.reporting.sections.accuracy_and_utility import DOUBT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOISE = columns(
    "task encoder arm reference noise_rate imbalance n wrong_labels runs accuracy reference_accuracy kind equivalent "
    "equivalent_at_least equivalent_at_most equivalent_low equivalent_high simultaneous_low simultaneous_high flags "
    "assumption cost reference_cost_low reference_cost_high cheaper"
)
"""`equivalent`: number of labels at the place `reference` with which the arm is as accurate as with `n`; kinds and
bounds as in utility.csv; `simultaneous_low`, `simultaneous_high`: interval that holds for all conditions and rungs of
an arm at once; `wrong_labels`: mean share over runs, as drawn; `cost`: of the n noisy labels, beside the ends of what
as many clean ones as they equal cost, and which are `cheaper`; empty without two prices."""


def section(results: Results, measured: Measurements) -> Section:
    """Section with `noise.csv`; empty for a study without noise and imbalance."""
    study = results.study
    if not study.noises and not study.imbalances:
        return Section()
    items = equivalents(results, measured)
    files = {"noise.csv": Table([row for item in items for row in _rows(item)], NOISE).csv()} if items else {}
    figures = _figures(measured, items)
    return Section([*_paragraphs(results, measured, items, figures)], files, dict(figures.values()))


def _figures(measured: Measurements, items: Sequence[Equivalent]) -> dict[Place, tuple[str, Callable[[], Figure]]]:
    """Figures of the baseline's labels under all conditions that one place is the reference of, with their names."""
    names = slugs(measured)
    groups: dict[Place, list[Equivalent]] = {}
    for item in items:
        if item.arm == measured.baseline:
            groups.setdefault(item.reference, []).append(item)
    return {
        place: (
            f"label-quality-{names[place]}",
            partial(utility, members[0].alone, [item.comparison for item in members]),
        )
        for place, members in groups.items()
    }


def _rows(item: Equivalent) -> Iterator[Row]:
    joint = {point.n: point for point in item.comparison.joint}
    cost, noise = item.alone.cost, item.condition.noise
    units = item.comparison.units
    for point in item.comparison.points:
        reading, wide = equivalent(point), joint[point.n]
        row: Row = {
            "task": item.place.task,
            "encoder": item.place.encoder,
            "arm": item.arm,
            "reference": item.reference.task,
            "noise_rate": None if noise is None else noise.rate,
            "imbalance": item.condition.ratio,
            "n": point.n,
            "wrong_labels": item.wrong.get(point.n),
            "runs": point.runs,
            "accuracy": units.value(point.accuracy),
            "reference_accuracy": None if point.baseline_accuracy is None else units.value(point.baseline_accuracy),
            "kind": point.kind,
            "equivalent": reading.value,
            "equivalent_at_least": reading.bound if point.kind in ("extrapolated", "above") else None,
            "equivalent_at_most": reading.bound if point.kind == "below" else None,
            "equivalent_low": reading.low,
            "equivalent_high": reading.high,
            "simultaneous_low": wide.n1_low,
            "simultaneous_high": wide.n1_high,
            "flags": " ".join(flag.replace(" ", "-") for flag in point.flags),
            "assumption": " ".join(kind.replace(" ", "-") for kind in item.comparison.doubts(point.n)),
        }
        if item.noisy and cost is not None and cost.per_noisy_label is not None:
            row |= {
                "cost": point.n * cost.per_noisy_label,
                "reference_cost_low": None if wide.n1_low is None else wide.n1_low * cost.per_label,
                "reference_cost_high": None if wide.n1_high is None else wide.n1_high * cost.per_label,
                "cheaper": cheaper(wide, cost),
            }
        yield row


def _paragraphs(
    results: Results,
    measured: Measurements,
    items: Sequence[Equivalent],
    figures: Mapping[Place, tuple[str, Callable[[], Figure]]],
) -> Iterator[str]:
    yield "## What noise and imbalance cost in labels"
    if lacking := missing_references(results):
        what = join_texts((f"{item.words}" for item in lacking), ", ")
        yield f"Not compared, as the study lacks it: {what} (`rate = 0.0` of noise, `1` of imbalance)."
    if not items:
        if not lacking:
            yield "No curve is measured yet with which labels could be compared."
        return
    for place in dict.fromkeys(item.reference for item in items):
        members = [item for item in items if item.reference == place]
        title = measured.settings[place].title
        yield f"### In labels of {title}"
        yield "\n".join(f"- {sentence(item)}" for item in members)
        yield _table(members, _equivalent, measured.settings[place].rungs)
        if any(item.noisy for item in members):
            yield _wrong(members, measured.settings[place].rungs)
        if place in figures:
            yield f"![{measured.baseline}'s labels under these conditions](figures/{figures[place][0]}.png)"
    yield (
        f"A number is that of labels of the place named above with which the same arm, draws and seeds are as accurate "
        f"as with n labels here. Intervals hold {100 * measured.level:g} % for all conditions and rungs of an arm "
        "together. The test split is the same everywhere and without noise. `(?)` rests on an assumption that fails."
    )
    yield from _prices(results, measured, [item for item in items if item.noisy])


def sentence(item: Equivalent) -> str:
    """What labels of a condition do the work of, at the last rung where that lies inside the reference's ladder.

    `scratch/finetune: 1,000 labels at 20 % noise do the work of 620 clean ones [500, 760].`
    """
    trusted = [point for point in item.comparison.joint if not item.comparison.doubts(point.n)]
    inside = [point for point in trusted if point.kind == "inside"] or trusted
    if not inside:
        kinds = dict.fromkeys(kind for point in item.comparison.joint for kind in item.comparison.doubts(point.n))
        return f"{item.arm}: nothing is claimed of labels at {item.condition.words} ({', '.join(kinds)})."
    point = next((point for point in inside if point.n == item.comparison.headline), inside[-1])
    reading = equivalent(point)
    shown = reading.value if reading.shown in ("point", "extrapolated") else None
    number, ends = amount(reading, count), ""
    if shown is not None:
        number, _, ends = number.partition(" ")
    return (
        f"{item.arm}: {point.n:,} labels at {item.condition.words} do the work of {number} {item.clean} ones"
        f"{f' {ends}' if ends else ''}.{'' if point.sign else ' No difference is shown there.'}"
    )


def _equivalent(item: Equivalent, point: UtilityPoint) -> str:
    return f"{amount(equivalent(point), count)}{DOUBT if item.comparison.doubts(point.n) else ''}"


def _table(items: Sequence[Equivalent], show: Callable[[Equivalent, UtilityPoint], str], rungs: Sequence[int]) -> str:
    rows = []
    for item in items:
        points = {point.n: show(item, point) for point in item.comparison.joint}
        rows.append([item.arm, item.condition.words, *(points.get(n, "–") for n in rungs)])
    return table(["arm", "labels", *(f"n = {n:,}" for n in rungs)], rows, left=2)


def _wrong(items: Sequence[Equivalent], rungs: Sequence[int]) -> str:
    """Sentence on the share of labels that noise has made wrong, as drawn, from the first to the last rung."""
    shares = {item.condition.words: item.wrong for item in items if item.wrong}
    texts = [
        f"{words}: {join_texts((f'{percent(wrong[n])} %' for n in rungs if n in wrong), ', ')}"
        for words, wrong in shares.items()
    ]
    return f"Labels that are wrong, as drawn, by rung: {'; '.join(texts)}."


def _prices(results: Results, measured: Measurements, items: Sequence[Equivalent]) -> Iterator[str]:
    cost = measured.cost
    if cost is None or cost.per_noisy_label is None or not items:
        return
    price = cost
    worth = cost.per_noisy_label / cost.per_label
    yield "### Which labels are cheaper"
    yield (
        f"A clean label costs {cost.per_label:g} {cost.unit}, a noisy one {cost.per_noisy_label:g}: noisy ones are "
        f"worth their price where one does the work of more than {ratio(worth)} clean ones. For the accuracy of n "
        "noisy labels the cheaper ones are:"
    )
    for place in dict.fromkeys(item.reference for item in items):
        members = [item for item in items if item.reference == place]
        yield _table(
            members,
            lambda item, point: "–" if item.comparison.doubts(point.n) else cheaper(point, price),
            measured.settings[place].rungs,
        )
    targets = results.study.targets
    several = len({item.reference for item in items}) > 1
    settings = {item.reference: measured.settings[item.reference] for item in items}
    rows = [
        [
            *([settings[item.reference].title] if several else []),
            item.arm,
            item.condition.words,
            settings[item.reference].units.short(each.target),
            *_text(each),
        ]
        for item in items
        for each in at_targets(item, targets, cost, len(targets) * len(items))
    ]
    if rows:
        header = ["arm", "labels", "accuracy", "clean labels", "noisy labels", "cost, noisy / clean", "cheaper"]
        yield table(["place", *header] if several else header, rows, left=3 if several else 2)
        yield (
            f"The interval is of the ratio of costs, {100 * measured.level:g} % for all rows together. A mixture of "
            "clean and noisy labels isn't measured, so nothing is said of it."
        )


def _text(each: TargetChoice) -> list[str]:
    clean, noisy = (amount(one, count) + (DOUBT if each.doubted else "") for one in (each.clean, each.noisy))
    if each.ratio is None:
        return [clean, noisy, "–", each.choice]
    low, high = ("…" if end is None else money(end) for end in (each.low, each.high))
    return [clean, noisy, f"{money(each.ratio)} [{low}, {high}]{DOUBT if each.doubted else ''}", each.choice]
