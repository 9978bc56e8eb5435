"""Finding: what pretraining brings is less overfitting, not easier optimisation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from labeleff.reporting.measured import Place
from labeleff.reproduce.evidence2020 import Folder, Judgement, Outcome, counted
from labeleff.statistics.differences import compare
from labeleff.statistics.stats import Run, Runs

FITTED = 0.99
"""Training accuracy from which a network counts as having fitted its labels."""


def trained(folder: Folder, place: Place, arm: str) -> Runs:
    """Training accuracy in 0..1 at the end of training, as augmented, by label count and (draw, seed)."""
    found: dict[int, dict[tuple[int, int], float]] = {}
    for record in folder.results.at(place, arm):
        history = record.training.history if record.training is not None else []
        if record.status == "ok" and history and "accuracy" in history[-1]:
            found.setdefault(record.cell.n, {})[record.cell.draw, record.cell.seed] = history[-1]["accuracy"]
    return found


def regularises(folders: Sequence[Folder]) -> Outcome:
    """Where pretraining pays beyond doubt: had the network from scratch fitted its labels as well?"""
    votes: Counter[str] = Counter()
    for folder in folders:
        for item in folder.finetuned():
            base, arm = (trained(folder, item.place, name) for name in (item.baseline, item.arm))
            for point in item.points:
                n = int(point.n)
                if point.sign > 0 and n in base and n in arm:
                    votes[_vote(base[n], arm[n], folder.findings.measured.level)] += 1
    judgement: Judgement = counted(votes["fitted"], votes["unfitted"], votes["unclear"])
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
