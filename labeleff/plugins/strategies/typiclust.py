"""TypiClust: the most typical example of every cluster that has no label yet.

G. Hacohen, A. Dekel, D. Weinshall, "Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets", ICML
2022, algorithm 1. All labels of a rung are asked at once, with one cluster for each that is or will be labelled.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.plugins.strategies.interface import Pool
from labeleff.plugins.strategies.k_means import k_means

CLUSTERS = 500
"""Most clusters, as in the paper (appendix F): with more labels several come from one."""
NEIGHBOURS = 20
"""Nearest neighbours whose mean distance says how typical an example is, as in the paper (section 3)."""
SMALLEST = 5
"""Size up to which a cluster is left out while there are larger ones, as in the paper (appendix F)."""
ROWS = 512
"""Members of a cluster whose distances to all others are computed at once."""


def spread(members: Tensor) -> Tensor:
    """Compute each member's mean distance to its nearest neighbours among members (m, d): the less, the more typical.

    An example alone has 0.
    """
    count = min(NEIGHBOURS, len(members) - 1)
    if count == 0:
        return members.new_zeros(1)
    means = []
    for start in range(0, len(members), ROWS):
        distance = torch.cdist(members[start : start + ROWS], members)
        distance[torch.arange(len(distance)), torch.arange(start, start + len(distance))] = torch.inf
        means.append(distance.topk(count, dim=1, largest=False).values.mean(1))
    return torch.cat(means)


def most_typical(features: Tensor, clusters: Tensor, labelled: Tensor, candidates: Tensor, count: int) -> Tensor:
    """Choose one candidate after another from the cluster with the fewest labels, the largest of several: (count,).

    `features` are (N, d), `clusters` (N,) numbers of clusters, `labelled` (n,) and `candidates` (M,) positions. Of a
    cluster's candidates the most typical comes first; of equal ones the first is taken.
    """
    total = int(clusters.max()) + 1
    sizes = torch.bincount(clusters, minlength=total).tolist()
    labels = torch.bincount(clusters[labelled], minlength=total).tolist()
    place_of = torch.empty(len(features), dtype=torch.int64)
    queues: dict[int, list[int]] = {}
    own = clusters[candidates].cpu()
    for cluster in dict.fromkeys(own.tolist()):  # in the order of the candidates, which decides ties
        members = (clusters == cluster).nonzero()[:, 0]
        place_of[members.cpu()] = torch.arange(len(members))
        free = candidates[(own == cluster).to(candidates.device)]
        order = spread(features[members])[place_of[free.cpu()].to(features.device)].argsort(stable=True)
        queues[cluster] = free[order].tolist()[::-1]
    chosen: list[int] = []
    while len(chosen) < count:
        left = [cluster for cluster, queue in queues.items() if queue]
        large = [cluster for cluster in left if sizes[cluster] > SMALLEST] or left
        best = min(large, key=lambda cluster: (labels[cluster], -sizes[cluster]))
        chosen.append(queues[best].pop())
        labels[best] += 1
    return torch.tensor(chosen, dtype=torch.int64)


def choose(pool: Pool, count: int) -> Tensor:
    """Choose the most typical candidates of clusters of the pool's features, scaled to length 1."""
    features = F.normalize(pool.features, dim=1)
    clusters = k_means(features, min(len(pool.labelled) + count, CLUSTERS), pool.seed)
    return most_typical(features, clusters, pool.labelled.to(clusters.device), pool.candidates, count)
