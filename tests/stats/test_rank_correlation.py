"""Rank correlations against scipy's, slow versions and known truths."""

import numpy as np
import pytest
from scipy import stats

from labeleff.errors import OptionError
from labeleff.stats.rank_correlation import FEWEST, rank_correlation, reliability, spearman


def scores(seed, methods, rho, rungs=1):
    """Two scores (R, P) whose population correlation is `rho`, methods' quality shared by the rungs."""
    draw = np.random.default_rng(seed)
    covariance = [[1, rho], [rho, 1]]
    quality = draw.multivariate_normal([0, 0], covariance, size=methods)
    noise = draw.multivariate_normal([0, 0], covariance, size=(rungs, methods))
    both = np.sqrt(0.8) * quality + np.sqrt(0.2) * noise
    return both[..., 0], both[..., 1]


def test_it_is_scipys_also_with_ties():
    first, second = scores(0, 9, 0.5, rungs=3)
    first = first.round(0)
    expected = [stats.spearmanr(a, b).statistic for a, b in zip(first, second, strict=True)]
    assert spearman(first, second) == pytest.approx(expected)
    assert rank_correlation(first, second).value == pytest.approx(np.mean(expected))


def test_only_ranks_count():
    first, second = scores(1, 8, 0.4)
    assert rank_correlation(np.exp(first), second**3) == rank_correlation(first, second)
    turned = rank_correlation(first, -second)
    straight = rank_correlation(first, second)
    assert turned.value == pytest.approx(-straight.value)
    assert (turned.low, turned.high) == pytest.approx((-straight.high, -straight.low))


@pytest.mark.parametrize(("rho", "rungs"), [(0.0, 1), (0.6, 1), (0.8, 4)])
def test_intervals_hold_the_truth_as_often_as_they_say(rho, rungs):
    truth = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's of a normal pair
    found = [rank_correlation(*scores(seed, 10, rho, rungs)) for seed in range(250)]
    held = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.85 <= held <= 0.985


def test_the_same_rung_over_again_is_no_new_evidence():
    first, second = scores(2, 9, 0.5)
    once = rank_correlation(first, second)
    assert rank_correlation(np.repeat(first, 5, axis=0), np.repeat(second, 5, axis=0)).low == pytest.approx(once.low)


def test_too_few_methods_have_no_interval():
    first, second = scores(3, FEWEST - 1, 0.5)
    assert rank_correlation(first, second).low is None
    assert rank_correlation(*scores(3, FEWEST, 0.5)).low is not None


def test_a_side_of_ties_alone_tells_nothing():
    assert rank_correlation(np.ones((1, 6)), np.arange(6.0)[None]).value == 0


def test_reliability_predicts_the_correlation_of_new_means():
    draw = np.random.default_rng(4)
    found, seen = [], []
    for _ in range(100):
        quality = draw.standard_normal((1, 12))
        runs = [quality + draw.standard_normal((1, 12)) for _ in range(6)]
        found.append(reliability(runs[:3]))
        seen.append(spearman(np.mean(runs[:3], axis=0), np.mean(runs[3:], axis=0)).mean())
    assert np.mean(found) == pytest.approx(np.mean(seen), abs=0.05)
    assert reliability(runs[:1]) is None


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        (np.ones(4), np.ones(4), "expected"),
        (np.ones((1, 4)), np.ones((2, 4)), "expected"),
        (np.ones((1, 2)), np.ones((1, 2)), "3 or more"),
        (np.full((1, 4), np.nan), np.ones((1, 4)), "finite"),
    ],
)
def test_scores_that_make_no_sense_are_refused(first, second, what):
    with pytest.raises(OptionError, match=what):
        rank_correlation(first, second)
