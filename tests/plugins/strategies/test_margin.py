import torch
from hypothesis import given
from hypothesis import strategies as st

from labeleff.plugins.strategies.interface import Pool
from labeleff.plugins.strategies.margin import choose, smallest_margins


def slow_margins(probabilities, candidates, count):
    """Sort by the two largest of each row, in plain Python."""
    margins = []
    for place, index in enumerate(candidates.tolist()):
        first, second = sorted(probabilities[index].tolist(), reverse=True)[:2]
        margins.append((first - second, place, index))
    return [index for _, _, index in sorted(margins)[:count]]


@given(st.integers(0, 2**31), st.integers(2, 6), st.booleans())
def test_equal_to_a_slow_version(seed, classes, coarse):
    draw = torch.Generator().manual_seed(seed)
    scores = torch.randn(40, classes, generator=draw, dtype=torch.float64)
    probabilities = (scores.round() if coarse else scores).softmax(1)  # coarse scores have many ties
    candidates = torch.randperm(40, generator=draw)[:25]
    found = smallest_margins(probabilities, candidates, 10).tolist()
    assert found == slow_margins(probabilities, candidates, 10)


def pool(seed=0, count=200, classes=3):
    features = torch.zeros(count, 4)
    probabilities = torch.full((count, classes), 1 / classes)
    labelled = torch.arange(5)
    return Pool(features, probabilities, labelled, torch.zeros(5, dtype=torch.int64), lambda x: x, seed)


def test_ties_are_broken_by_the_seed_and_not_by_position():
    chosen = {seed: choose(pool(seed), 20).tolist() for seed in range(5)}
    assert chosen[0] == choose(pool(0), 20).tolist()
    assert len({tuple(places) for places in chosen.values()}) == 5
    places = torch.tensor(list(chosen.values())).double()
    assert 60 < float(places.mean()) < 140  # 102 if all places are equally likely, under 20 if the first are taken
    assert not {0, 1, 2, 3, 4} & {place for one in chosen.values() for place in one}


def test_candidates_are_all_without_a_label_once():
    one = pool(3)
    assert sorted(one.candidates.tolist()) == list(range(5, 200))
    assert one.candidates.tolist() != sorted(one.candidates.tolist())
