"""Depth goal: one depth per pixel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labeleff.training.device import summing_type
from labeleff.training.goals.classification import _some
from labeleff.training.goals.interface import Dense, Reduction

UNIT = 2e-4
"""Scene units per step of a depth map."""


@dataclass(frozen=True)
class Depth(Dense):
    """One depth per pixel: int16 maps in steps of 2e-4 scene units, 0 or less not counted, scores (B, 1, G, G).

    A pixel is correct where max(p / g, g / p) < 1.25. In the paper's code negative predictions always are; in this
    class a prediction that isn't a positive, finite number never is. There a pixel without depth gets the batch's
    largest one; in this class it isn't counted.
    """

    name = "depth"
    kind = torch.int16
    empty = 0

    def outputs(self, classes: int) -> int:  # noqa: ARG002
        """Number of scores: one, the depth in scene units."""
        return 1

    def counted(self, target: Tensor) -> Tensor:
        """Mark the pixels that have a depth."""
        return target > 0

    def loss(self, scores: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
        """Compute the absolute error in scene units, per counted pixel (L1)."""
        counted = self.counted(target)
        error = torch.where(counted, scores[:, 0] - target * UNIT, 0.0).abs().sum()
        return error if reduction == "sum" else error / counted.sum().clamp(min=1)

    def _within(self, scores: Tensor, target: Tensor, factor: float) -> Tensor:
        exact = summing_type(scores.device)
        truth, predicted = target.to(exact) * UNIT, scores[:, 0].to(exact)
        near = (predicted < factor * truth) & (truth < factor * predicted)
        return near & self.counted(target)

    def _hits(self, scores: Tensor, target: Tensor) -> Tensor:
        return self._within(scores, target, 1.25)

    def tally(self, scores: Tensor, target: Tensor) -> Tensor:
        """Sum up counted pixels, those within 1.25 and 1.1, squared and absolute errors: exact (5,)."""
        counted = self.counted(target)
        exact = summing_type(scores.device)
        error = scores[:, 0][counted].to(exact) - target[counted].to(exact) * UNIT
        within = [self._within(scores, target, factor).sum() for factor in (1.25, 1.1)]
        sums = (counted.sum(), *within, error.square().sum(), error.abs().sum())
        return torch.stack([one.to(exact) for one in sums])

    def metrics(self, tally: Tensor) -> dict[str, float]:
        """Compute shares of counted pixels within a factor, and errors in scene units."""
        count, within, closer, squares, errors = tally.tolist()
        count = _some(count)
        return {
            "within_1.25": within / count,
            "within_1.1": closer / count,
            "rmse": (squares / count) ** 0.5,
            "mean_absolute_error": errors / count,
        }

    def chance(self, labels: Tensor) -> float:
        """Compute the largest share of the grid's counted pixels that one depth c is correct for, exactly.

        c is correct for the depths between c / 1.25 and 1.25 c, so for a set of them if and only if the greatest is
        under 25 / 16 of the least.
        """
        used = self.target(labels)
        steps = used[self.counted(used)].to(torch.int64)
        upto = torch.bincount(steps, minlength=1).cumsum(0)
        least = torch.arange(1, len(upto))
        greatest = torch.clamp((25 * least - 1) // 16, max=len(upto) - 1)
        return int((upto[greatest] - upto[least - 1]).max()) / _some(len(steps)) if len(steps) else _some(0)

    def answers(self, target: Tensor) -> Tensor:
        """Return the depths of the counted pixels in scene units."""
        return target[self.counted(target)].to(torch.float32) * UNIT

    def start(self, labels: Tensor) -> float:
        """Compute the median labelled depth of the grid, so that training needn't learn the scale first."""
        depths = self.answers(self.target(labels))
        _some(len(depths))
        return float(depths.median())
