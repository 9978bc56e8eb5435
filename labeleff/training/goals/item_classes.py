"""Goal of items with stored features: one class per item, with metrics that don't let common classes decide alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labeleff.training.goals.classification import Classes, _some


@dataclass(frozen=True)
class ItemClasses(Classes):
    """One class per item; labels int64 (N,), scores (B, classes).

    Balanced accuracy averages over the classes in the truth, macro-F1 over those in truth or prediction, as
    scikit-learn's do.
    """

    name = "item_classes"

    def tally(self, scores: Tensor, target: Tensor) -> Tensor:
        """Count correct, true and predicted items of every class: int64 (3, classes)."""
        predicted, classes = scores.argmax(1), scores.shape[1]
        parts = (target[predicted == target], target, predicted)
        return torch.stack([torch.bincount(part, minlength=classes) for part in parts])

    def metrics(self, tally: Tensor) -> dict[str, float]:
        """Compute `accuracy`, `balanced_accuracy` and `macro_f1`."""
        correct, true, predicted = tally.double()
        _some(int(true.sum()))
        seen, met = true > 0, true + predicted > 0
        return {
            "accuracy": float(correct.sum() / true.sum()),
            "balanced_accuracy": float((correct[seen] / true[seen]).mean()),
            "macro_f1": float((2 * correct[met] / (true + predicted)[met]).mean()),
        }
