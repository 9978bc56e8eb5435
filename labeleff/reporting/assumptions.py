"""Assumptions behind the utilities of one place that its measurements contradict."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from scipy import special

from labeleff.curves.diagnostics import Disagreement, Fall, fall
from labeleff.curves.model_average import AverageCurve
from labeleff.curves.utility import UtilityPoint
from labeleff.reporting.measurements import Measurements, Place
from labeleff.stats.intervals import MeanInterval
from labeleff.stats.multiple_comparisons import holm
from labeleff.stats.resampling import Runs, means

NEAR_CHANCE = 0.02
"""Accuracies (0..1) that are over chance by less than this count as near it."""


@dataclass(frozen=True)
class Failure:
    """An assumption that fails, with the numbers that rest on it."""

    kind: str
    """The failure in few words, for tables."""
    text: str
    """The failure with its evidence, as a clause."""
    affected: Mapping[str, tuple[int, ...]]
    """Label counts at which the utility of an arm rests on the assumption, by arm."""
    arm: str | None = None
    """Arm whose own curve contradicts the assumption; None where it is about several."""
    labels: tuple[float, float] | None = None
    """Label counts between which that arm's curve is ill-defined; None where they are all or none."""
    accuracies: tuple[float, float] | None = None
    """Accuracies in 0..1 between which its label counts are ill-defined."""


@dataclass(frozen=True)
class Evidence:
    """Measurements of one place with what follows from them."""

    measured: Measurements
    place: Place
    points: Mapping[str, Sequence[UtilityPoint]]
    """Utilities by arm, with intervals that hold for all of them at once; empty where there is no baseline's curve."""
    answers: Mapping[str, Sequence[Disagreement]]
    """Label counts by the formulas that fit, by arm, in the order of its points; empty where fewer than two fit."""

    def runs(self, arm: str) -> Runs:
        """The arm's accuracies."""
        return self.measured.at(self.place, arm)

    @property
    def all_points(self) -> dict[str, tuple[int, ...]]:
        """Every label count of every arm."""
        return {arm: tuple(point.n for point in points) for arm, points in self.points.items()}


def failures(evidence: Evidence) -> tuple[Failure, ...]:
    """The assumptions that fail at one place, the gravest first."""
    return tuple(item for check in CHECKS for item in check(evidence))


def _at_chance(evidence: Evidence) -> Iterator[Failure]:
    """Arms that are within the noise of chance at every rung: that of their runs, or that of the test set."""
    setting, baseline = evidence.measured.settings[evidence.place], evidence.measured.baseline
    if setting.chance is None:
        return
    guessed = set() if setting.sampled is None else _guessed(evidence, setting.chance, setting.sampled)
    arms = evidence.measured.arms
    at_chance = [arm for arm in arms if arm in guessed or _is_at_chance(evidence, arm, setting.chance)]
    if baseline in at_chance:
        text = f"the baseline {baseline} can't be told from chance at any label count"
        yield Failure("baseline at chance", text, evidence.all_points, baseline)
    if others := [arm for arm in at_chance if arm != baseline]:
        text = f"{', '.join(others)} can't be told from chance at any label count"
        yield Failure("arm at chance", text, {arm: evidence.all_points.get(arm, ()) for arm in others})


def _guessed(evidence: Evidence, chance: float, sampled: int) -> set[str]:
    """Arms that guessing could have given on `sampled` test examples, all rungs of all arms tested together.

    Answers that don't depend on the example are right by a binomial chance. Runs share the examples, so their mean may
    be off by as much as one run.
    """
    error = math.sqrt(chance * (1 - chance) / sampled)
    over = {arm: means(runs) - chance for arm in evidence.measured.arms if (runs := evidence.runs(arm))}
    p_values = [
        float(special.ndtr(-each / error)) if error else float(each <= 0) for row in over.values() for each in row
    ]
    adjusted = iter(holm(p_values))
    least = {arm: min(itertools.islice(adjusted, len(row))) for arm, row in over.items()}
    return {arm for arm, p_value in least.items() if p_value > 1 - evidence.measured.level}


def _is_at_chance(evidence: Evidence, arm: str, chance: float) -> bool:
    """Whether every rung has chance in its interval."""
    rows = evidence.measured.intervals.get((evidence.place, arm), [])
    return bool(rows) and all(_has(row, chance) for row in rows)


def _has(row: MeanInterval, chance: float) -> bool:
    if row.low is None or row.high is None:
        return abs(row.mean - chance) < NEAR_CHANCE
    return row.low <= chance <= row.high


