"""Findings on training: linear evaluation, overfitting, frozen stages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from labeleff.commands.reproduce.evidence import JUDGEMENTS, Folder, Judgement, Outcome, consensus, majority, order
from labeleff.reporting.measurements import Place
from labeleff.reporting.rank_agreement import agreements, pool_places
from labeleff.reporting.sections.agreement import interval
from labeleff.stats.differences import Difference, compare
from labeleff.stats.rank_correlation import FEWEST, RankCorrelation, spearman
from labeleff.stats.resampling import Run, Runs


def judge_correlation(correlation: RankCorrelation) -> Judgement:
    """Judge a rank correlation: reproduced where none is shown, and full agreement is excluded."""
    if correlation.low is None or correlation.high is None:
        return "not tested"
    if correlation.low > 0:
        return "not reproduced"
    full = 1.0 if correlation.ceiling is None else correlation.ceiling
    return "reproduced" if correlation.high < full else "can't tell"


def linear_unlike_finetuned(folders: Sequence[Folder]) -> Outcome:
    """Compare pretexts evaluated by `linear` and by `finetune`; tasks of one study are taken together."""
    judgements: list[Judgement] = []
    sentences = []
    for folder in folders:
        measured = folder.findings.measured
        pairs = [a for a in agreements(folder.results, measured) if (a.frozen, a.trained) == ("linear", "finetune")]
        sentences += [
            f"{measured.settings[item.place].title} ({folder.name}) {interval(item.overall)}" for item in pairs
        ]
        whole = [correlation for *_, correlation in pool_places(pairs, measured.level)]
        sentences += [f"all tasks of {folder.name} {interval(correlation)}" for correlation in whole]
        judgements += [judge_correlation(correlation) for correlation in whole or [item.overall for item in pairs]]
    evidence = f"No study has {FEWEST} pretexts both by linear evaluation and finetuned."
    if sentences:
        evidence = f"Rank correlation over pretexts, 1 where both rank alike: {'; '.join(sentences)}."
    return Outcome(consensus(judgements), evidence)


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
    """Correlate how much is frozen with accuracy by rank, run by run; the mean has an interval over runs."""
    judgements: list[Judgement] = []
    sentences = []
    for folder in folders:
        measured = folder.findings.measured
        for arms in arms_by_freezing(folder).values():
            for place in measured.places:
                trends = _trends([measured.at(place, arm) for arm in arms])
                if len(arms) < 3 or not trends:
                    continue
                zero: Runs = {n: dict.fromkeys(rung, 0.0) for n, rung in trends.items()}
                result = compare(zero, trends, level=measured.level)
                judgements.append(_judge_trend(result.ladder))
                rungs = ", ".join(f"{item.mean:+.2f} at {item.ns[0]:,}" for item in result.rungs)
                sentences.append(
                    f"{arms[0]} to {arms[-1]} in {len(arms)} steps at {measured.settings[place].title}: {rungs}"
                )
    evidence = "No study freezes encoders up to several stages (protocol partial)."
    if sentences:
        evidence = f"Rank correlation of frozen stages with accuracy, by labels: {'; '.join(sentences)}."
    return Outcome(consensus(judgements), evidence)


def _trends(arms: Sequence[Runs]) -> dict[int, dict[tuple[int, int], float]]:
    """Rank correlations by label count and by run, where all of the arms have it."""
    correlations: dict[int, dict[tuple[int, int], float]] = {}
    for n in sorted(set.intersection(*(set(runs) for runs in arms))):
        for run in sorted(set.intersection(*(set(runs[n]) for runs in arms))):
            accuracies = np.array([runs[n][run] for runs in arms])
            correlations.setdefault(n, {})[run] = float(spearman(np.arange(float(len(arms))), accuracies))
    return correlations


def _judge_trend(ladder: Difference | None) -> Judgement:
    return "can't tell" if ladder is None else JUDGEMENTS[order((ladder.low, ladder.high), (0.0, 0.0))]


FITTED = 0.99
"""Training accuracy from which a network counts as having fitted its labels."""


def training_accuracies(folder: Folder, place: Place, arm: str) -> Runs:
    """Training accuracies in 0..1 at the end of training, with augmentation, by label count and (draw, seed)."""
    accuracies: dict[int, dict[tuple[int, int], float]] = {}
    for record in folder.results.at(place, arm):
        history = record.training.history if record.training is not None else []
        if record.status == "ok" and history and "accuracy" in history[-1]:
            accuracies.setdefault(record.cell.n, {})[record.cell.draw, record.cell.seed] = history[-1]["accuracy"]
    return accuracies


def regularises(folders: Sequence[Folder]) -> Outcome:
    """Ask where pretraining pays beyond doubt: had the network from scratch fitted its labels as well?"""
    votes: Counter[str] = Counter()
    for folder in folders:
        for item in folder.finetuned():
            base, arm = (training_accuracies(folder, item.place, name) for name in (item.baseline, item.arm))
            for point in item.points:
                n = int(point.n)
                if point.sign > 0 and n in base and n in arm:
                    votes[_vote(base[n], arm[n], folder.findings.measured.level)] += 1
    judgement: Judgement = majority(votes["fitted"], votes["unfitted"], votes["unclear"])
    total = sum(votes.values())
    evidence = "No rung has a utility over 0 beyond doubt with training accuracies of both arms."
    if total:
        evidence = (
            f"At {total} rungs pretraining pays beyond doubt. At {votes['fitted']} of them the network from scratch "
            f"had fitted its labels as well (training accuracy of {100 * FITTED:g} % or not below the pretrained "
            f"one's), so that only generalisation differs; at {votes['unfitted']} it had fitted them less beyond "
            f"doubt, and at {votes['unclear']} that can't be told."
        )
    return Outcome(judgement, evidence)


def _vote(base: Mapping[Run, float], arm: Mapping[Run, float], level: float) -> str:
    mean = sum(base.values()) / len(base)
    [gain] = compare({1: base}, {1: arm}, level=level).rungs
    if mean >= FITTED or gain.mean <= 0:
        return "fitted"
    return "unfitted" if gain.low is not None and gain.low > 0 else "unclear"
