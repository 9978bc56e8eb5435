"""Head of a report, read in twenty seconds: the question answered, and what else is asked first, in eight lines.

Its intervals hold for all arms and rungs of a place together, so what is picked for what it shows keeps its level.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from labeleff.curves.bounds import savings
from labeleff.curves.utility import UtilityPoint
from labeleff.reporting.findings import Comparison, Findings, TargetLabels, rank_comparisons
from labeleff.reporting.head.answer import Asked, answer, doubted, short_places
from labeleff.reporting.markdown import (
    CONTENTS,
    amount,
    anchor,
    anchors,
    capital,
    count,
    counts,
    extent,
    joint_ratio,
    money,
)
from labeleff.reporting.measurements import Place
from labeleff.reporting.output_files import Section
from labeleff.reporting.sections import outlying_runs
from labeleff.reporting.sections.verdict import WEAK
from labeleff.stats.multiple_comparisons import GapToBest
from labeleff.study.prices import Cost
from labeleff.study.question import AGREEMENT, DEPENDENCE

LINES = 8
"""Most lines that a head has."""
PLACES = 4
"""Most places that a line tells apart."""
ARMS = 4
"""Most arms that are named as tied."""
SAVINGS = 4
"""Most label counts at which an arm's savings are told."""


def head(asked: Asked, flags: Sequence[str], others: Sequence[str] = ()) -> Iterator[str]:
    """The head's lines as one list; `flags` are all weak points, the gravest first, `others` sentences on stories."""
    findings = asked.findings
    untested = any(item.headline is not None for item in findings.comparisons)
    ranks = asked.kind != DEPENDENCE and not untested
    ranking = _labelled("Mean label ratio", _each_place(findings, _ranking)) if ranks else ""
    lines = [
        answer(asked),
        _labelled("Most accurate", _each_place(findings, _most_accurate)),
        ranking,
        _labelled(f"Saved against {findings.measured.baseline}", _each_place(findings, _saved)),
        _labelled("For the targets", _each_place(findings, _targets)),
        _unproven(findings),
    ]
    lines = [*others, *(text for text in lines if text)][: LINES - 1]
    weak = [*_failing(findings), *outlying_runs.in_short(findings.outlying), *flags]
    weakest = weak[: max(1, min(3, LINES - len(lines)))]
    more = len(weak) - len(weakest)
    lines += weakest
    if more > 0 and lines:
        lines[-1] += f" [{more} more](#{anchor(WEAK)})"
    if lines:
        yield "\n".join(f"- {text}" for text in lines)


def _labelled(label: str, text: str) -> str:
    return f"{label}: {text}." if text else ""


def _each_place(findings: Findings, describe: Callable[[Findings, Place], str]) -> str:
    """A text per place, with places of equal text named together; the first PLACES of them."""
    names = short_places(findings)
    texts: dict[str, list[Place]] = {}
    for place in findings.measured.places:
        if text := describe(findings, place):
            texts.setdefault(text, []).append(place)
    if not texts:
        return ""
    if len(findings.measured.places) == 1:
        return str(*texts)
    parts = [f"{', '.join(names[place] for place in places)}: {text}" for text, places in texts.items()]
    more = "; the others are below" if len(parts) > PLACES else ""
    return "; ".join(parts[:PLACES]) + more


def _most_accurate(findings: Findings, place: Place) -> str:
    """The most accurate arm where that is beyond doubt, and the label counts at which none is."""
    measured = findings.measured
    arms = [arm for arm in measured.arms if measured.at(place, arm)]
    if len(arms) < 2:
        return ""
    rungs = {n: rung for n, rung in measured.standings[place].items() if len(rung) > 1}
    grouped = itertools.groupby(rungs.items(), key=lambda pair: _best_at(pair[1]))
    best = [(arm, [n for n, _ in group]) for arm, group in grouped]
    proven = [f"{arm} at {_span(ns)} labels ({_of(rungs, ns, arms)})" for arm, ns in best if arm]
    open_ns = [n for arm, ns in best if not arm for n in ns]
    groups = [[arm for arm in arms if arm in rungs[n] and rungs[n][arm].tied] for n in open_ns]
    return ", ".join(
        [*proven, *([f"at {counts(open_ns)} can't be told among {_tied(groups, arms)}"] if groups else [])]
    )


