"""Answer to a study's question in one sentence: which arm saves most, where curves cross, on what savings depend."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from labeleff.curves.bounds import worth
from labeleff.curves.mean_ratio import MeanRatio
from labeleff.curves.utility import UtilityPoint
from labeleff.reporting.findings import Comparison, Findings, rank_comparisons
from labeleff.reporting.markdown import amount, join_texts, joint_ratio, ratio
from labeleff.reporting.measurements import Place
from labeleff.reporting.sections.verdict import break_even_sentence, first_sentence, named_sentence
from labeleff.study.question import AGREEMENT, CROSSING, DEPENDENCE, RANKING, SAVINGS


@dataclass(frozen=True)
class Asked:
    """A report's question, with what answers it beside the findings."""

    findings: Findings
    question: str | None = None
    """The question, as `asks` of a study has it; None where it is guessed from what was measured."""
    agreement: Sequence[str] = ()
    """Sentences on how well frozen evaluation predicts finetuning; empty where there is no such comparison."""

    @property
    def kind(self) -> str:
        """The kind of question: the study's own, or the first that what was measured can answer."""
        if self.question is not None:
            return DEPENDENCE if self.question.startswith(DEPENDENCE) else self.question
        if self.agreement:
            return AGREEMENT
        compared = [place for place in self.findings.measured.places if self.findings.at(place)]
        if len(compared) > 1:
            return DEPENDENCE
        return SAVINGS if len(self.findings.comparisons) == 1 else RANKING


def answer(asked: Asked) -> str:
    """Answer in one or two sentences; empty where nothing is compared."""
    if asked.kind == AGREEMENT and asked.agreement:
        return " ".join(asked.agreement)
    if not asked.findings.comparisons:
        return ""
    if asked.kind == DEPENDENCE:
        return " ".join(_dependence(asked)) or _by_place(asked, _ranking)
    return _by_place(asked, {CROSSING: _crossing, SAVINGS: _savings}.get(asked.kind, _ranking))


def _by_place(asked: Asked, sentence: Callable[[Sequence[Comparison]], str]) -> str:
    """The answer at every place that has one, after its short name where there are several."""
    names = short_places(asked.findings)
    texts = {place: sentence(asked.findings.at(place)) for place in names if asked.findings.at(place)}
    if len(texts) == 1:
        return str(*texts.values())
    return join_texts((f"{names[place]}: {text}" for place, text in texts.items()), " ")


def _savings(items: Sequence[Comparison]) -> str:
    return " ".join(f"{first_sentence(item)} {break_even_sentence(item)}" for item in _best_first(items)[:2])


def _best_first(items: Sequence[Comparison]) -> list[Comparison]:
    """Arms by what they are worth at the label count named beforehand, or by their rank; those without one last."""

    def merit(item: Comparison) -> float:
        if item.headline is not None:
            return 0.0 if item.at_headline is None else _equivalent(item.at_headline)
        return -math.inf if item.mean is None or item.mean.rank is None else -item.mean.rank

    return sorted(items, key=merit, reverse=True)


def _equivalent(point: UtilityPoint) -> float:
    """The label count that a point is worth, or its bound."""
    return point.n1 or point.n1_bound or 0.0


def _crossing(items: Sequence[Comparison]) -> str:
    return " ".join(f"{item.arm}: {break_even_sentence(item)}" for item in items[:4])


def doubted(item: Comparison) -> bool:
    """Whether what counts of an arm rests on an assumption that fails; also where there is no mean to count."""
    if item.headline is not None:
        return item.at_headline is not None and bool(item.doubts(item.headline))
    return item.mean is None or item.doubts_mean


def _ranking(items: Sequence[Comparison]) -> str:
    if items[0].headline is not None:
        return _at_headline(items)
    ranked = [(item, mean) for item, mean in rank_comparisons(items) if not doubted(item)]
    if not ranked:
        return "No arm can be compared: an assumption fails for each of them."
    left = [item.arm for item in items if doubted(item)]
    aside = f" Nothing is claimed of {join_texts(left, ', ')}." if left else ""
    # no arm is tied with the best where nothing is claimed of that
    tied = [(item, mean) for item, mean in ranked if mean.tied]
    best, others = [(item, mean) for item, mean in tied or ranked if mean.sign == 1], len(ranked)
    base, span = items[0].baseline, _span(ranked[0][1])
    if best:
        alone = len(tied) == 1 and not left
        which = "saves most" if alone else "is worth labels" if len(best) == 1 else "are worth labels"
        several = f" ({len(tied)} of {others} arms can't be told from the best)" if len(tied) > 1 else ""
        names = join_texts((item.arm for item, _ in best), ", ")
        one = "one of its labels" if len(best) == 1 else "one of their labels"
        spans = {_span(mean) for _, mean in best}
        apart = [f" over {_span(mean)}" if len(spans) > 1 else "" for _, mean in best]
        over = "" if len(spans) > 1 else f"over {spans.pop()} "
        values = join_texts((f"{joint_ratio(mean)}{text}" for (_, mean), text in zip(best, apart, strict=True)), ", ")
        return f"{names} {which}{several}: {over}{one} does the work of {values} of {base}.{aside}"
    item, mean = ranked[0]
    if all(mean.sign == -1 for _, mean in ranked):
        each = "each of the others costs" if left else "each costs"
        return f"No arm is worth labels: {each} some; least {item.arm}, {joint_ratio(mean)} of {base} a label.{aside}"
    return (
        f"No arm is shown to save labels over {span}; highest is {item.arm}, where one label does the work of "
        f"{joint_ratio(mean)} of {base}.{aside}"
    )


