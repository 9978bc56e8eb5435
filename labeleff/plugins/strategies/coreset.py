"""Core-set: examples that are farthest from all that are labelled, one after another.

O. Sener, S. Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach", ICLR 2018, algorithm 1
(k-Center-Greedy), with Euclidean distances between the inputs of the model's last layer.
"""

from __future__ import annotations

import torch
from torch import Tensor

from labeleff.plugins.strategies.interface import ROWS, Pool, distances_to

CENTRES = 1024
"""Labelled examples whose distances are computed at once."""


def nearest(features: Tensor, centres: Tensor) -> Tensor:
    """Compute the distance of features (N, d) to the nearest of centres (n, d), n >= 1, block by block: (N,)."""
    rows = []
    for block in torch.split(features, ROWS):
        parts = [torch.cdist(block, some).amin(1) for some in torch.split(centres, CENTRES)]
        rows.append(torch.stack(parts).amin(0))
    return torch.cat(rows)


def k_centres(features: Tensor, labelled: Tensor, candidates: Tensor, count: int) -> Tensor:
    """Choose candidates greedily, each the farthest from all labelled and chosen ones: int64 (count,).

    `features` are (N, d), `labelled` (n,) and `candidates` (M,) positions; of equal ones the first is taken.
    """
    distance = nearest(features, features[labelled])
    chosen: list[int] = []
    for _ in range(count):
        place = int(candidates[distance[candidates].argmax()])
        chosen.append(place)
        distance = torch.minimum(distance, distances_to(features, features[place]))
        distance[place] = -1.0  # below every distance: it isn't chosen again where all others are copies
    return torch.tensor(chosen, dtype=torch.int64)


def choose(pool: Pool, count: int) -> Tensor:
    """Choose candidates that cover the features of the pool."""
    return k_centres(pool.features, pool.labelled.to(pool.features.device), pool.candidates, count)
