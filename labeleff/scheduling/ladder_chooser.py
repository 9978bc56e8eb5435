"""Choice of the next cells, so that U(n) gets narrow intervals in few training steps.

All decisions follow from the accuracies measured so far, evaluated as in a report: U(n) of every arm, its kind and its
interval. An interval's width is ln(high / low) of n1; U(n) + 1 has the same width, since it is n1 / n. Inside the
ladder the width depends on the arm's mean at n and on the baseline's means at the two rungs around n1. So a step adds
runs to these three.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from labeleff.curves.utility import UtilityPoint, utilities
from labeleff.errors import CurveError
from labeleff.stats.interval_level import LEVEL
from labeleff.stats.moderation import PRIOR_DF, moderated_variance
from labeleff.stats.resampling import Run, Runs

START = 4
"""Number of rungs that the baseline begins with."""
FIRST_RUNS = 2
"""Number of runs that a rung begins with: one alone shows no noise."""
MOST_AIMS = 4
"""Largest number of intervals that one step works on; several, so that several processes have work."""
NOISE_EXCESS = 1.25
"""Largest excess of an interval that a better estimate of its noise may still make narrow enough."""


@dataclass(frozen=True, order=True)
class Choice:
    """Cell that can be chosen, by its arm, label count and run."""

    arm: str
    n: int
    run: Run


@dataclass(frozen=True)
class Question:
    """Requested intervals for one task and encoder, and the cells that may be measured for them."""

    baseline: str
    arms: tuple[str, ...]
    """Arms that are compared with the baseline."""
    at: tuple[int, ...]
    """Label counts at which U(n) is requested, rising; some of `rungs`."""
    rungs: tuple[int, ...]
    """The largest ladder, rising."""
    runs: tuple[Run, ...]
    """The replicates of a rung, in the order in which they are measured."""
    width: float | Mapping[tuple[str, int], float]
    """Width ln(high / low) of n1 that is narrow enough: one for all, or by arm and label count."""
    cost: Callable[[Choice], float]
    """Training steps of a cell by itself."""
    pretraining: Callable[[Choice], tuple[str, float] | None]
    """Key and training steps of the pretraining that a cell starts from; None where it starts from none."""
    level: float = LEVEL
    method: str = "bayes"

    def target_width(self, arm: str, n: int) -> float:
        """Width that is narrow enough for an arm at a label count."""
        return self.width if isinstance(self.width, float) else self.width[arm, n]


@dataclass(frozen=True)
class Aim:
    """Interval that a step works on, with its widths before and after the step."""

    arm: str
    n: int
    reason: str
    choices: tuple[Choice, ...]
    before: float
    """Width ln(high / low) before the step; inf where an end is open."""
    after: float | None = None
    """Width after the step; None while the step isn't measured."""


@dataclass(frozen=True)
class Step:
    """Cells that were chosen together, and the intervals they are for; the first step has no aims."""

    choices: tuple[Choice, ...]
    aims: tuple[Aim, ...] = ()


@dataclass
class Chooser:
    """Adaptive ladder: chooses step after step, as far as the measured values allow."""

    question: Question
    most_aims: int = MOST_AIMS
    steps: list[Step] = field(default_factory=list)
    finished: str | None = None
    """Reason why nothing more is chosen; None while the ladder goes on."""
    widths: dict[tuple[str, int], float] = field(default_factory=dict)
    """Widths after the last measured step, by arm and label count."""

    def advance(self, values: Mapping[Choice, float | None]) -> list[Choice]:
        """Return the cells to measure now; none where the ladder is finished.

        `values` are the accuracies of measured cells, None for failed ones. The same values lead to the same steps,
        whether they come all at once or step by step.
        """
        if not self.steps:
            self.steps.append(Step(tuple(_start(self.question))))
        while self.finished is None:
            chosen = [choice for step in self.steps for choice in step.choices]
            pending = [choice for choice in chosen if choice not in values]
            if pending:
                return pending
            self._update(chosen, values)
        return []

    def _update(self, chosen: Sequence[Choice], values: Mapping[Choice, float | None]) -> None:
        """Note the widths after the last step, all of whose cells are measured; choose the next step, or end."""
        state = State.of(self.question, chosen, values)
        self.widths = {key: state.width(*key) for key in state.targets}
        last = self.steps[-1]
        aims = tuple(replace(aim, after=self.widths[aim.arm, aim.n]) for aim in last.aims)
        self.steps[-1] = replace(last, aims=aims)
        step = _next(state, self.most_aims)
        if step is not None:
            self.steps.append(step)
            return
        wide = sum(not state.is_narrow(*key) for key in state.targets)
        self.finished = (
            f"{wide} of {len(state.targets)} intervals are wider than asked for, and the largest ladder has no more "
            "for them"
            if wide
            else "every interval is as narrow as asked for"
        )

    def training_steps(self, cells: Container[Choice]) -> float:
        """Training steps of the chosen cells that are among `cells`, every pretraining counted once."""
        choices = [choice for step in self.steps for choice in step.choices if choice in cells]
        pretrainings = dict(item for item in map(self.question.pretraining, choices) if item is not None)
        return sum(map(self.question.cost, choices)) + sum(pretrainings.values())


