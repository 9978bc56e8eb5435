"""Sentences on arms: what fails, what an arm is worth, where it breaks even.

Every number that the data choose, or that stands beside those of other arms, has its simultaneous interval here
(`curves.joint_intervals`), and nothing is called worth labels unless that interval excludes zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from labeleff.curves.bounds import equivalent, savings, worth
from labeleff.curves.break_even import Crossing
from labeleff.curves.mean_ratio import MeanRatio
from labeleff.curves.utility import UtilityPoint
from labeleff.reporting.assumptions import Failure
from labeleff.reporting.findings import Comparison
from labeleff.reporting.markdown import (
    amount,
    at_labels,
    count,
    counts,
    extent,
    interval,
    joint_ratio,
    mean_ratio,
    money,
    ratio,
    ratio_ends,
)

if TYPE_CHECKING:
    from labeleff.study.prices import Cost


WEAK = "Weak points"
"""Heading of the list of all weak points."""


def distrust(failures: Sequence[Failure]) -> str:
    """Sentences to read before all others: the assumptions that fail, and the utilities that rest on them."""
    if not failures:
        return ""
    affected: dict[str, set[int]] = {}
    for item in failures:
        for arm, ns in item.affected.items():
            affected.setdefault(arm, set()).update(ns)
    arms = [(arm, sorted(ns)) for arm, ns in affected.items() if ns]
    withheld = f" Nothing is claimed of {at_labels(arms)}." if arms else ""
    return f"**Not to be trusted as it stands**: {'; '.join(item.text for item in failures)}.{withheld}"


def verdict(item: Comparison, cost: Cost | None = None) -> str:
    """Describe what an arm is worth: what was named beforehand, the rung that is most certain, break-even.

    Where a rung was named beforehand or labels have a price, what is saved comes first.
    """
    if item.doubts_everywhere:
        return nothing_claimed([item])
    return " ".join(text for text in (_saved(item, cost), *_worth(item), break_even_sentence(item)) if text)


def shows_something(item: Comparison) -> bool:
    """Whether an arm is shown to be worth labels, or to cost some, over the ladder, at the headline or at a rung."""
    if item.doubts_everywhere:
        return False
    certain = _most_certain(item) is not None or item.headline is not None
    costs = all(point.high is not None and point.high <= 0 for point in item.joint)
    return certain or costs or (item.mean is not None and (item.mean.sign != 0 or item.mean.joint_low is None))


def nothing_shown(items: Sequence[Comparison]) -> str:
    """Sentence on the arms that may save or cost labels."""
    texts = [f"{item.arm}{f' ({joint_ratio(item.mean)})' if item.mean else ''}" for item in items]
    return f"Whether they save or cost labels can't be told (mean label ratio): {', '.join(texts)}." if texts else ""


def nothing_claimed(items: Sequence[Comparison]) -> str:
    """Sentence on the arms whose every utility rests on an assumption that fails."""
    by_kinds: dict[str, list[str]] = {}
    for item in items:
        kinds = dict.fromkeys(kind for point in item.points for kind in item.doubts(point.n))
        by_kinds.setdefault(", ".join(kinds), []).append(item.arm)
    texts = [f"{', '.join(arms)} ({kinds})" for kinds, arms in by_kinds.items()]
    return f"Nothing is claimed of {'; '.join(texts)}." if texts else ""


def first_sentence(item: Comparison) -> str:
    """What an arm is worth over the ladder, or where that is most certain."""
    if item.doubts_everywhere:
        return verdict(item)
    return _worth(item)[0]


def named_sentence(item: Comparison) -> str:
    """What an arm is worth at the label count named beforehand."""
    return _named(item)[0]


def _saved(item: Comparison, cost: Cost | None) -> str:
    """Sentence on the labels, and the money, that an arm saves; empty where nothing is certain or asked for."""
    if item.headline is None and cost is None:
        return ""
    best = _most_certain(item)
    point = best if item.headline is None else item.at_headline
    if point is None or point.sign != 1 or item.doubts(point.n):
        return ""
    labels = f"{amount(savings(point, 1.0), count)} labels"
    money_saved = "" if cost is None else f", {amount(savings(point, cost.per_label), money)} {cost.unit}"
    where = ", where that is most certain" if item.headline is None else ""
    return f"{item.arm} saves {labels}{money_saved} at {point.n:,} labels{where}{_per_label(item, cost)}."


def _per_label(item: Comparison, cost: Cost | None) -> str:
    """Clause on what is saved per label of the arm over the ladder, where that is certain."""
    mean = item.mean
    if item.headline is not None or cost is None or mean is None or mean.sign != 1 or mean.joint_high is None:
        return ""
    if item.doubts_mean:
        return ""
    assert mean.joint_low is not None
    saved, low, high = ((each - 1) * cost.per_label for each in (mean.ratio, mean.joint_low, mean.joint_high))
    sign = mean_ratio(mean, None, None).removesuffix(ratio(mean.ratio))
    ends = ratio_ends(mean, low, high, money)
    return f"; averaged {_span(mean)}, {sign}{money(saved)} {ends} {cost.unit} per label of it"


def _worth(item: Comparison) -> list[str]:
    """What is certain first: the mean over the ladder or the rung named beforehand, or else the most certain rung."""
    best = _most_certain(item)
    named, sign = _named(item) if item.headline is not None else _mean(item, best)
    if best is None or best.n == item.headline:
        return [named]
    gain = _gain(best, item.baseline)
    if sign:
        lead = f"Most certain at {best.n:,} labels:" if sign > 0 else f"But at {best.n:,} labels it is worth"
        return [named, f"{lead} {gain}"]
    return [f"At {best.n:,} labels, where that is most certain, {item.arm} is worth {gain}", named]


def _most_certain(item: Comparison) -> UtilityPoint | None:
    """The point whose interval reaches farthest over 0, of those that rest on nothing that fails; None without one.

    Beyond the ladder a lower end counts only up to the measured bound.
    """

    def merit(point: UtilityPoint) -> tuple[float, float]:
        value = point.utility if point.bound is None else point.bound
        assert value is not None
        assert point.low is not None
        return (point.low if point.kind in ("inside", "below") else min(point.low, value), value)

    certain = [point for point in item.joint if point.sign == 1 and not item.doubts(point.n)]
    return max(certain, key=merit) if certain else None


def _named(item: Comparison) -> tuple[str, int]:
    """Sentence on the utility at the label count named beforehand, and its sign where that is certain."""
    point = item.at_headline
    if point is None:
        return f"{item.arm} has no runs at {item.headline:,} labels, the label count named beforehand.", 0
    at, value = f"At {point.n:,} labels", f"U = {amount(worth(point), ratio)}".replace("= >", ">").replace("= <", "<")
    if doubts := item.doubts(point.n):
        return f"{at} nothing is claimed of {item.arm} ({', '.join(doubts)}).", 0
    if point.p_above is None:
        return f"{at} {item.arm} has {value} (one run a rung: without an interval, nothing is certain).", 0
    if point.sign:
        words = f"is worth {_gain(point, item.baseline)}" if point.sign > 0 else f"costs labels: {value}."
        return f"{at}, {item.arm} {words}", point.sign
    return f"Whether {item.arm} is worth labels at {point.n:,} can't be told: {value}.", 0


def _mean(item: Comparison, best: UtilityPoint | None) -> tuple[str, int]:
    """Sentence on the mean ratio over the ladder, and its sign where that is certain."""
    mean = item.mean
    if mean is None:
        return "" if best else f"No rung shows beyond doubt that {item.arm} is worth labels.", 0
    value = joint_ratio(mean)
    work = f"averaged {_span(mean)}, one label does the work of {value} of {item.baseline}"
    if doubted := [n for n in mean.ns if item.doubts(n)]:
        return (
            f"Nothing is claimed of {item.arm} over the whole ladder, for what is wrong at {counts(doubted)} labels.",
            0,
        )
    if mean.joint_low is None:
        return f"{item.arm}: {work} (one run a rung: without an interval, nothing is certain).", 0
    if mean.sign:
        learned = " (with noise that is learned: one run a rung)" if _has_learned_noise(item) else ""
        return f"{item.arm} {'is worth' if mean.sign > 0 else 'costs'} labels: {work}{learned}.", mean.sign
    if best:
        return f"For the whole ladder it can't be told: {work}.", 0
    if all(point.high is not None and point.high <= 0 for point in item.joint):
        return f"{item.arm} is worth no labels: at no rung does the interval of its utility reach over 0.", 0
    return f"Whether {item.arm} is worth labels can't be told: {work}.", 0


def _has_learned_noise(item: Comparison) -> bool:
    return any("learned noise" in point.flags for point in item.points)


def _span(mean: MeanRatio) -> str:
    return f"over {mean.ns[0]:,} to {mean.ns[-1]:,} labels" if len(mean.ns) > 1 else f"over {mean.ns[0]:,} labels alone"


def _gain(point: UtilityPoint, baseline: str) -> str:
    """Describe a utility over 0; beyond the ladder with a model's value and the measured bound."""
    utility, labels = worth(point), equivalent(point)
    within, work = interval(utility, ratio), f"{point.n:,} labels do the work of"
    if utility.value is not None and labels.value is not None and utility.shown == "point":
        return f"U = {ratio(utility.value)} {within}: {work} {count(labels.value)}."
    assert utility.bound is not None
    assert labels.bound is not None
    last = f"{count(labels.bound)}, the last rung of {baseline}"
    if utility.shown == "at least":
        return f"at least U = {ratio(utility.bound)} {within}: {work} over {last}."
    measured = f"measured is U >= {ratio(utility.bound)}, over {last}"
    if utility.value is not None and labels.value is not None and utility.shown == "extrapolated":
        return (
            f"U = {ratio(utility.value)} {within} ({extent(utility)}): {work} about {count(labels.value)}; {measured}."
        )
    assert utility.low is not None
    assert labels.low is not None
    over = f"more than U = {ratio(utility.low)} ({extent(utility)}): {work} over {count(labels.low)}"
    never = f", and most curves that fit {baseline} never get there" if utility.kind == "above" else ""
    return f"{over}{never}; {measured}."


