import numpy as np
import pytest
import torch

from labeleff.plugins.strategies import typiclust
from labeleff.plugins.strategies.interface import Pool
from labeleff.plugins.strategies.typiclust import choose, most_typical, spread


def slow_spread(members):
    """Mean distance to the 20 nearest others, one example at a time."""
    x, result = members.double().numpy(), []
    for place in range(len(x)):
        others = sorted(float(np.linalg.norm(x[place] - x[other])) for other in range(len(x)) if other != place)
        result.append(float(np.mean(others[:20])) if others else 0.0)
    return result


def slow_typical(features, clusters, labelled, candidates, count):
    """Algorithm 1 of the paper, all counts anew at every step."""
    marked, chosen = set(labelled.tolist()), []
    free = candidates.tolist()
    for _ in range(count):
        table = []
        for cluster in sorted(set(clusters.tolist())):
            members = (clusters == cluster).nonzero()[:, 0].tolist()
            left = [place for place in free if place in members and place not in marked]
            if left:
                table.append((len(members) <= 5, len(marked & set(members)), -len(members), left, members))
        _, _, _, left, members = min(table, key=lambda row: row[:3])
        typical = dict(zip(members, slow_spread(features[members]), strict=True))
        best = min(left, key=lambda place: typical[place])
        chosen.append(best)
        marked.add(best)
    return chosen


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_a_slow_version(seed, monkeypatch):
    monkeypatch.setattr(typiclust, "ROWS", 11)
    draw = torch.Generator().manual_seed(seed)
    features = torch.randn(120, 4, generator=draw)
    clusters = torch.repeat_interleave(torch.arange(7), torch.tensor([40, 31, 20, 13, 9, 4, 3]))
    clusters = clusters[torch.randperm(120, generator=draw)]
    order = torch.randperm(120, generator=draw)
    labelled, candidates = order[:6], order[6:]
    found = most_typical(features, clusters, labelled, candidates, 25).tolist()
    assert found == slow_typical(features, clusters, labelled, candidates, 25)


@pytest.mark.parametrize("size", [1, 2, 15, 60])
def test_spread_is_the_mean_distance_to_the_nearest(size):
    members = torch.randn(size, 3, generator=torch.Generator().manual_seed(size))
    assert spread(members).tolist() == pytest.approx(slow_spread(members), rel=1e-5, abs=1e-6)


def test_small_clusters_are_asked_when_no_others_are_left():
    features = torch.randn(12, 2, generator=torch.Generator().manual_seed(0))
    clusters = torch.tensor([0] * 8 + [1] * 4)
    chosen = most_typical(features, clusters, torch.tensor([0]), torch.arange(1, 12), 11).tolist()
    assert sorted(chosen) == list(range(1, 12))
    assert all(place < 8 for place in chosen[:7])


def test_every_cluster_gets_a_label_before_any_gets_two():
    draw = torch.Generator().manual_seed(3)
    directions = torch.eye(8)
    features = torch.cat([d + 0.05 * torch.randn(20, 8, generator=draw) for d in directions])
    labelled = torch.tensor([0, 20])
    pool = Pool(features, features, labelled, labelled * 0, lambda x: x, 11)
    chosen = choose(pool, 6)
    assert sorted((chosen // 20).tolist()) == [2, 3, 4, 5, 6, 7]
