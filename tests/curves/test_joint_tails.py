"""Simultaneous tails: coverage, weights, infinities, one quantity alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labeleff.curves.joint_intervals import ends, joint_tails


def inside(draws: np.ndarray, truths: np.ndarray, weights: np.ndarray, level: float) -> bool:
    bounds = [ends(c, p) for c, p in zip(draws.T, joint_tails(draws, weights, level), strict=True)]
    return all(low <= truth <= high for (low, high), truth in zip(bounds, truths, strict=True))


@pytest.mark.parametrize(("count", "common"), [(1, 0.0), (5, 0.0), (5, 0.8), (20, 0.5)])
def test_all_hold_together_as_often_as_they_should(count: int, common: float) -> None:
    rng = np.random.default_rng(count)

    def normals(rows: int) -> np.ndarray:
        shared, own = rng.standard_normal((rows, 1)), rng.standard_normal((rows, count))
        return np.asarray(math.sqrt(common) * shared + math.sqrt(1 - common) * own)

    held = [inside(normals(800), normals(1)[0], np.ones(count), 0.9) for _ in range(400)]
    assert 0.86 < np.mean(held) < 0.945


def test_one_quantity_has_its_own_interval() -> None:
    draws = np.random.default_rng(0).standard_normal((1000, 1))
    assert joint_tails(draws, np.ones(1), 0.9) == pytest.approx([0.05], abs=0.001)
    assert joint_tails(draws.repeat(5, axis=1), np.ones(5), 0.9) == pytest.approx([0.05] * 5, abs=0.001)


def test_weights_share_the_tail_and_none_is_wider_than_alone() -> None:
    draws = np.random.default_rng(1).standard_normal((2000, 4))
    even, uneven = joint_tails(draws, np.ones(4), 0.9), joint_tails(draws, np.array([3.0, 1.0, 1.0, 1.0]), 0.9)
    assert uneven[0] == pytest.approx(3 * uneven[1])
    assert uneven[1] < even[1] < uneven[0] < 0.05
    assert joint_tails(draws, np.array([1e6, 1.0, 1.0, 1.0]), 0.9)[0] == pytest.approx(0.05, abs=0.001)


def test_scales_and_infinities_count_by_rank() -> None:
    draws = np.random.default_rng(2).standard_normal((1000, 3))
    tails = joint_tails(draws, np.ones(3), 0.9)
    assert (joint_tails(np.exp(draws) * [1, 100, 1e6], np.ones(3), 0.9) == tails).all()
    open_above = np.where(draws > 1.0, np.inf, draws)
    assert ends(open_above[:, 0], 0.05)[1] == np.inf
    assert (joint_tails(open_above, np.ones(3), 0.9) >= tails).all()
    assert joint_tails(np.ones((100, 2)), np.ones(2), 0.9) == pytest.approx([0.05, 0.05])


def test_ends_are_draws_and_at_the_least_the_outermost() -> None:
    draws = np.arange(100.0)
    assert ends(draws, 0.05) == (4.0, 95.0)
    assert ends(draws, 0.001) == (0.0, 99.0)