def _tied(groups: Sequence[Sequence[str]], arms: Sequence[str]) -> str:
    """The arms that can't be told apart at several rungs; their numbers where they aren't the same at all of them."""
    if any(group != groups[0] for group in groups):
        least, most = min(map(len, groups)), max(map(len, groups))
        return f"{least if least == most else f'{least} to {most}'} of {len(arms)} arms (named below)"
    return _first(groups[0], ARMS) if len(groups[0]) < len(arms) else f"all {len(arms)}"


def _of(rungs: Mapping[int, Mapping[str, GapToBest]], ns: Sequence[int], arms: Sequence[str]) -> str:
    """Among which arms a lead is proven: all of the place, or those that were measured at these rungs so far."""
    return "proven" if all(len(rungs[n]) == len(arms) for n in ns) else "proven among those measured there"


def _best_at(rung: Mapping[str, GapToBest]) -> str:
    """The arm that is better than all others of a rung; empty where it can't be told."""
    tied = [arm for arm, standing in rung.items() if standing.tied]
    known = all(standing.low is not None for standing in rung.values())
    return tied[0] if len(tied) == 1 and known else ""


def _span(ns: Sequence[int]) -> str:
    return f"{ns[0]:,}" if len(ns) == 1 else f"{ns[0]:,} to {ns[-1]:,}"


def _ranking(findings: Findings, place: Place) -> str:
    """Arms by their mean label ratio, those that can't be told from the best first."""
    ranked = [(item, mean) for item, mean in rank_comparisons(findings.at(place)) if not doubted(item)]
    tied = [f"{item.arm} {joint_ratio(mean)}" for item, mean in ranked if mean.tied]
    if len(findings.measured.places) > 1:
        return _first(tied, 2) + (" (can't be told apart)" if len(tied) > 1 else "")
    rest = [f"{item.arm} {joint_ratio(mean)}" for item, mean in ranked if not mean.tied]
    ties = " (can't be told apart)" if len(tied) > 1 else ""
    behind = [f"behind {_first(rest, 2)}" if tied else _first(rest, 2)] if rest else []
    return "; ".join([*([f"{_first(tied, ARMS)}{ties}"] if tied else []), *behind])


def _first(texts: Sequence[str], most: int, what: str = "", mark: str = ", ") -> str:
    """The first `most` texts, and the number of the others, each of which is a `what`."""
    left = len(texts) - most
    kind = f" {what}{'s' if left > 1 else ''}" if what else ""
    return mark.join(texts[:most]) + (f" and {left} more{kind}" if left > 0 else "")


def _saved(findings: Findings, place: Place) -> str:
    """Labels, and money, that the best arms save where that is certain: at the label count asked for, or at all."""
    texts = []
    for item, _ in rank_comparisons(findings.at(place)):
        points = [point for point in item.joint if point.sign == 1 and not item.doubts(point.n)]
        if item.headline is not None:
            points = [point for point in points if point.n == item.headline]
        if points:
            price = findings.measured.cost_at(place)
            texts.append(f"{item.arm} {_first([_saving(price, point) for point in points], SAVINGS, 'rung')}")
    return _first(texts, 2, "arm", "; ")


def _saving(price: Cost | None, point: UtilityPoint) -> str:
    """Labels saved at a label count, and the money for them, with one tag for both where it is extrapolated."""
    reading = savings(point, 1.0)
    tag = f" ({extent(reading)})" if extent(reading) else ""
    labels = amount(reading, count).removesuffix(tag)
    if price is not None:
        labels += f" or {amount(savings(point, price.per_label), money).removesuffix(tag)} {price.unit}"
    return f"at {point.n:,} labels {labels}{tag}"


