"""Which cells to measure next, so that U(n) at asked label counts gets a narrow interval in few training steps.

Everything follows from accuracies measured so far, in the way a report looks at them: U(n) of every arm, its kind and
its interval. An interval's width is that of n1, and of U(n) + 1, on a logarithmic scale: ln(high / low). Inside the
ladder it rests on the arm's mean at n and on the baseline's two rungs around n1, so those are what a step adds to.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from labeleff.curves.utility import UtilityPoint, utilities
from labeleff.errors import CurveError
from labeleff.stats.level import LEVEL
from labeleff.stats.moderation import PRIOR_DF, moderated_variance
from labeleff.stats.resampling import Run, Runs

START = 4
"""Rungs that the baseline begins with."""
FIRST_RUNS = 2
"""Runs that a rung begins with: one alone shows no noise."""
AT_ONCE = 4
"""Most intervals that one step works on, so that as many processes have something to do."""
STEADYING = 1.25
"""How many times too wide an interval may be for more knowledge of its noise to make it narrow enough."""


@dataclass(frozen=True, order=True)
class Ask:
    """A cell, by its arm, label count and run."""

    arm: str
    n: int
    run: Run


@dataclass(frozen=True)
class Question:
    """What is asked of one task and encoder, and what may be measured for it."""

    baseline: str
    arms: tuple[str, ...]
    """Those that are compared with the baseline."""
    at: tuple[int, ...]
    """Label counts at which U(n) is asked for, rising; some of `rungs`."""
    rungs: tuple[int, ...]
    """The largest ladder, rising."""
    runs: tuple[Run, ...]
    """The replicates of a rung, in the order in which they are measured."""
    width: float | Mapping[tuple[str, int], float]
    """ln(high / low) of n1 that is narrow enough; of every arm and label count, or by both."""
    cost: Callable[[Ask], float]
    """Training steps of a cell by itself."""
    before: Callable[[Ask], tuple[str, float] | None]
    """Key and training steps of the pretraining that a cell starts from; None where it starts from none."""
    level: float = LEVEL
    method: str = "bayes"

    def wanted(self, arm: str, n: int) -> float:
        """The width that is narrow enough for an arm at a label count."""
        return self.width if isinstance(self.width, float) else self.width[arm, n]


@dataclass(frozen=True)
class Aim:
    """An interval that a step works on: where it stood before the step, and after it."""

    arm: str
    n: int
    reason: str
    asks: tuple[Ask, ...]
    before: float
    """ln(high / low), inf where an end is open."""
    after: float | None = None
    """None while the step isn't measured."""


@dataclass(frozen=True)
class Step:
    """Cells that were chosen together, and what for; the first step has no aims."""

    asks: tuple[Ask, ...]
    aims: tuple[Aim, ...] = ()


@dataclass
class Chooser:
    """A ladder in the making: goes on as far as the measured values lead."""

    question: Question
    at_once: int = AT_ONCE
    steps: list[Step] = field(default_factory=list)
    finished: str | None = None
    """Why nothing more is chosen; None while there is more to do."""
    widths: dict[tuple[str, int], float] = field(default_factory=dict)
    """By arm and label count: the widths after the last measured step."""

    def advance(self, values: Mapping[Ask, float | None]) -> list[Ask]:
        """Cells to be measured now, none where the ladder is finished; `values` are accuracies, None of failed cells.

        The same values lead to the same steps, at once or one after the other.
        """
        if not self.steps:
            self.steps.append(Step(tuple(_start(self.question))))
        while self.finished is None:
            chosen = [ask for step in self.steps for ask in step.asks]
            pending = [ask for ask in chosen if ask not in values]
            if pending:
                return pending
            self._measured(chosen, values)
        return []

    def _measured(self, chosen: Sequence[Ask], values: Mapping[Ask, float | None]) -> None:
        """All that was chosen is measured: note what it brought, and choose the next step or end."""
        state = State.of(self.question, chosen, values)
        self.widths = {key: state.width(*key) for key in state.asked}
        last = self.steps[-1]
        aims = tuple(replace(aim, after=self.widths[aim.arm, aim.n]) for aim in last.aims)
        self.steps[-1] = replace(last, aims=aims)
        step = _next(state, self.at_once)
        if step is not None:
            self.steps.append(step)
            return
        wide = sum(not state.narrow(*key) for key in state.asked)
        kept = f"{wide} of {len(state.asked)} intervals are wider than asked for, and the largest ladder has no more"
        self.finished = f"{kept} for them" if wide else "every interval is as narrow as asked for"

    def trained(self, those: Container[Ask]) -> float:
        """Training steps of all that was chosen and is among `those`, every pretraining counted once."""
        found = [ask for step in self.steps for ask in step.asks if ask in those]
        pretrained = dict(item for item in map(self.question.before, found) if item is not None)
        return sum(map(self.question.cost, found)) + sum(pretrained.values())


