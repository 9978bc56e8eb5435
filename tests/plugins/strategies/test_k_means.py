import numpy as np
import pytest
import torch
from scipy.cluster.vq import kmeans2

from labeleff.plugins.strategies import k_means as code
from labeleff.plugins.strategies.k_means import first_centres, k_means, lloyd


def blobs(seed=0, each=30, centres=4):
    draw = torch.Generator().manual_seed(seed)
    middle = 10 * torch.randn(centres, 6, generator=draw, dtype=torch.float64)
    return torch.cat([m + torch.randn(each, 6, generator=draw, dtype=torch.float64) for m in middle])


@pytest.mark.parametrize("seed", range(5))
def test_lloyd_equals_scipy_from_the_same_centres(seed, monkeypatch):
    monkeypatch.setattr(code, "ROWS", 13)
    features = blobs(seed)
    start = features[torch.randperm(len(features), generator=torch.Generator().manual_seed(seed))[:5]]
    _, expected = kmeans2(features.numpy(), start.numpy(), iter=100, minit="matrix")
    assert lloyd(features, start).tolist() == expected.tolist()


def test_clear_clusters_are_found_and_the_seed_decides():
    features = blobs(1)
    clusters = k_means(features, 4, seed=5)
    assert {len(set(clusters[30 * i : 30 * (i + 1)].tolist())) for i in range(4)} == {1}
    assert len(set(clusters.tolist())) == 4
    assert torch.equal(clusters, k_means(features, 4, seed=5))


def test_first_centres_are_drawn_by_squared_distance():
    """Of three far points and many near ones, k-means++ takes the far ones nearly always."""
    features = torch.cat([0.01 * blobs(2, each=100, centres=1), torch.eye(6, dtype=torch.float64)[:3] * 1000])
    hits = np.mean([sum(bool(row.max() > 500) for row in first_centres(features, 4, seed)) for seed in range(20)])
    assert hits > 2.9


def test_fewer_different_examples_than_clusters_give_fewer():
    features = torch.tensor([[0.0], [0.0], [5.0], [5.0], [9.0]]).repeat(1, 2)
    assert len(first_centres(features, 10, 0)) == 3
    assert len(set(k_means(features, 10, 0).tolist())) == 3