def break_even_sentence(item: Comparison) -> str:
    """Where an arm's curve and the baseline's cross."""
    crossing = item.crossing
    if crossing is None:
        return "Where it stops paying is not measured."
    if crossing.changes > 1:
        return f"It crosses {item.baseline} {crossing.changes} times, so it has no one break-even point."
    if crossing.kind == "below":
        return f"No crossing inside the ladder: it is {_over(item)} {item.baseline} at no rung."
    if crossing.kind == "above":
        if rise := _rise(item):
            proven = any(point.sign == 1 for point in item.joint if point.n >= rise[1])
            what = "It begins to pay" if proven else "The two curves cross"
            then = f"it is {_over(item)} {item.baseline} at {crossing.bound:,}{_reservation(crossing, item)}"
            return f"{what} between {rise[0]:,} and {rise[1]:,} labels; {then}."
        over = f"it is still {_over(item)} {item.baseline} at {crossing.bound:,} labels"
        return f"No crossing inside the ladder: {over}{_reservation(crossing, item)}."
    assert crossing.n is not None
    if any(fails.labels and fails.labels[0] <= crossing.n <= fails.labels[1] for fails in _of_both(item)):
        return f"Where the two curves cross can't be told: one of them {item.falls} near {count(crossing.n)} labels."
    paying = (item.mean and item.mean.sign == 1) or any(point.sign == 1 for point in item.joint)
    what = "It stops paying" if paying else "The two curves cross"
    return f"{what} at about {count(crossing.n)} labels{_range(crossing)}."