def _start(question: Question) -> Iterator[Ask]:
    """A coarse ladder of the baseline up to the largest label count asked for, and every arm where it is asked for."""
    top = min(bisect.bisect_left(question.rungs, question.at[-1]), len(question.rungs) - 1)
    top = max(top, min(START, len(question.rungs)) - 1)
    places = sorted({round(top * part / (START - 1)) for part in range(START)})
    for run in question.runs[:FIRST_RUNS]:
        yield from (Ask(question.baseline, question.rungs[place], run) for place in places)
        yield from (Ask(arm, n, run) for arm in question.arms for n in question.at)


@dataclass(frozen=True)
class State:
    """What is known when all that was chosen is measured."""

    question: Question
    chosen: frozenset[Ask]
    runs: Mapping[str, Runs]
    points: Mapping[tuple[str, int], UtilityPoint]

    @classmethod
    def of(cls, question: Question, chosen: Sequence[Ask], values: Mapping[Ask, float | None]) -> State:
        """Fit and invert; without enough for a curve there are no points."""
        runs: dict[str, dict[int, dict[Run, float]]] = {arm: {} for arm in (question.baseline, *question.arms)}
        for ask in sorted(chosen):
            value = values[ask]
            if value is not None:
                runs[ask.arm].setdefault(ask.n, {})[ask.run] = value
        arms = {arm: runs[arm] for arm in question.arms}
        try:
            found = utilities(runs[question.baseline], arms, level=question.level, method=question.method)
        except CurveError:
            found = {}
        points = {(arm, point.n): point for arm, each in found.items() for point in each.points}
        return cls(question, frozenset(chosen), runs, points)

    @property
    def asked(self) -> list[tuple[str, int]]:
        """Every arm with every label count asked for."""
        return [(arm, n) for arm in self.question.arms for n in self.question.at]

    def width(self, arm: str, n: int) -> float:
        """ln(high / low) of n1; inf where an end is open."""
        point = self.points.get((arm, n))
        if point is None or not point.n1_low or not point.n1_high:
            return math.inf
        return math.log(point.n1_high / point.n1_low)

    def narrow(self, arm: str, n: int) -> bool:
        """Whether an interval is as narrow as asked for, and the ladder has no rung that is nearer to n1."""
        return self.width(arm, n) <= self.question.wanted(arm, n) and not self.nearer(arm, n)

    def excess(self, arm: str, n: int) -> float:
        """How many times too wide an interval is."""
        return self.width(arm, n) / self.question.wanted(arm, n)

    def around(self, arm: str, n: int) -> list[int]:
        """The rungs of the largest ladder next to n1: two, or one at its ends; all where nothing is known of it."""
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

    def taken(self, arm: str, n: int) -> list[Run]:
        """Runs of an arm at a label count that were chosen, in their order."""
        return [run for run in self.question.runs if Ask(arm, n, run) in self.chosen]

    def nearer(self, arm: str, n: int) -> list[Ask]:
        """The first runs of rungs around n1 that the baseline has none at."""
        base = self.question.baseline
        bare = [rung for rung in self.around(arm, n) if not self.taken(base, rung)]
        return [Ask(base, rung, run) for rung in bare for run in self.question.runs[:FIRST_RUNS]]

    def further(self, arm: str, n: int) -> list[tuple[float, Ask]]:
        """A further run of the arm and of every rung around n1, with the share of the variance that it takes away."""
        base, around = self.question.baseline, self.around(arm, n)
        parts = [(arm, n, 1.0), *((base, rung, weight) for rung, weight in self._weights(arm, n, around))]
        variances = [weight**2 * self._variance(who, rung) for who, rung, weight in parts]
        counts = [max(len(self.runs[who].get(rung, {})), 1) for who, rung, _ in parts]
        total = sum(v / k for v, k in zip(variances, counts, strict=True))
        found = []
        for (who, rung, _), variance, count in zip(parts, variances, counts, strict=True):
            left = [run for run in self.question.runs if Ask(who, rung, run) not in self.chosen]
            if left and total > 0:
                found.append((variance / (count * (count + 1)) / total, Ask(who, rung, left[0])))
        return found

    def steadying(self, arm: str, n: int) -> list[Ask]:
        """Runs of the arm at other rungs, nearest first, while its noise rests on less than it is trusted for.

        Variances are steadied over an arm's rungs; more degrees of freedom than these don't narrow an interval.
        """
        known = sum(max(len(rung) - 1, 0) for rung in self.runs[arm].values())
        if self.excess(arm, n) > STEADYING or known >= PRIOR_DF + len(self.runs[arm].get(n, ())) - 1:
            return []
        near = sorted(self.question.rungs, key=lambda rung: abs(math.log(rung / n)))
        asks = (Ask(arm, rung, run) for run in self.question.runs for rung in near)
        return [ask for ask in asks if ask not in self.chosen]

    def _weights(self, arm: str, n: int, around: Sequence[int]) -> list[tuple[int, float]]:
        """By how much an error at the rungs around n1 moves the curve there."""
        point = self.points.get((arm, n))
        if len(around) != 2 or point is None or point.n1 is None:
            return [(rung, 1.0) for rung in around]
        low, high = around
        share = min(max(math.log(point.n1 / low) / math.log(high / low), 0.0), 1.0)
        return [(low, 1 - share), (high, share)]

    def _variance(self, arm: str, n: int) -> float:
        """Of one run, steadied over the arm's rungs; 1 where nothing is known."""
        runs = self.runs[arm]
        steadied = moderated_variance(sorted(runs), [list(runs[rung].values()) for rung in sorted(runs)])
        if steadied is None or n not in runs:
            return 1.0
        return float(steadied.variance[sorted(runs).index(n)])


