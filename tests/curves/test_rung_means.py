"""Noise that arms share: joint replicates against their covariances, and conditioning against a slow normal formula."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
import torch

from labeleff.curves.rung_means import (
    BASELINE,
    LEVEL_MEAN,
    LEVEL_SLOPE,
    Errors,
    borrowed_sd,
    checked_rungs,
    label_count,
    means_of_groups,
    means_of_runs,
    shared_noise,
)
from labeleff.errors import CurveError
from labeleff.stats.moderation import COARSEST, moderated_variance
from labeleff.stats.resampling import means, resample

NS = [50, 100, 200, 400]
Table = dict[int, dict[tuple[int, int], float]]


def runs(seed: int, luck: np.ndarray | None = None, draws: int = 4, first: int = 0) -> Table:
    """Runs with draws from `first` on; a draw's `luck` is added at every rung."""
    rng = np.random.default_rng(seed)
    common = np.zeros(draws) if luck is None else luck
    return {
        n: {(first + d, 0): float(0.4 + 0.1 * k + common[d] + 0.02 * rng.standard_normal()) for d in range(draws)}
        for k, n in enumerate(NS)
    }


def given(base: Table, arm: Table, own: str, count: int) -> Errors | None:
    """Errors of an arm given the baseline's, where a method learns neither scatter nor the level of noise."""
    return shared_noise(base, np.zeros(count), None).conditional(arm, own)


LUCK = 0.05 * np.array([1.0, -1.0, 0.5, -0.5])


def test_groups_have_moderated_variances_and_no_covariance() -> None:
    groups = [[0.30, 0.34], [0.41, 0.44, 0.42], [0.52, 0.50]]
    found = means_of_groups(checked_rungs(NS[:3], groups))
    moderated = moderated_variance(NS[:3], groups)
    assert moderated is not None
    np.testing.assert_allclose(found.covariance, np.diag(moderated.variance / [2, 3, 2]))
    assert (found.first, found.last, found.counts.tolist()) == (50, 200, [2, 3, 2])
    assert not found.borrowed
    assert found.df == np.median(moderated.df)
    assert found.resolution == COARSEST
    drawn = found.draw(2000)
    assert drawn is not None
    np.testing.assert_allclose(drawn.mean(axis=0), found.means, atol=0.003)


def test_one_run_per_rung_borrows_its_noise_and_has_no_replicates() -> None:
    alone = {10: {(0, 0): 0.2}, 20: {(0, 0): 0.4}}
    sd = [np.exp(LEVEL_MEAN + LEVEL_SLOPE * np.log(n / 10)) * np.sqrt(p * (1 - p)) for n, p in ((10, 0.2), (20, 0.4))]
    for found in (means_of_groups(checked_rungs([10, 20], [[0.2], [0.4]])), means_of_runs(alone, "own")):
        assert found.borrowed
        assert found.draw(10) is None
        np.testing.assert_allclose(found.covariance, np.diag(np.square(sd)))
    assert (borrowed_sd(np.array([10.0, 10.0]), np.array([0.0, 1.0]), 10.0) > 0).all()


def test_without_noise_there_are_errors_only_where_the_method_learns_them() -> None:
    alone = {10: {(0, 0): 0.2}, 20: {(0, 0): 0.4}}
    assert given(runs(1), alone, "arm", 10) is None
    assert given(alone, alone, "arm", 10) is None
    level = np.full(20_000, 2.0)
    for base in (runs(1), alone):
        found = shared_noise(base, np.zeros(len(level)), level).conditional(alone, "arm")
        assert found is not None
        assert (found.gain == 0).all()
        sd = 2 * borrowed_sd(np.array([10.0, 20.0]), np.array([0.2, 0.4]), min(base))
        np.testing.assert_allclose(found.residuals.std(axis=0), sd, rtol=0.03)
        np.testing.assert_allclose(found.residuals.mean(axis=0), 0, atol=0.03 * sd.max())