def _start(question: Question) -> Iterator[Choice]:
    """A coarse ladder of the baseline up to the largest requested label count, and every arm at the requested ones."""
    top = min(bisect.bisect_left(question.rungs, question.at[-1]), len(question.rungs) - 1)
    top = max(top, min(START, len(question.rungs)) - 1)
    indices = sorted({round(top * part / (START - 1)) for part in range(START)})
    for run in question.runs[:FIRST_RUNS]:
        yield from (Choice(question.baseline, question.rungs[index], run) for index in indices)
        yield from (Choice(arm, n, run) for arm in question.arms for n in question.at)


@dataclass(frozen=True)
class State:
    """Utilities as far as they follow from the chosen cells, all of which are measured."""

    question: Question
    chosen: frozenset[Choice]
    runs: Mapping[str, Runs]
    points: Mapping[tuple[str, int], UtilityPoint]

    @classmethod
    def of(cls, question: Question, chosen: Sequence[Choice], values: Mapping[Choice, float | None]) -> State:
        """Fit the baseline's curve and invert it; `points` is empty where there are too few values for a curve."""
        runs: dict[str, dict[int, dict[Run, float]]] = {arm: {} for arm in (question.baseline, *question.arms)}
        for choice in sorted(chosen):
            value = values[choice]
            if value is not None:
                runs[choice.arm].setdefault(choice.n, {})[choice.run] = value
        arms = {arm: runs[arm] for arm in question.arms}
        try:
            results = utilities(runs[question.baseline], arms, level=question.level, method=question.method)
        except CurveError:
            results = {}
        points = {(arm, point.n): point for arm, result in results.items() for point in result.points}
        return cls(question, frozenset(chosen), runs, points)

    @property
    def targets(self) -> list[tuple[str, int]]:
        """Every arm with every requested label count."""
        return [(arm, n) for arm in self.question.arms for n in self.question.at]

    def width(self, arm: str, n: int) -> float:
        """Width ln(high / low) of n1; inf where an end is open."""
        point = self.points.get((arm, n))
        if point is None or not point.n1_low or not point.n1_high:
            return math.inf
        return math.log(point.n1_high / point.n1_low)

    def is_narrow(self, arm: str, n: int) -> bool:
        """Whether an interval is as narrow as requested and the baseline is measured at the rungs around n1."""
        return self.width(arm, n) <= self.question.target_width(arm, n) and not self.missing_rungs(arm, n)

    def excess(self, arm: str, n: int) -> float:
        """Width of an interval over the requested width."""
        return self.width(arm, n) / self.question.target_width(arm, n)

    def rungs_around(self, arm: str, n: int) -> list[int]:
        """The rungs of the largest ladder next to n1: two, or one at the ladder's ends; all where n1 is unknown."""
        point, rungs = self.points.get((arm, n)), self.question.rungs
        if point is None:
            return list(rungs)
        measured = sorted(self.runs[self.question.baseline])
        if point.kind == "below":
            lower = [rung for rung in rungs if rung < measured[0]]
            return lower[-1:] or [rungs[0]]
        if point.kind != "inside" or point.n1 is None:
            higher = [rung for rung in rungs if rung > measured[-1]]
            return higher[:1] or [rungs[-1]]
        above = min(bisect.bisect_left(rungs, point.n1), len(rungs) - 1)
        return list(rungs[max(above - 1, 0) : above + 1])

    def chosen_runs(self, arm: str, n: int) -> list[Run]:
        """Runs of an arm at a label count that were chosen, in the order of `Question.runs`."""
        return [run for run in self.question.runs if Choice(arm, n, run) in self.chosen]

    def missing_rungs(self, arm: str, n: int) -> list[Choice]:
        """The baseline's first runs at those rungs around n1 where it has none."""
        base = self.question.baseline
        missing = [rung for rung in self.rungs_around(arm, n) if not self.chosen_runs(base, rung)]
        return [Choice(base, rung, run) for rung in missing for run in self.question.runs[:FIRST_RUNS]]

    def further_runs(self, arm: str, n: int) -> list[tuple[float, Choice]]:
        """One more run of the arm, and of the baseline at every rung around n1, each with its share of the variance.

        The variance is that of the arm's mean plus that of the curve at n1. The share is the part of it that the run
        would take away: with one more than k runs the variance v / k of a mean falls by v / (k (k + 1)).
        """
        base, around = self.question.baseline, self.rungs_around(arm, n)
        means = [(arm, n, 1.0), *((base, rung, weight) for rung, weight in self._weights(arm, n, around))]
        variances = [weight**2 * self._variance(name, rung) for name, rung, weight in means]
        counts = [max(len(self.runs[name].get(rung, {})), 1) for name, rung, _ in means]
        total = sum(v / k for v, k in zip(variances, counts, strict=True))
        offers = []
        for (name, rung, _), variance, count in zip(means, variances, counts, strict=True):
            unused = [run for run in self.question.runs if Choice(name, rung, run) not in self.chosen]
            if unused and total > 0:
                offers.append((variance / (count * (count + 1)) / total, Choice(name, rung, unused[0])))
        return offers

    def noise_runs(self, arm: str, n: int) -> list[Choice]:
        """Runs of the arm at any rung, nearest to n first, that would improve the estimate of its noise.

        An arm's variances are estimated from all of its rungs together (`moderated_variance`). Empty where the
        interval is too wide for a better estimate to suffice, and where the degrees of freedom have reached their cap.
        """
        df = sum(max(len(rung) - 1, 0) for rung in self.runs[arm].values())
        if self.excess(arm, n) > NOISE_EXCESS or df >= PRIOR_DF + len(self.runs[arm].get(n, ())) - 1:
            return []
        near = sorted(self.question.rungs, key=lambda rung: abs(math.log(rung / n)))
        choices = (Choice(arm, rung, run) for run in self.question.runs for rung in near)
        return [choice for choice in choices if choice not in self.chosen]

    def _weights(self, arm: str, n: int, around: Sequence[int]) -> list[tuple[int, float]]:
        """Weights of the rungs around n1: how far an error of 1 at a rung moves the curve at n1, linear in ln n."""
        point = self.points.get((arm, n))
        if len(around) != 2 or point is None or point.n1 is None:
            return [(rung, 1.0) for rung in around]
        low, high = around
        share = min(max(math.log(point.n1 / low) / math.log(high / low), 0.0), 1.0)
        return [(low, 1 - share), (high, share)]

    def _variance(self, arm: str, n: int) -> float:
        """Variance of one run, moderated over the arm's rungs; 1 where it is unknown."""
        runs = self.runs[arm]
        moderated = moderated_variance(sorted(runs), [list(runs[rung].values()) for rung in sorted(runs)])
        if moderated is None or n not in runs:
            return 1.0
        return float(moderated.variance[sorted(runs).index(n)])


