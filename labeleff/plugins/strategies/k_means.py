"""Clusters of features by k-means, seeded and in blocks."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.plugins.strategies.interface import ROWS, distances_to

ROUNDS = 100
"""Most rounds of Lloyd's algorithm."""


def first_centres(features: Tensor, count: int, seed: int) -> Tensor:
    """Draw centres from features (N, d) by k-means++ (Arthur & Vassilvitskii 2007): (count, d).

    They are fewer where fewer examples differ.
    """
    rng = np.random.default_rng(seed)
    places = [int(rng.integers(len(features)))]
    squared = distances_to(features, features[places[0]]).cpu().double().square()
    while len(places) < count and float(squared.sum()) > 0:
        sums = squared.cumsum(0)
        place = int(torch.searchsorted(sums, float(sums[-1]) * rng.random(), right=True))
        places.append(min(place, int(squared.nonzero()[-1])))
        squared = torch.minimum(squared, distances_to(features, features[places[-1]]).cpu().double().square())
    return features[places]


def nearest_centres(features: Tensor, centres: Tensor) -> Tensor:
    """Number the centre (k, d) that is nearest to each of features (N, d): int64 (N,)."""
    half = centres.square().sum(1) / 2
    return torch.cat([(half - block @ centres.T).argmin(1) for block in torch.split(features, ROWS)])


def lloyd(features: Tensor, centres: Tensor) -> Tensor:
    """Move centres to the means of their clusters until nothing changes: clusters of features (N, d), int64 (N,).

    A centre without members stays where it is.
    """
    clusters = nearest_centres(features, centres)
    for _ in range(ROUNDS):
        sums, sizes = torch.zeros_like(centres), centres.new_zeros(len(centres))
        for block, own in zip(torch.split(features, ROWS), torch.split(clusters, ROWS), strict=True):
            members = F.one_hot(own, len(centres)).to(block.dtype)
            sums += members.T @ block
            sizes += members.sum(0)
        centres = torch.where(sizes[:, None] > 0, sums / sizes.clamp(min=1)[:, None], centres)
        before, clusters = clusters, nearest_centres(features, centres)
        if torch.equal(before, clusters):
            break
    return clusters


def k_means(features: Tensor, count: int, seed: int) -> Tensor:
    """Cluster features (N, d) into `count` clusters or, where fewer examples differ, fewer: int64 (N,)."""
    return lloyd(features, first_centres(features, count, seed))
