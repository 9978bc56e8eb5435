"""Goal of items with stored features: one class per item, with metrics that don't let common classes decide alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from labeleff.stats.prediction_metrics import (
    accuracy,
    balanced_accuracy,
    log_odds,
    macro_f1,
    mean_of_defined,
    ranked,
)
from labeleff.training.goals.classification import Classes, _some

MOST = 100
"""Most classes that are recorded one by one."""


def defined(metrics: dict[str, float | None]) -> dict[str, float]:
    """Leave out metrics that have no value."""
    return {name: value for name, value in metrics.items() if value is not None}


@dataclass(frozen=True)
class ItemClasses(Classes):
    """One class per item; labels int64 (N,), scores (B, classes).

    Balanced accuracy averages over the classes in the truth, macro-F1 over those in truth or prediction, AUROC and
    average precision of a class against the rest over those that have a value, all as scikit-learn's do. Items are
    ranked by the log-odds of a class where scores are `logits`, else by the scores.
    """

    name = "item_classes"
    gathers = True
    logits: bool = field(default=True, repr=False, kw_only=True)

    def by_class(self, classes: int) -> ItemClasses:  # noqa: ARG002
        """Return this goal, which measures all classes alike."""
        return self

    def of_shares(self) -> ItemClasses:
        """Return the goal of scores that are no logits."""
        return replace(self, logits=False)

    def tally(self, scores: Tensor, target: Tensor) -> Tensor:
        """Gather scores and class of every item: float32 (B, classes + 1)."""
        return torch.cat([scores, target[:, None].to(scores.dtype)], 1)

    def parts(self, tally: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores (N, classes) and classes (N,) of a tally."""
        return tally[:, :-1], tally[:, -1].long()

    def class_counts(self, labels: Tensor, classes: int) -> list[int]:
        """Count the items of each class; empty for more classes than MOST."""
        counts: list[int] = [] if classes > MOST else torch.bincount(labels, minlength=classes).tolist()
        return counts

    def class_hits(self, tally: Tensor) -> list[int]:
        """Count the items of each class that are classified correctly; empty for more classes than MOST."""
        scores, target = self.parts(tally)
        if scores.shape[1] > MOST:
            return []
        hits: list[int] = torch.bincount(target[scores.argmax(1) == target], minlength=scores.shape[1]).tolist()
        return hits

    def metrics(self, tally: Tensor) -> dict[str, float]:
        """Compute `accuracy`, `balanced_accuracy`, `macro_f1`, `auroc` and `map`."""
        scores, target = self.parts(tally)
        _some(len(target))
        classes, true = scores.shape[1], target.cpu().numpy()
        predicted, numbers = scores.argmax(1).cpu().numpy(), scores.cpu().numpy()
        truth = true[:, None] == np.arange(classes)
        aurocs, precisions = ranked(truth, log_odds(numbers) if self.logits else numbers)
        return defined(
            {
                "accuracy": accuracy(true, predicted),
                "balanced_accuracy": balanced_accuracy(true, predicted, classes),
                "macro_f1": macro_f1(true, predicted, classes),
                "auroc": mean_of_defined(aurocs),
                "map": mean_of_defined(precisions),
            }
        )