def test_scatter_adds_to_the_noise_of_an_arms_runs() -> None:
    base, arm, count = runs(1, LUCK), runs(2, LUCK, first=10), 20_000
    plain = given(base, arm, "arm", count)
    scattered = shared_noise(base, np.full(count, 0.05), None).conditional(arm, "arm")
    assert plain is not None
    assert scattered is not None
    expected = np.sqrt(plain.residuals.var(axis=0) + 0.05**2)
    np.testing.assert_allclose(scattered.residuals.std(axis=0), expected, rtol=0.03)


def test_covariance_of_runs_is_that_of_their_replicates() -> None:
    found = means_of_runs(runs(1, LUCK, draws=4), "own")
    drawn = found.draw(40_000)
    assert drawn is not None
    ours = found.covariance / np.sqrt(np.outer(found.variance, found.variance))
    np.testing.assert_allclose(np.corrcoef(drawn.T), ours, atol=0.03)
    assert ours[0, 3] > 0.3


def test_few_replicates_are_the_first_of_many() -> None:
    """So that a curve's 500 and an arm's 2,000 replicates are drawn together."""
    found = means_of_runs(runs(1, LUCK), "own")
    few, many = found.draw(500), found.draw(2000)
    assert few is not None
    assert many is not None
    np.testing.assert_array_equal(few, many[:500])


def test_errors_of_an_arm_follow_the_baselines_by_the_draws_they_share() -> None:
    base, arm = runs(1, LUCK), runs(2, LUCK)
    found = given(base, arm, "arm", 40_000)
    first, second = resample(base, BASELINE, count=40_000), resample(arm, "arm", count=40_000)
    assert found is not None
    assert first is not None
    assert second is not None
    joint = np.cov(np.concatenate([first, second], axis=1).T)
    slow = np.linalg.solve(joint[:4, :4], joint[:4, 4:]).T
    at = np.array([[0.03, 0.02, -0.01, 0.01]])
    np.testing.assert_allclose(found.conditional(at).mean(axis=0), (slow @ at[0]), atol=0.006)
    rest = joint[4:, 4:] - slow @ joint[:4, 4:]
    np.testing.assert_allclose(np.var(found.residuals, axis=0), np.diag(rest), rtol=0.1)
    # Put back together, the errors are as large as the arm's own replicates say.
    whole = found.conditional(first - means(base))
    np.testing.assert_allclose(whole.std(axis=0), second.std(axis=0), rtol=0.05)


def test_arms_without_a_draw_in_common_have_nothing_in_common() -> None:
    found = given(runs(1, LUCK), runs(2, LUCK, first=10), "arm", 100)
    assert found is not None
    assert (found.gain == 0).all()


def test_an_arms_errors_do_not_depend_on_the_other_arms_name() -> None:
    base = runs(1, LUCK)
    one, two = (given(base, runs(2, LUCK), name, 200) for name in ("one", "two"))
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.gain, two.gain)
    assert not np.allclose(one.residuals, two.residuals)


def test_variances_that_differ_by_decades_have_a_gain() -> None:
    """Without a warning of an ill-conditioned matrix."""
    ns = [1, 1000, 10**15]
    base = {n: {(d, 0): 0.5 + spread * d for d in range(3)} for n, spread in zip(ns, (0.1, 1e-4, 1e-9), strict=True)}
    found = given(base, {n: dict(rung) for n, rung in base.items()}, "arm", 50)
    assert found is not None
    assert np.isfinite(found.gain).all()
    assert (np.diag(found.gain) > 0).all()


def test_label_counts_are_whatever_can_be_a_number() -> None:
    for given in (50, 50.0, "50", np.int64(50), np.array(50), torch.tensor(50), torch.tensor(50.0), Decimal(50)):
        assert label_count(given, "n") == 50
    assert label_count(Decimal("12.5"), "n") == 12.5
    assert checked_rungs(torch.tensor([50, 100]), [[0.3], [0.4]]).ns == [50, 100]  # type: ignore[arg-type]
    for wrong in (True, np.True_, "x", None, [50], np.array([50, 60]), torch.tensor([50, 60]), 5j):
        with pytest.raises(CurveError, match=r"n: found .*, expected numbers, as in 50"):
            label_count(wrong, "n")