def _targets(findings: Findings, place: Place) -> str:
    """Labels that the best arm and the baseline need for the targets asked for."""
    labels = {(item.arm, item.target): item for item in findings.labels if item.place == place}
    ranked = [item.arm for item, _ in rank_comparisons(findings.at(place))][:1]
    units = findings.measured.settings[place].units
    return "; ".join(
        f"{units.short(target)} takes {', '.join(texts)}"
        for target in findings.measured.targets
        if (texts := [*_needed(labels, [*ranked, findings.measured.baseline], target)])
    )


def _needed(labels: Mapping[tuple[str, float], TargetLabels], arms: Sequence[str], target: float) -> Iterator[str]:
    for arm in arms:
        item = labels.get((arm, target))
        if item is not None and item.labels is not None and not item.doubts:
            yield f"{amount(item.labels, count)} labels of {arm}"


def _unproven(findings: Findings) -> str:
    """Arms of which nothing is shown, in one line: over the ladder, or at the label count named beforehand."""
    headline = next((item.headline for item in findings.comparisons if item.headline is not None), None)
    where = "over the whole ladder" if headline is None else f"at {headline:,} labels"
    texts: dict[str, list[Comparison]] = {
        (unsure := f"{where} not shown to save or to cost labels"): [],
        (costly := "costing labels"): [],
        (doubtful := "resting on an assumption that fails"): [],
    }
    for item in findings.comparisons:
        sign = 0 if item.tested is None else item.tested.sign
        if doubted(item):
            texts[doubtful].append(item)
        elif sign < 1:
            texts[costly if sign else unsure].append(item)
    parts = [f"{words}: {_arms(findings, items)}" for words, items in texts.items() if items]
    return f"{capital('; '.join(parts))}." if parts else ""


def _arms(findings: Findings, items: Sequence[Comparison]) -> str:
    """Names of arms, with the number of places where there are several."""
    names = [item.arm for item in items]
    distinct, places = list(dict.fromkeys(names)), len(findings.measured.places)
    shown = [name if places == 1 else f"{name} ({names.count(name)} of {places})" for name in distinct]
    return _first(shown, ARMS)


def _failing(findings: Findings) -> list[str]:
    """Assumptions that fail, in one line over all places."""
    kinds: dict[str, list[Place]] = {}
    for place, failures in findings.failures.items():
        for item in failures:
            kinds.setdefault(item.kind, []).append(place)
    if not kinds:
        return []
    of = len(findings.measured.places)
    texts = [f"{kind}{f' ({len(set(at))} of {of} places)' if of > 1 else ''}" for kind, at in kinds.items()]
    return [f"**Not to be trusted as it stands**: {', '.join(texts)}; what rests on it is marked `(?)`."]


def head_figure(asked: Asked, sections: Sequence[Section]) -> Iterator[str]:
    """Link to the one figure that shows the answer: agreement of ranks, or utility, or what the first place has."""
    names = [name for section in sections for name in section.figures]
    wanted = ["agreement-"] if asked.kind == AGREEMENT else []
    for prefix in (*wanted, "utility-", ""):
        if found := next((name for name in names if name.startswith(prefix)), None):
            yield f"![{found.partition('-')[0]}](figures/{found}.png)"
            return


def contents(findings: Findings, sections: Sequence[Section]) -> Iterator[str]:
    """Links to the places, where there are several; `sections` are all that have headings, up to the last place's."""
    measured = findings.measured
    headings = [(part.place, text) for part in sections for text in part.paragraphs if re.match(r"#+ ", text)]
    names = dict[Place, str]()
    for (place, _), name in zip(headings, anchors(text.lstrip("#").strip() for _, text in headings), strict=True):
        if place is not None:
            names.setdefault(place[0], name)
    compared = [place for place in measured.places if findings.at(place)]
    if len(compared) > 1:
        links = (f"[{measured.settings[place].title}](#{names[place]})" for place in compared)
        yield f"{CONTENTS}{', '.join(links)}."
