"""Finding: the more of the network is frozen, the lower the accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labeleff.reproduce.evidence2020 import JUDGED, Folder, Judgement, Outcome, agreed, order
from labeleff.statistics.differences import Difference, compare
from labeleff.statistics.rank_correlation import spearman
from labeleff.statistics.stats import Runs


def graded(folder: Folder) -> dict[str, list[str]]:
    """Arms of each pretext from nothing frozen (`finetune`) over `partial` in the study's order to all (`linear`)."""
    groups: dict[str, dict[str, list[str]]] = {}
    for name, arm in zip(folder.results.arms, folder.results.study.arms, strict=True):
        if arm.pretext_plugin.makes_encoder:
            groups.setdefault(arm.pretext.label, {}).setdefault(arm.protocol.name, []).append(name)
    return {
        pretext: [*kinds.get("finetune", []), *kinds["partial"], *kinds.get("linear", [])]
        for pretext, kinds in groups.items()
        if "partial" in kinds
    }


def frozen_is_worse(folders: Sequence[Folder]) -> Outcome:
    """Rank correlation of how much is frozen with accuracy, run by run, and its mean with an interval over runs."""
    judgements: list[Judgement] = []
    told = []
    for folder in folders:
        measured = folder.findings.measured
        for arms in graded(folder).values():
            for place in measured.places:
                trends = _trends([measured.at(place, arm) for arm in arms])
                if len(arms) < 3 or not trends:
                    continue
                zero: Runs = {n: dict.fromkeys(rung, 0.0) for n, rung in trends.items()}
                found = compare(zero, trends, level=measured.level)
                judgements.append(_judged_trend(found.ladder))
                rungs = ", ".join(f"{item.mean:+.2f} at {item.ns[0]:,}" for item in found.rungs)
                told.append(
                    f"{arms[0]} to {arms[-1]} in {len(arms)} steps at {measured.settings[place].title}: {rungs}"
                )
    evidence = "No study freezes encoders up to several stages (protocol partial)."
    if told:
        evidence = f"Rank correlation of frozen stages with accuracy, by labels: {'; '.join(told)}."
    return Outcome(agreed(judgements), evidence)


def _trends(arms: Sequence[Runs]) -> dict[int, dict[tuple[int, int], float]]:
    """Rank correlations by label count and by run, where all of the arms have it."""
    found: dict[int, dict[tuple[int, int], float]] = {}
    for n in sorted(set.intersection(*(set(runs) for runs in arms))):
        for run in sorted(set.intersection(*(set(runs[n]) for runs in arms))):
            accuracies = np.array([runs[n][run] for runs in arms])
            found.setdefault(n, {})[run] = float(spearman(np.arange(float(len(arms))), accuracies))
    return found


def _judged_trend(ladder: Difference | None) -> Judgement:
    return "can't tell" if ladder is None else JUDGED[order((ladder.low, ladder.high), (0.0, 0.0))]
