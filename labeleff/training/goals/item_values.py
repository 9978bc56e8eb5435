"""Goal of items with stored features: one real value per item, or one of several ordered grades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.stats.prediction_metrics import r2, spearman
from labeleff.training.goals.classification import _some
from labeleff.training.goals.interface import Goal, Reduction
from labeleff.training.goals.item_classes import defined

GRADES = 20
"""Most different values that are strata themselves; more of them are cut into tenths."""


@dataclass(frozen=True)
class ItemValues(Goal):
    """One value per item; labels float64 (N,), scores (B, 1) in the values' own unit."""

    name = "item_values"
    gathers = True

    def outputs(self, classes: int) -> int:  # noqa: ARG002
        """Number of scores: one."""
        return 1

    def loss(self, scores: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
        """Compute the squared error."""
        return F.mse_loss(scores[:, 0], target.to(scores.dtype), reduction=reduction)

    def counted(self, target: Tensor) -> Tensor:
        """Count every value."""
        return torch.ones_like(target, dtype=torch.bool)

    def correct(self, scores: Tensor, target: Tensor) -> Tensor:
        """Compute the values' R2 within the batch, times B."""
        rest, whole = (scores[:, 0] - target).square().sum(), (target - target.mean()).square().sum()
        return len(target) * (1 - rest / whole.clamp(min=1e-30))

    def tally(self, scores: Tensor, target: Tensor) -> Tensor:
        """Gather score and value of every item: float64 (B, 2)."""
        return torch.stack([scores[:, 0].double(), target.double()], 1)

    def metrics(self, tally: Tensor) -> dict[str, float]:
        """Compute `r2` and `spearman`."""
        _some(len(tally))
        said, truth = tally.cpu().numpy().T
        return defined({"r2": r2(truth, said), "spearman": spearman(truth, said)})

    def chance(self, labels: Tensor) -> float:  # noqa: ARG002
        """Give the R2 of the best constant answer, which is 0."""
        return 0.0

    def strata(self, labels: Tensor) -> Tensor:
        """Use up to 20 different values as strata, or else tenths of the values' ranks."""
        values, numbers = np.unique(labels.cpu().numpy(), return_inverse=True)
        if len(values) <= GRADES:
            return torch.from_numpy(numbers)
        ranks = labels.argsort(stable=True).argsort(stable=True)
        return torch.div(ranks * 10, len(labels), rounding_mode="floor")

    def answers(self, target: Tensor) -> Tensor:
        """Return the values (P,) as float32."""
        return target.to(torch.float32)
