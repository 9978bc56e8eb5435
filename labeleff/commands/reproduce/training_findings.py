"""Findings on training: linear evaluation, overfitting, frozen stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from labeleff.commands.reproduce.evidence import Criterion, Folder, Judgement, Outcome, from_difference, points
from labeleff.reporting.measurements import Place
from labeleff.reporting.rank_agreement import Agreement, agreements, pool_places
from labeleff.reporting.sections.agreement import interval
from labeleff.stats.differences import compare
from labeleff.stats.interval_level import LEVEL
from labeleff.stats.pooling import Effect, averaged, pooled
from labeleff.stats.rank_correlation import FEWEST, RankCorrelation, spearman
from labeleff.stats.resampling import Runs

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
    pairs: list[Agreement] = []
    sentences = []
    for folder in folders:
        measured = folder.findings.measured
        here = [a for a in agreements(folder.results, measured) if (a.frozen, a.trained) == ("linear", "finetune")]
        sentences += [
            f"{measured.settings[item.place].title} ({folder.name}) {interval(item.overall)}" for item in here
        ]
        pairs += here
    if not pairs:
        return Outcome("not tested", f"No study has {FEWEST} pretexts both by linear evaluation and finetuned.")
    ceilings = [item.overall.ceiling for item in pairs if item.overall.ceiling is not None]
    several = [replace(whole, ceiling=float(np.mean(ceilings))) for *_, whole in pool_places(pairs, LEVEL) if ceilings]
    whole = max([*several, *(item.overall for item in pairs)], key=lambda correlation: correlation.methods)
    full = "" if whole.ceiling is None else f" of the {whole.ceiling:.2f} that noise would leave of full agreement"
    evidence = (
        f"Rank correlation over {whole.methods} pretexts: {interval(whole)}; {ALIKE:g}{full} would count as one. By "
        f"place: {'; '.join(sentences)}."
    )
    return Outcome(judge_correlation(whole), evidence)


def arms_by_freezing(folder: Folder) -> dict[str, list[str]]:
    """Order each pretext's arms from nothing frozen (`finetune`) over `partial` in the study's order to `linear`.

    Arms whose labels are selected are left out, here and in every finding: the paper's are drawn.
    """
    groups: dict[str, dict[str, list[str]]] = {}
    for name, arm in zip(folder.results.arms, folder.results.study.arms, strict=True):
        if arm.pretext_plugin.makes_encoder and not arm.selected:
            groups.setdefault(arm.pretext.label, {}).setdefault(arm.protocol.name, []).append(name)
    return {
        pretext: [*kinds.get("finetune", []), *kinds["partial"], *kinds.get("linear", [])]
        for pretext, kinds in groups.items()
        if "partial" in kinds
    }


def frozen_is_worse(folders: Sequence[Folder]) -> Outcome:
    """Correlate how much is trained with accuracy by rank, run by run, and pool the means over the ladders."""
    effects: list[Effect] = []
    sentences = []
    for folder in folders:
        measured = folder.findings.measured
        for place in measured.places:
            here = []
            for arms in arms_by_freezing(folder).values():
                trends = _trends([measured.at(place, arm) for arm in arms])
                if len(arms) < 3 or not trends:
                    continue
                zero: Runs = {n: dict.fromkeys(rung, 0.0) for n, rung in trends.items()}
                result = compare(zero, trends, level=measured.level)
                if (effect := from_difference(result.ladder, measured.level)) is not None:
                    here.append(effect)
                rungs = ", ".join(f"{item.mean:+.2f} at {item.ns[0]:,}" for item in result.rungs)
                sentences.append(
                    f"{arms[-1]} to {arms[0]} in {len(arms)} steps at {measured.settings[place].title} {rungs}"
                )
            effects += [averaged(here)] if here else []
    outcome = FREEZES.decide(effects, "places", "No study freezes encoders up to several stages (protocol partial).")
    by_labels = f" By labels: {'; '.join(sentences)}." if effects else ""
    return Outcome(outcome.judgement, outcome.evidence + by_labels)


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


def regularises(folders: Sequence[Folder]) -> Outcome:
    """Split what pretraining adds to test accuracy into training accuracy and the gap between the two.

    Over the ladders of arms that are worth labels. Gain of the test accuracy = gain of the training accuracy + gain of
    test minus training accuracy; the finding says that the last is the larger.
    """
    effects: list[Effect] = []
    fits: list[Effect] = []
    for folder in folders:
        by_place: dict[Place, list[tuple[Effect, Effect]]] = {}
        for item in folder.worth_labels():
            found = [_split(folder, item.place, item.baseline, item.arm, weight) for weight in (2.0, 1.0)]
            if found[0] is not None and found[1] is not None:
                by_place.setdefault(item.place, []).append((found[0], found[1]))
        for pairs in by_place.values():
            effects.append(averaged([difference for difference, _ in pairs]))
            fits.append(averaged([narrowed for _, narrowed in pairs]))
    missing = "No finetuned arm is worth labels over a ladder with training accuracies."
    outcome = REGULARISES.decide(effects, "tasks and encoders", missing)
    if not effects:
        return outcome
    gap = pooled(fits)
    ends = ", ".join(points(each) for each in gap.ends())
    return Outcome(outcome.judgement, f"{outcome.evidence} The gap itself changes by {points(gap.value)} [{ends}].")


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
    return from_difference(compare(*sides, level=folder.level).ladder, folder.level)