def _rise(item: Comparison) -> tuple[int, int] | None:
    """The rungs between which an arm overtakes the baseline; None where it begins as the better one."""
    values = [(point.n, point.utility if point.bound is None else point.bound) for point in item.points]
    behind = [place for place, (_, value) in enumerate(values) if value is not None and value < 0]
    if not behind or behind[-1] + 1 == len(values):
        return None
    return values[behind[-1]][0], values[behind[-1] + 1][0]


def _over(item: Comparison) -> str:
    """Word for a lead: `over`; where less is better it isn't `under`, which reads like the opposite."""
    return item.over if item.over == "over" else "better than"


def _of_both(item: Comparison) -> list[Failure]:
    """Failures of the two curves that are compared."""
    return [fails for fails in item.failures if fails.arm in (item.arm, item.baseline)]


def _reservation(crossing: Crossing, item: Comparison) -> str:
    """Clause to add where the arm's lead at the last rung isn't certain; empty where it is."""
    last = next((point for point in item.joint if point.n == crossing.bound), None)
    if last is None or last.sign == 1 or last.p_above is None:
        return ""
    if crossing.low is not None and crossing.bound is not None and crossing.low < crossing.bound:
        return f", though break-even may be as low as {count(crossing.low)}"
    return ""


def _range(crossing: Crossing) -> str:
    if crossing.low is None and crossing.high is None:
        return ""
    low = "no measured lower end" if crossing.low is None else count(crossing.low)
    high = "no measured upper end" if crossing.high is None else count(crossing.high)
    return f" [{low} to {high}]"
