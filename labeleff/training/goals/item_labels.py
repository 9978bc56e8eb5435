"""Goal of items with stored features: any number of labels per item, each on its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.stats.prediction_metrics import mean_of_defined, ranked
from labeleff.training.goals.classification import _some
from labeleff.training.goals.interface import Goal, Reduction
from labeleff.training.goals.item_classes import defined


@dataclass(frozen=True)
class ItemLabels(Goal):
    """Any number of K labels per item; labels bool (N, K), scores (B, K), higher where a label is likelier.

    Items are ranked by each label's scores; labels that no test item has, or that all have, count for no mean that
    they have no value in.
    """

    name = "item_labels"
    gathers = True

    def outputs(self, classes: int) -> int:
        """Number of scores: one per label."""
        return classes

    def loss(self, scores: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
        """Compute the binary cross-entropy of logits, averaged over labels."""
        loss = F.binary_cross_entropy_with_logits(scores, target.to(scores.dtype), reduction="none").mean(1)
        return loss.sum() if reduction == "sum" else loss.mean()

    def counted(self, target: Tensor) -> Tensor:
        """Count every item."""
        return torch.ones(len(target), dtype=torch.bool, device=target.device)

    def correct(self, scores: Tensor, target: Tensor) -> Tensor:
        """Compute the share of labels on the right side of a logit of 0, times B."""
        return ((scores > 0) == target).double().mean(1).sum()

    def tally(self, scores: Tensor, target: Tensor) -> Tensor:
        """Gather scores and labels of every item: float32 (B, 2 K)."""
        return torch.cat([scores, target.to(scores.dtype)], 1)

    def metrics(self, tally: Tensor) -> dict[str, float]:
        """Compute `map` and `auroc`, averaged over labels."""
        _some(len(tally))
        scores, truth = tally.cpu().numpy().reshape(len(tally), 2, -1).swapaxes(0, 1)
        aurocs, precisions = ranked(truth > 0, scores)
        return defined({"map": mean_of_defined(precisions), "auroc": mean_of_defined(aurocs)})

    def chance(self, labels: Tensor) -> float:
        """Compute the mAP of equal scores: the mean share of items that have a label, over labels that occur."""
        shares = labels.double().mean(0)
        return float(shares[shares > 0].mean()) if bool(labels.any()) else _some(0)

    def strata(self, labels: Tensor) -> Tensor:
        """Use all labels, which draws keep the shares of."""
        return labels

    def answers(self, target: Tensor) -> Tensor:
        """Return the labels (P, K)."""
        return target
