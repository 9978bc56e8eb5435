"""Findings on training: linear evaluation, overfitting, frozen stages."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from labeleff.commands.reproduce.evidence import (
    Criterion,
    Folder,
    Judgement,
    Outcome,
    from_difference,
    once_each,
    points,
)
from labeleff.reporting.measurements import Place
from labeleff.reporting.rank_agreement import Agreement, agreements, together
from labeleff.reporting.sections.agreement import interval
from labeleff.stats.differences import compare
from labeleff.stats.interval_level import LEVEL
from labeleff.stats.pooling import Effect, pooled
from labeleff.stats.rank_correlation import FEWEST, LARGEST, RankCorrelation, spearman
from labeleff.stats.resampling import Runs

COMPARED = ("linear", "finetune")
ALIKE = 0.5
"""Rank correlation that would count as one, where the scores had no noise."""
REGULARISES = Criterion("Pretraining raises generalisation by more than training accuracy:", 0.02, points)
FREEZES = Criterion("Rank correlation of what is trained with accuracy:", 0.3, "{:+.2f}".format)


def judge_correlation(correlation: RankCorrelation) -> Judgement:
    """Judge a rank correlation: reproduced where one of ALIKE is excluded, not where some is shown.

    Noise lowers correlations, so that ALIKE counts as its share of the correlation that full agreement would show.
    """
    if correlation.low is None or correlation.high is None:
        return "not tested"
    if correlation.low > 0:
        return "not reproduced"
    full = 1.0 if correlation.ceiling is None else correlation.ceiling
    return "reproduced" if correlation.high < ALIKE * full else "can't tell"


def linear_unlike_finetuned(folders: Sequence[Folder]) -> Outcome:
    """Compare pretexts evaluated by `linear` and by `finetune`: the most pretexts, with all places that have them."""
    groups: dict[tuple[str, ...], list[Agreement]] = {}
    sentences = []
    for folder in folders:
        measured = folder.findings.measured
        for item in agreements(folder.results, measured):
            if (item.frozen, item.trained) == COMPARED and _counts(folder, item.place):
                groups.setdefault(tuple(sorted(item.pretexts)), []).append(item)
                title = measured.settings[item.place].title
                sentences.append(f"{title} ({folder.name}) {interval(item.overall)}")
    if not groups:
        return Outcome("not tested", f"No study has {FEWEST} pretexts both by linear evaluation and finetuned.")
    most = max(map(len, groups))
    found = [_together(group) for pretexts, group in groups.items() if len(pretexts) == most]
    whole = found[0] if len(found) == 1 else _averaged(found)
    full = "" if whole.ceiling is None else f" of the {whole.ceiling:.2f} that noise would leave of full agreement"
    evidence = (
        f"Rank correlation over {most} pretexts: {interval(whole)}; {ALIKE:g}{full} would count as one. By place: "
        f"{'; '.join(sentences)}."
    )
    return Outcome(judge_correlation(whole), evidence)


def _counts(folder: Folder, place: Place) -> bool:
    """Whether a place is of the paper's kind and not all of its arms count in another folder."""
    arms = [name for name in folder.results.arms if folder.pretrained(name)]
    return place in folder.places and not all((place, arm) in folder.repeated for arm in arms)


def _together(items: Sequence[Agreement]) -> RankCorrelation:
    """The correlation over places that have the same pretexts; its ceiling is the mean of theirs."""
    ceilings = [item.overall.ceiling for item in items if item.overall.ceiling is not None]
    return replace(together(items, LEVEL), ceiling=float(np.mean(ceilings)) if ceilings else None)


def _averaged(found: Sequence[RankCorrelation]) -> RankCorrelation:
    """The mean of correlations over other pretexts each, on Fisher's scale, as if they shared their noise."""
    rows = [(each.value, each.low, each.high) for each in found if each.low is not None and each.high is not None]
    value, low, high = np.tanh(np.mean(np.arctanh(np.clip(rows, -LARGEST, LARGEST)), axis=0)).tolist()
    ceilings = [each.ceiling for each in found if each.ceiling is not None]
    return RankCorrelation(found[0].methods, value, low, high, float(np.mean(ceilings)) if ceilings else None)


def arms_by_freezing(folder: Folder) -> dict[str, list[str]]:
    """Order each pretext's arms from nothing frozen (`finetune`) over `partial` in the study's order to `linear`.

    Arms whose labels are selected are left out, here and in every finding: the paper's are drawn.
    """
    groups: dict[str, dict[str, list[str]]] = {}
    for name, arm in zip(folder.results.arms, folder.results.study.arms, strict=True):
        if folder.pretrained(name):
            groups.setdefault(arm.pretext.label, {}).setdefault(arm.protocol.name, []).append(name)
    return {
        pretext: [*kinds.get("finetune", []), *kinds["partial"], *kinds.get("linear", [])]
        for pretext, kinds in groups.items()
        if "partial" in kinds
    }