def _next(state: State, at_once: int) -> Step | None:
    """What the widest intervals need most; None where none needs anything that there is."""
    open_ = sorted((key for key in state.asked if not state.narrow(*key)), key=lambda key: -state.excess(*key))
    asks: dict[Ask, None] = {}
    aims: list[Aim] = []
    for arm, n in open_:
        if len(aims) == at_once:
            break
        found = _towards(state, arm, n)
        if found is None:
            continue
        reason, wanted = found
        if not asks.keys() >= set(wanted):
            aims.append(Aim(arm, n, reason, tuple(wanted), state.width(arm, n)))
            asks |= dict.fromkeys(wanted)
    return Step(tuple(asks), tuple(aims)) if asks else None


def _towards(state: State, arm: str, n: int) -> tuple[str, list[Ask]] | None:
    """Why and what to measure for one interval: rungs next to n1 first, then the run that promises most a step."""
    if bare := state.nearer(arm, n):
        point = state.points.get((arm, n))
        if point is None:
            return "no curve yet", bare
        where = {"inside": f"n1 is about {point.n1 or 0:,.0f}", "below": "n1 lies below the rungs"}
        return where.get(point.kind, "n1 lies above the rungs"), bare
    begun = {key for ask in state.chosen if (key := _key(state.question, ask)) is not None}

    def steps(ask: Ask) -> float:
        before = state.question.before(ask)
        ahead = before[1] if before is not None and before[0] not in begun else 0.0
        return max(state.question.cost(ask) + ahead, 1.0)

    if offers := state.further(arm, n):
        return "too wide", [max(offers, key=lambda offer: offer[0] / steps(offer[1]))[1]]
    if unsteady := state.steadying(arm, n):
        return "noise hardly known", [min(unsteady, key=steps)]
    return None


def _key(question: Question, ask: Ask) -> str | None:
    before = question.before(ask)
    return None if before is None else before[0]