def _span(mean: MeanRatio) -> str:
    return f"{mean.ns[0]:,} to {mean.ns[-1]:,} labels"


def _at_headline(items: Sequence[Comparison]) -> str:
    """Name the best two arms at the label count named beforehand, those that are worth labels there if any are."""
    compared = [item for item in items if item.at_headline and not doubted(item)]
    if not compared:
        return f"Nothing can be compared at {items[0].headline:,} labels, the label count named beforehand."
    saving = [item for item in compared if item.tested and item.tested.sign == 1]
    return " ".join(map(named_sentence, _best_first(saving or compared)[:2]))


@dataclass(frozen=True)
class _Worth:
    """What an arm is worth at one place, as text, with an interval that holds for all of its place."""

    place: Place
    value: float
    text: str
    low: float
    high: float


def _worths(findings: Findings) -> dict[str, list[_Worth]]:
    """What the arms are worth: at the label count named beforehand, or over the ladder. Open ends are 0 and inf."""
    by_arm: dict[str, list[_Worth]] = {}
    for item in findings.comparisons:
        if item.tested is not None and not doubted(item):
            by_arm.setdefault(item.arm, []).append(_worth(item.place, item.tested))
    return by_arm


def _worth(place: Place, tested: UtilityPoint | MeanRatio) -> _Worth:
    if isinstance(tested, MeanRatio):
        low = None if tested.open_low else tested.joint_low
        high = None if tested.open_high else tested.joint_high
        value, text = tested.ratio, joint_ratio(tested)
    else:
        low, high = tested.n1_low, tested.n1_high
        value, text = _equivalent(tested), f"U = {amount(worth(tested), ratio)}"
    return _Worth(place, value, text, 0.0 if low is None else low, math.inf if high is None else high)


def _dependence(asked: Asked) -> Iterator[str]:
    """Sentences on the arms that several places share, those that are worth most first."""
    findings, names = asked.findings, short_places(asked.findings)
    shared = {arm: values for arm, values in _worths(findings).items() if len(values) > 1}
    if not shared:
        return
    what = (asked.question or "").removeprefix(DEPENDENCE).removeprefix(" on ").strip()
    words = "the encoder" if what == "encoder" else what if what not in ("", "task") else varying(findings, what)
    headline = findings.comparisons[0].headline
    how = "one label does the work of" if headline is None else f"at {headline:,} labels"
    of = f" of {findings.measured.baseline}" if headline is None else ""
    for arm in sorted(shared, key=lambda arm: -max(each.value for each in shared[arm]))[:2]:
        values = sorted(shared[arm], key=lambda each: each.value)
        texts = join_texts(f"{each.text} ({names[each.place]})" for each in values)
        groups: dict[str, list[_Worth]] = {}
        for each in values:
            groups.setdefault(_alike(each.place, what), []).append(each)
        apart = any(map(_apart, groups.values()))
        beginning = f"What {arm} is worth depends on {words}"
        if not apart:
            beginning = f"It can't be told whether what {arm} is worth depends on {words}"
        yield f"{beginning}: {how} {texts}{of}."


def _alike(place: Place, what: str) -> str:
    """What places must share to be compared where the question is about `what` alone; empty where nothing is named."""
    if what in ("", "task"):
        return str(place.encoder) if what else ""
    if what == "encoder":
        return str(place.task)
    others = {key: value for key, value in _options(str(place.task)).items() if key != what}
    return f"{str(place.task).partition('(')[0]} {sorted(others.items())} {place.encoder}"


def _apart(values: Sequence[_Worth]) -> bool:
    """Whether two of some places are told apart: their intervals, each for all of its place, don't overlap."""
    return any(one.high < other.low for one, other in itertools.permutations(values, 2))


def _options(label: str) -> dict[str, str]:
    """Options of a task, as its label has them."""
    return dict(re.findall(r"(\w+)=([^,)]*)", label))


def varying(findings: Findings, what: str = "") -> str:
    """What differs between the places, in words: options of a task, tasks or encoders; of tasks alone for "task"."""
    places = [place for place in findings.measured.places if findings.at(place)]
    tasks, encoders = {str(place.task) for place in places}, {str(place.encoder) for place in places}
    if len(tasks) == 1 and not what:
        return "the encoder"
    options = [_options(task) for task in sorted(tasks)]
    keys = [key for key in dict.fromkeys(itertools.chain(*options)) if len({each.get(key) for each in options}) > 1]
    alike = len({task.partition("(")[0] for task in tasks}) == 1
    words = ", ".join(keys) if alike and keys else "the task"
    return f"{words} or encoder" if len(encoders) > 1 and not what else words


def short_places(findings: Findings) -> dict[Place, str]:
    """Names of the places, without the words that all of them share."""
    titles = {place: setting.title for place, setting in findings.measured.settings.items()}
    words = {place: [word for word in re.split(r"[(),\s]+", title) if word] for place, title in titles.items()}
    shared = set.intersection(*map(set, words.values())) if words else set()
    left = {place: [word for word in words[place] if word not in shared] for place in titles}
    names = {word.partition("=")[0] for each in left.values() for word in each}
    if len(names) == 1 and all(len(each) == 1 for each in left.values()):
        return {place: each[0].partition("=")[2] or each[0] for place, each in left.items()}
    return {place: ", ".join(each) or titles[place] for place, each in left.items()}
