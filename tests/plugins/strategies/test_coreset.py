import numpy as np
import pytest
import torch

from labeleff.plugins.strategies import coreset, interface
from labeleff.plugins.strategies.coreset import choose, k_centres
from labeleff.plugins.strategies.interface import Pool


def slow_centres(features, labelled, candidates, count):
    """k-Center-Greedy as the paper writes it: all distances anew at every step, in float64."""
    x, covered, chosen = features.double().numpy(), labelled.tolist(), []
    for _ in range(count):
        best, farthest = None, -1.0
        for place in candidates.tolist():
            distance = min(float(np.linalg.norm(x[place] - x[other])) for other in covered)
            if place not in chosen and distance > farthest:
                best, farthest = place, distance
        chosen.append(best)
        covered.append(best)
    return chosen


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rows", [7, 4096])
def test_equal_to_a_slow_version_in_blocks_of_any_size(seed, rows, monkeypatch):
    for module in (interface, coreset):
        monkeypatch.setattr(module, "ROWS", rows)
    monkeypatch.setattr(coreset, "CENTRES", 3)
    draw = torch.Generator().manual_seed(seed)
    features = torch.randn(60, 5, generator=draw) + 10
    order = torch.randperm(60, generator=draw)
    labelled, candidates = order[:8], order[8:]
    assert k_centres(features, labelled, candidates, 15).tolist() == slow_centres(features, labelled, candidates, 15)


def test_a_far_group_is_covered_before_a_near_one():
    features = torch.cat([torch.zeros(20, 2), torch.full((5, 2), 3.0), torch.full((5, 2), 50.0)])
    chosen = k_centres(features, torch.tensor([0]), torch.arange(1, 30), 2).tolist()
    assert chosen[0] >= 25
    assert 20 <= chosen[1] < 25


def test_copies_are_chosen_once_each_in_an_order_of_the_seed():
    features = torch.ones(50, 3)
    labelled = torch.tensor([7])
    choices = {
        tuple(choose(Pool(features, features, labelled, labelled * 0, lambda x: x, seed), 49).tolist())
        for seed in range(4)
    }
    assert len(choices) == 4
    assert all(sorted(one) == [place for place in range(50) if place != 7] for one in choices)
