"""Sections of a report that measured accuracies alone give: verdict, weak points, and each place's tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labeleff.comparison import Comparison
from labeleff.markdown import break_even, percent, table, worth
from labeleff.measured import Measured, Place
from labeleff.stats import Runs
from labeleff.verdict import verdict


def verdicts(measured: Measured, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """A list a place, of one item an arm; nothing where there is nothing to compare."""
    for place in measured.places:
        here = [item for item in comparisons if item.place == place]
        if here:
            heading = f"{measured.settings[place].title}:\n\n" if len(measured.places) > 1 else ""
            yield heading + "\n".join(f"- {verdict(item)}" for item in here)


def weak_points(flags: Sequence[str]) -> Iterator[str]:
    """The flags as a list, where there are any."""
    if flags:
        yield "Weak points of this evidence:"
        yield "\n".join(f"- {text}" for text in flags)


def section(
    measured: Measured, place: Place, comparisons: Sequence[Comparison], figures: Sequence[str]
) -> Iterator[str]:
    """Tables and figures of one place; `figures` are names of files without folder and ending."""
    title = measured.settings[place].title
    yield f"## {title}"
    if str(place) not in ("", title):
        yield f"In full: {place}."
    yield from _accuracies(measured, place)
    here = [item for item in comparisons if item.place == place]
    if here:
        yield f"### Utility against {measured.baseline}"
        yield _utilities(measured, place, here)
    alternative = title.replace("[", "\\[").replace("]", "\\]")
    for name in figures:
        what = name.partition("-")[0]
        yield f"![{what} at {alternative}](figures/{name}.png)"


def _accuracies(measured: Measured, place: Place) -> Iterator[str]:
    setting = measured.settings[place]
    yield f"### {setting.quantity[0].upper()}{setting.quantity[1:]}, mean ± standard deviation"
    header = ["arm", *(f"n = {n:,}" for n in setting.rungs)]
    rows = [
        [arm, *(_mean(measured.at(place, arm), n, measured.wanted) for n in setting.rungs)]
        for arm in measured.arms_at(place)
    ]
    yield table(header, rows)
    chance = "" if setting.chance is None else f" Chance: {percent(setting.chance)} %."
    yield f"{measured.design}.{chance}"


def _mean(runs: Runs, n: int, wanted: int | None) -> str:
    """`61.3 ± 1.2`, with the number of runs where some are missing, or a dash."""
    values = list(runs.get(n, {}).values())
    if not values:
        return "–"
    mean = sum(values) / len(values)
    short = f" ({len(values)} of {wanted})" if wanted is not None and len(values) < wanted else ""
    if len(values) == 1:
        return f"{percent(mean)}{short}"
    deviation = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    return f"{percent(mean)} ± {percent(deviation)}{short}"


def _utilities(measured: Measured, place: Place, comparisons: Sequence[Comparison]) -> str:
    rungs = measured.settings[place].rungs
    header = ["arm", *(f"n = {n:,}" for n in rungs), "break-even at n"]
    rows = []
    for item in comparisons:
        points = {point.n: worth(point) for point in item.points}
        rows.append([item.arm, *(points.get(n, "–") for n in rungs), break_even(item.crossing)])
    return table(header, rows)
