"""Interface of strategies: what one may know of a pool, and what it gives.

A strategy gets the features and probabilities of all training examples by the model of the rung below, and the labels
that are bought already. It never gets other labels, nor test examples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Pool:
    """All training examples as the model of the rung below sees them, with the labels that are bought.

    `labelled` (n,) int64 are positions in 0..N-1, and `classes` (n,) int64 in 0..C-1 their labels.
    """

    features: Tensor
    """Features (N, d) float32: the input of the model's last layer."""
    probabilities: Tensor
    """Probabilities (N, C) float32, or shares of votes where the model gives those."""
    labelled: Tensor
    classes: Tensor
    head: Callable[[Tensor], Tensor]
    """The model's last layer: from features (B, d) to probabilities (B, C)."""
    seed: int
    """Seed of all that is random in the choice, 0 up to 2**63 - 1."""

    @property
    def candidates(self) -> Tensor:
        """Positions of the examples without a label, in an order that the seed decides: int64 (N - n,).

        Of equal candidates a strategy takes the first, so that ties don't fall to the front of the files.
        """
        order = torch.from_numpy(np.random.default_rng(self.seed).permutation(len(self.features)))
        free = torch.ones(len(order), dtype=torch.bool)
        free[self.labelled.cpu()] = False
        return order[free[order]].to(self.features.device)


Strategy = Callable[[Pool, int], Tensor]
"""From a pool and a count, at most that of candidates, to the positions of as many, in the order asked: (count,)."""

ROWS = 4096
"""Rows of features whose distances are computed at once, so that no copy of the pool is made."""
EXACT = "donot_use_mm_for_euclid_dist"
"""Distances by differences: products would give equal examples a distance, and near ones a wrong order."""


def distances_to(features: Tensor, centre: Tensor) -> Tensor:
    """Compute Euclidean distances of features (N, d) to one centre (d,), block by block: (N,)."""
    blocks = torch.split(features, ROWS)
    return torch.cat([torch.cdist(block, centre[None], compute_mode=EXACT)[:, 0] for block in blocks])
