"""Utility by class: `class_utility.csv`, a table, and whether rare classes gain more than common ones.

The recall of one class is measured like any accuracy. Its curve is interpolated between the baseline's rungs, since a
class's own test items are too few for a model. p values are those of the recall's paired difference from the baseline
at the same label count, corrected by Holm's procedure for all classes and arms of a rung.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from labeleff.curves.interpolation import DEFAULT_METHOD
from labeleff.curves.utility import BaselineCurve, UtilityPoint, arm_utilities
from labeleff.reporting.csv_tables import Row, columns, frame, to_csv
from labeleff.reporting.markdown import table
from labeleff.reporting.measurements import Place
from labeleff.reporting.output_files import Section
from labeleff.reporting.results import Results
from labeleff.stats.differences import compare
from labeleff.stats.multiple_comparisons import holm
from labeleff.stats.rank_correlation import FEWEST, rank_correlation
from labeleff.stats.resampling import Runs

COLUMNS = columns(
    "task encoder arm baseline class train_share test_count n recall baseline_recall kind utility utility_at_least "
    "utility_at_most utility_low utility_high p_value p_holm"
)
SHOWN, ARMS = 24, 4
"""Most classes of a table, half of them the rarest and half the commonest, and most arms."""


@dataclass(frozen=True)
class ClassUtility:
    """Utility of an arm for one class at one rung; `p` is None where no spread was measured."""

    arm: str
    label: str
    share: float
    """Share of the training items, in 0..1."""
    test_count: int
    point: UtilityPoint
    p: float | None
    adjusted: float | None = None


def class_utilities(results: Results, place: Place) -> list[ClassUtility]:
    """Utilities of every class with test items at every rung; empty where the records have no hits by class."""
    counts = results.fact(place.task, "class_counts")
    classes = results.fact(place.task, "classes")
    base = results.study.baseline
    runs = {arm: _hits(results, place, arm) for arm in results.arms}
    if not isinstance(counts, dict) or not isinstance(classes, list) or len(runs[base]) < 2:
        return []
    train, found = np.array(counts["train"]), []
    for c, label in enumerate(classes):
        count = counts["test"][c]
        recalls = {arm: _recalls(hits, c, count) for arm, hits in runs.items() if hits} if count else {}
        for arm, points in _utilities(recalls, base, results.study.level).items():
            p = {row.ns[0]: row.p_value for row in compare(recalls[base], recalls[arm]).rungs}
            share = float(train[c] / train.sum())
            found += [ClassUtility(arm, str(label), share, count, point, p.get(point.n)) for point in points]
    return [row for n in sorted({row.point.n for row in found}) for row in _adjusted(found, n)]


def _hits(results: Results, place: Place, arm: str) -> dict[int, dict[tuple[int, int], Sequence[int]]]:
    """Test items of each class classified correctly, by label count and (draw, seed)."""
    runs: dict[int, dict[tuple[int, int], Sequence[int]]] = {}
    for record in results.at(place, arm):
        if record.status == "ok" and record.class_hits:
            runs.setdefault(record.cell.n, {})[record.cell.draw, record.cell.seed] = record.class_hits
    return runs


def _recalls(hits: dict[int, dict[tuple[int, int], Sequence[int]]], c: int, count: int) -> Runs:
    return {n: {run: several[c] / count for run, several in rung.items()} for n, rung in hits.items()}


def _utilities(recalls: dict[str, Runs], base: str, level: float) -> dict[str, list[UtilityPoint]]:
    others = {arm: runs for arm, runs in recalls.items() if arm != base}
    if not others:
        return {}
    found = arm_utilities(BaselineCurve.fit(recalls[base], DEFAULT_METHOD), others, level=level)
    return {arm: one.points for arm, one in found.items()}


def _adjusted(rows: Sequence[ClassUtility], n: int) -> list[ClassUtility]:
    """The rows of one rung with p values corrected for all of its classes and arms."""
    at = [row for row in rows if row.point.n == n]
    known = [row.p for row in at if row.p is not None]
    corrected = iter(holm(known))
    return [row if row.p is None else replace(row, adjusted=next(corrected)) for row in at]


def section(results: Results, place: Place) -> Section:
    """Section of one place: sentences, a table, and nothing where the records have no hits by class."""
    rows = class_utilities(results, place)
    return Section([*_paragraphs(results, rows)]) if rows else Section()


def to_files(results: Results) -> dict[str, bytes]:
    """Content of `class_utility.csv` by file name; empty where it has no rows."""
    rows = [_row(results, place, row) for place in results.ladders for row in class_utilities(results, place)]
    return {"class_utility.csv": to_csv(frame(rows, COLUMNS))} if rows else {}


def _row(results: Results, place: Place, row: ClassUtility) -> Row:
    point = row.point
    return {
        "task": place.task,
        "encoder": place.encoder,
        "arm": row.arm,
        "baseline": results.study.baseline,
        "class": row.label,
        "train_share": row.share,
        "test_count": row.test_count,
        "n": point.n,
        "recall": point.accuracy,
        "baseline_recall": point.baseline_accuracy,
        "kind": point.kind,
        "utility": point.utility,
        "utility_at_least": point.bound if point.kind != "below" else None,
        "utility_at_most": point.bound if point.kind == "below" else None,
        "utility_low": point.low,
        "utility_high": point.high,
        "p_value": row.p,
        "p_holm": row.adjusted,
    }


def _paragraphs(results: Results, rows: Sequence[ClassUtility]) -> Iterator[str]:
    rungs = sorted({row.point.n for row in rows})
    n = results.study.headline or rungs[(len(rungs) - 1) // 2]
    at, least = [row for row in rows if row.point.n == n], 1 - results.study.level
    yield f"### Utility by class at {n:,} labels, by recall against {results.study.baseline}"
    yield "\n".join(f"- {text}" for arm in dict.fromkeys(row.arm for row in at) for text in _rare(arm, at, results))
    arms = list(dict.fromkeys(row.arm for row in at))[:ARMS]
    cells = {(row.arm, row.label): _cell(row, least) for row in at}
    shares = sorted({(row.share, row.label, row.test_count) for row in at})
    kept = shares if len(shares) <= SHOWN else shares[: SHOWN // 2] + shares[-SHOWN // 2 :]
    lines = [
        [label, f"{100 * share:.1f} %", str(count), *(cells.get((arm, label), "–") for arm in arms)]
        for share, label, count in kept
    ]
    yield table(["class", "of training items", "test items", *arms], lines)
    yield (
        f"\\*: p < {least:.3g} for the difference in recall, by Holm's procedure over classes and arms of this rung. "
        "Draws of labels are what varies; the test items, few for rare classes, are given. "
        f"`class_utility.csv` has every class, arm and rung ({len(kept)} of {len(shares)} classes here)."
    )


def _rare(arm: str, rows: Sequence[ClassUtility], results: Results) -> Iterator[str]:
    """Say whether rare classes gain more, where that is shown; bounds of U count as their values."""
    own = [row for row in rows if row.arm == arm and _size(row.point) is not None]
    better = sum(row.adjusted is not None and row.adjusted < 1 - results.study.level for row in own)
    shown = f"{arm}: recall differs from the baseline's for {better} of {len(own)} classes"
    shares, sizes = np.array([[row.share for row in own]]), np.array([[_size(row.point) for row in own]], float)
    bounds = sum(row.point.utility is None for row in own)
    shown += f", and U is a bound for {bounds}" if bounds else ""
    if len(own) < FEWEST or len(np.unique(shares)) < 2 or len(np.unique(sizes)) < 2:
        yield f"{shown}."
        return
    found = rank_correlation(shares, sizes, level=results.study.level)
    ends = f" [{found.low:.2f}, {found.high:.2f}]"
    text = "whether rare classes gain more can't be told"
    if found.high is not None and found.high < 0:
        text = "rare classes gain more"
    elif found.low is not None and found.low > 0:
        text = "common classes gain more"
    yield f"{shown}; {text} (rank correlation of U with a class's share {found.value:.2f}{ends})."


def _size(point: UtilityPoint) -> float | None:
    return point.bound if point.utility is None else point.utility


def _cell(row: ClassUtility, least: float) -> str:
    """Format a utility as `0.52 [0.10, 1.30]*`, or as its bound."""
    point, star = row.point, "\\*" if row.adjusted is not None and row.adjusted < least else ""
    if point.utility is None:
        return "–" if point.bound is None else f"{'<=' if point.kind == 'below' else '>='} {point.bound:.2f}{star}"
    ends = [(end is not None and math.isfinite(end) and f"{end:.2f}") or "–" for end in (point.low, point.high)]
    interval = "" if point.p_above is None else f" [{', '.join(ends)}]"
    return f"{point.utility:.2f}{interval}{star}"
