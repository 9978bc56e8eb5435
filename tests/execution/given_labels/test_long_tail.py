"""Long tails: sizes as published, nested pools, draws that follow them."""

import numpy as np
import pytest

from labeleff.errors import LadderError
from labeleff.execution.draws import draw_order
from labeleff.execution.given_labels.long_tail import tail_positions, tail_sizes

CIFAR10_LT = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
"""Class sizes of CIFAR-10-LT at ratio 100, as Cao et al. (2019) and everybody since use it."""
LABELS = np.random.default_rng(0).permutation(np.arange(5000) % 10)


def test_sizes_are_those_of_cifar10_lt():
    assert tail_sizes([5000] * 10, 100) == CIFAR10_LT
    assert sum(tail_sizes([500] * 100, 100)) == 10847
    assert tail_sizes([7, 7], 1) == [7, 7]


def test_an_unbalanced_pool_keeps_as_much_as_its_scarcest_class_allows():
    sizes = tail_sizes([1000, 1000, 5], 10)
    assert sizes == [50, 15, 5]


def test_pools_are_nested_over_ratios_and_the_same_for_all_draws():
    pools = [set(tail_positions(LABELS, 10, ratio, "toy/classify").tolist()) for ratio in (2, 10, 50)]
    assert pools[2] < pools[1] < pools[0]
    assert pools[0] != set(tail_positions(LABELS, 10, 2, "other/classify").tolist())


def test_draws_follow_the_tail_at_every_rung_and_are_nested():
    kept = tail_positions(LABELS, 10, 50, "toy/classify")
    order = kept[draw_order(LABELS[kept], 0, subset="stratified", task="toy/classify")]
    sizes = np.array(tail_sizes([500] * 10, 50))
    assert sorted(order.tolist()) == kept.tolist()
    for n in (100, 400, len(order)):
        counts = np.bincount(LABELS[order[:n]], minlength=10)
        assert (abs(counts - n * sizes / sizes.sum()) < 1 + 10 * sizes / sizes.sum()).all()


@pytest.mark.parametrize(
    ("counts", "ratio", "found"),
    [
        ([100], 10, "found 1 class, expected two or more"),
        ([100, 100, 0], 10, "of which 3 of 3 classes would keep none"),
        ([50, 50, 50], 100, "imbalance 100: found a pool of 150 examples, of which 1 of 3 classes would keep none"),
    ],
)
def test_impossible_tails_are_refused_with_numbers(counts, ratio, found):
    with pytest.raises(LadderError, match=found):
        tail_sizes(counts, ratio)