def frozen_is_worse(folders: Sequence[Folder]) -> Outcome:
    """Correlate how much is trained with accuracy by rank, run by run, and pool the means over the ladders."""
    effects: list[tuple[int, Effect]] = []
    sentences = []
    for folder in folders:
        measured = folder.findings.measured
        for place, arms in itertools.product(folder.places, arms_by_freezing(folder).values()):
            trends = _trends([measured.at(place, arm) for arm in arms])
            if len(arms) < 3 or not trends or all((place, arm) in folder.repeated for arm in arms):
                continue
            zero: Runs = {n: dict.fromkeys(rung, 0.0) for n, rung in trends.items()}
            result = compare(zero, trends, level=measured.level)
            if (effect := from_difference(result.ladder, measured.level)) is not None:
                effects.append((folder.clusters[place], effect))
            rungs = ", ".join(f"{item.mean:+.2f} at {item.ns[0]:,}" for item in result.rungs)
            sentences.append(
                f"{arms[-1]} to {arms[0]} in {len(arms)} steps at {measured.settings[place].title} {rungs}"
            )
    missing = "No study freezes encoders up to several stages (protocol partial)."
    outcome = FREEZES.decide(once_each(effects), "places", missing)
    by_labels = f" By labels: {'; '.join(sentences)}." if effects else ""
    return replace(outcome, evidence=outcome.evidence + by_labels)


def _trends(arms: Sequence[Runs]) -> dict[int, dict[tuple[int, int], float]]:
    """Rank correlations by label count and by run, where all of the arms have it; the first arm trains most."""
    correlations: dict[int, dict[tuple[int, int], float]] = {}
    for n in sorted(set.intersection(*(set(runs) for runs in arms))):
        for run in sorted(set.intersection(*(set(runs[n]) for runs in arms))):
            accuracies = np.array([runs[n][run] for runs in arms])
            correlations.setdefault(n, {})[run] = float(spearman(-np.arange(float(len(arms))), accuracies))
    return correlations


def training_accuracies(folder: Folder, place: Place, arm: str) -> Runs:
    """Training accuracies in 0..1 at the end of training, with augmentation, by label count and (draw, seed)."""
    accuracies: dict[int, dict[tuple[int, int], float]] = {}
    for record in folder.results.at(place, arm):
        history = record.training.history if record.training is not None else []
        if record.status == "ok" and history and "accuracy" in history[-1]:
            accuracies.setdefault(record.cell.n, {})[record.cell.draw, record.cell.seed] = history[-1]["accuracy"]
    return accuracies


FITTED_AS_TESTED = ("accuracy", "pixel_accuracy", "within_1.25")
"""Metrics that the accuracy of training batches is, too."""


def regularises(folders: Sequence[Folder]) -> Outcome:
    """Split what pretraining adds to test accuracy into training accuracy and the gap between the two.

    Over the ladders of arms that are worth labels. Gain of the test accuracy = gain of the training accuracy + gain of
    test minus training accuracy; the finding says that the last is the larger.
    """
    effects: list[tuple[int, Effect]] = []
    gaps: list[tuple[int, Effect]] = []
    for folder in folders:
        for item in folder.worth_labels():
            if folder.findings.measured.settings[item.place].metric not in FITTED_AS_TESTED:
                continue
            found = [_split(folder, item.place, item.baseline, item.arm, weight) for weight in (2.0, 1.0)]
            for into, effect in zip((effects, gaps), found, strict=True):
                if effect is not None:
                    into.append((folder.clusters[item.place], effect))
    missing = "No finetuned arm is worth labels over a ladder with training accuracies."
    outcome = REGULARISES.decide(once_each(effects), "places", missing)
    if not gaps:
        return outcome
    gap = pooled(once_each(gaps))
    ends = ", ".join(points(each) for each in gap.ends())
    return replace(outcome, evidence=f"{outcome.evidence} The gap itself changes by {points(gap.value)} [{ends}].")


def _split(folder: Folder, place: Place, baseline: str, arm: str, weight: float) -> Effect | None:
    """Gain of test accuracy less `weight` times that of training accuracy, averaged over the ladder."""
    sides = []
    for name in (baseline, arm):
        fitted, tested = training_accuracies(folder, place, name), folder.findings.measured.at(place, name)
        rungs = {
            n: {run: tested[n][run] - weight * fitted[n][run] for run in tested[n] if run in fitted[n]}
            for n in tested
            if n in fitted
        }
        sides.append({n: rung for n, rung in rungs.items() if rung})
    if not set(sides[0]) & set(sides[1]):
        return None
    return from_difference(compare(*sides, level=folder.level).ladder, folder.level)
