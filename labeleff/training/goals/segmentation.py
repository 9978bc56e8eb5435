"""Segmentation goal: one class per pixel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.training.goals.classification import _some
from labeleff.training.goals.interface import Dense, Reduction

NOT_COUNTED = 255
"""Label of a pixel that is neither trained on nor scored, in maps of classes."""


@dataclass(frozen=True)
class PixelClasses(Dense):
    """One class per pixel (segmentation): uint8 maps, 0 the background and 255 not counted, scores (B, classes, G, G).

    The loss is unweighted and the background is a class like others. The paper reports pixel accuracy alone.
    """

    name = "pixel_classes"
    kind = torch.uint8
    empty = NOT_COUNTED

    def outputs(self, classes: int) -> int:
        """Number of scores: one per class, background included."""
        return classes

    def counted(self, target: Tensor) -> Tensor:
        """Mark the pixels that have a class."""
        return target != NOT_COUNTED

    def loss(self, scores: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
        """Compute the cross-entropy per counted pixel."""
        total = F.cross_entropy(scores, target.to(torch.int64), ignore_index=NOT_COUNTED, reduction="sum")
        return total if reduction == "sum" else total / self.counted(target).sum().clamp(min=1)

    def _hits(self, scores: Tensor, target: Tensor) -> Tensor:
        return scores.argmax(1) == target

    def tally(self, scores: Tensor, target: Tensor) -> Tensor:
        """Count the confusion matrix: rows are labels, columns predictions, int64 (classes, classes)."""
        classes, counted = scores.shape[1], self.counted(target)
        pairs = target[counted].to(torch.int64) * classes + scores.argmax(1)[counted]
        return torch.bincount(pairs, minlength=classes**2).view(classes, classes)

    def metrics(self, tally: Tensor) -> dict[str, float]:
        """Compute `pixel_accuracy`, and `mean_iou` over the classes that occur in truth or prediction."""
        tally = tally.cpu()
        correct = tally.diagonal().double()
        union = tally.sum(0) + tally.sum(1) - correct
        seen = union > 0
        accuracy = float(correct.sum()) / _some(int(tally.sum()))
        return {"pixel_accuracy": accuracy, "mean_iou": float((correct[seen] / union[seen]).mean())}

    def chance(self, labels: Tensor) -> float:
        """Compute the share of the commonest class among the counted pixels of the grid."""
        counts = torch.bincount(self.answers(self.target(labels)))
        return int(counts.max()) / _some(int(counts.sum())) if len(counts) else _some(0)

    def answers(self, target: Tensor) -> Tensor:
        """Return the classes (P,) of the counted pixels."""
        return target[self.counted(target)].to(torch.int64)