def _falling_baseline(evidence: Evidence) -> Iterator[Failure]:
    baseline = evidence.measured.baseline
    item = _fall(evidence, baseline)
    if item is None or not item.clear:
        return
    low, high = item.reached_twice
    affected = {
        arm: tuple(point.n for point in points if low <= point.accuracy <= high)
        for arm, points in evidence.points.items()
    }
    setting = evidence.measured.settings[evidence.place]
    plural = setting.metric_entry.plural
    text = f"{_fall_text(baseline, item, evidence)}, so label counts between these {plural} are ill-defined"
    yield Failure(f"baseline {setting.units.fall}s", text, affected, baseline, (item.n, item.after), item.reached_twice)


def _outside_bands(evidence: Evidence) -> Iterator[Failure]:
    """A baseline's curve that misses its own measurements."""
    curve = evidence.measured.baseline_curves.get(evidence.place)
    if curve is None or not isinstance(curve.fitted, AverageCurve) or curve.fitted.average.sound:
        return
    setting = evidence.measured.settings[evidence.place]
    text = (
        f"no curve that never {setting.units.fall}s passes through the {setting.metric_entry.plural} of "
        f"{evidence.measured.baseline} within their noise, so its intervals are widened until it does"
    )
    yield Failure("curve misses its rungs", text, evidence.all_points, evidence.measured.baseline)


def _falling_arms(evidence: Evidence) -> Iterator[Failure]:
    """Falls of the other arms, whose p values are adjusted for the number of arms."""
    others = [arm for arm in evidence.measured.arms if arm != evidence.measured.baseline]
    falls = {arm: item for arm in others if (item := _fall(evidence, arm)) is not None}
    tested = {arm: item.p_value for arm, item in falls.items() if item.p_value is not None}
    count = sum(len(evidence.runs(arm)) > 1 for arm in others)
    padded = [*tested.values(), *[1.0] * (count - len(tested))]
    adjusted = dict(zip(tested, holm(padded), strict=False))
    for arm, alone in falls.items():
        item = replace(alone, p_value=adjusted.get(arm))
        if item.clear:
            fallen = tuple(n for n in evidence.all_points.get(arm, ()) if item.n < n <= item.after)
            text = _fall_text(arm, item, evidence)
            change = f"arm {evidence.measured.settings[evidence.place].units.fall}s"
            yield Failure(change, text, {arm: fallen}, arm, (item.n, item.after), item.reached_twice)


def _fall(evidence: Evidence, arm: str) -> Fall | None:
    return fall(evidence.measured.noisy(evidence.place, arm)) if len(evidence.runs(arm)) > 1 else None


def _fall_text(arm: str, item: Fall, evidence: Evidence) -> str:
    means = {row.n: row.mean for row in evidence.measured.intervals[evidence.place, arm]}
    units = evidence.measured.settings[evidence.place].units
    change, by = f"{units.fall}s", units.points(item.size)
    before, after = (f"{units.text(means[int(n)])}{units.mark}" for n in (item.n, item.after))
    chance = "one run a rung: not tested"
    if item.p_value is not None:
        chance = "p < 0.001" if item.p_value < 0.001 else f"p = {item.p_value:.2g}"
    return f"{arm} {change} from {before} at {item.n:,.0f} labels to {after} at {item.after:,.0f} (by {by}, {chance})"


def _against_formulas(evidence: Evidence) -> Iterator[Failure]:
    """Intervals of n1 that leave out the answers of all formulas that the rungs don't reject."""
    affected = {}
    for arm, answers in evidence.answers.items():
        rows = zip(evidence.points[arm], answers, strict=True)
        affected[arm] = tuple(point.n for point, answer in rows if _leaves_out(point, answer))
    arms = [f"{arm} at {' and '.join(f'{n:,}' for n in ns)} labels" for arm, ns in affected.items() if ns]
    if arms:
        text = f"no formula that fits {evidence.measured.baseline} gives a label count in the interval of "
        yield Failure("against all formulas", f"{text}{'; '.join(arms)}", affected)


def _leaves_out(point: UtilityPoint, answer: Disagreement) -> bool:
    exact = point.n1_low is not None and point.n1_low == point.n1_high  # the baseline's own runs
    if point.n1 is None or "far" in point.flags or "no interval" in point.flags or exact:
        return False
    low, high = point.n1_low or 0.0, math.inf if point.n1_high is None else point.n1_high
    return answer.high < low or answer.low > high


CHECKS: tuple[Callable[[Evidence], Iterator[Failure]], ...] = (
    _at_chance,
    _falling_baseline,
    _outside_bands,
    _falling_arms,
    _against_formulas,
)
"""Checks of one place; each yields what fails."""