def _next(state: State, most_aims: int) -> Step | None:
    """Step for the widest intervals; None where no cell is left that would help one."""
    wide = sorted((key for key in state.targets if not state.is_narrow(*key)), key=lambda key: -state.excess(*key))
    choices: dict[Choice, None] = {}
    aims: list[Aim] = []
    for arm, n in wide:
        if len(aims) == most_aims:
            break
        need = _choices_for(state, arm, n)
        if need is None:
            continue
        reason, needs = need
        if not choices.keys() >= set(needs):
            aims.append(Aim(arm, n, reason, tuple(needs), state.width(arm, n)))
            choices |= dict.fromkeys(needs)
    return Step(tuple(choices), tuple(aims)) if choices else None


def _choices_for(state: State, arm: str, n: int) -> tuple[str, list[Choice]] | None:
    """Reason and cells to measure for one interval; None where no cell would help.

    Missing rungs next to n1 come first, then the run that takes away most variance per training step.
    """
    if missing := state.missing_rungs(arm, n):
        point = state.points.get((arm, n))
        if point is None:
            return "no curve yet", missing
        where = {"inside": f"n1 is about {point.n1 or 0:,.0f}", "below": "n1 lies below the rungs"}
        return where.get(point.kind, "n1 lies above the rungs"), missing
    started = {key for choice in state.chosen if (key := _pretraining_key(state.question, choice)) is not None}

    def steps(choice: Choice) -> float:
        pretraining = state.question.pretraining(choice)
        extra = pretraining[1] if pretraining is not None and pretraining[0] not in started else 0.0
        return max(state.question.cost(choice) + extra, 1.0)

    if offers := state.further_runs(arm, n):
        return "too wide", [max(offers, key=lambda offer: offer[0] / steps(offer[1]))[1]]
    if candidates := state.noise_runs(arm, n):
        return "noise hardly known", [min(candidates, key=steps)]
    return None


def _pretraining_key(question: Question, choice: Choice) -> str | None:
    pretraining = question.pretraining(choice)
    return None if pretraining is None else pretraining[0]
