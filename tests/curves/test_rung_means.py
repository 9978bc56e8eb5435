"""Noise that arms share: joint replicates against their covariances, and conditioning against a slow normal formula."""

from __future__ import annotations

import numpy as np
import pytest

from labeleff.curves.rung_means import (
    ASSUMED_SD,
    BASELINE,
    OFFSET_SHARE,
    Errors,
    checked_rungs,
    means_of_groups,
    means_of_runs,
    shared_noise,
)
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
    noise = shared_noise(base, count)
    assert noise is not None
    return noise.conditional(arm, own)


LUCK = 0.05 * np.array([1.0, -1.0, 0.5, -0.5])


def test_covariance_of_groups_is_moderated_and_has_a_common_offset() -> None:
    groups = [[0.30, 0.34], [0.41, 0.44, 0.42], [0.52, 0.50]]
    found = means_of_groups(checked_rungs(NS[:3], groups))
    off = found.covariance[0, 1]
    np.testing.assert_allclose(found.covariance - np.diag(np.diag(found.covariance)), off * (1 - np.eye(3)))
    assert off == pytest.approx(OFFSET_SHARE * (found.variance - off).mean())
    assert (found.first, found.last, found.counts.tolist()) == (50, 200, [2, 3, 2])
    drawn = found.draw(2000)
    assert drawn is not None
    np.testing.assert_allclose(drawn.mean(axis=0), found.means, atol=0.003)


def test_one_run_a_rung_has_an_assumed_noise_and_no_replicates() -> None:
    alone = {10: {(0, 0): 0.2}, 20: {(0, 0): 0.4}}
    for found in (means_of_groups(checked_rungs([10, 20], [[0.2], [0.4]])), means_of_runs(alone, "own")):
        assert found.draw(10) is None
        assert (found.variance >= ASSUMED_SD**2).all()
    assert shared_noise(alone, 10) is None
    noise = shared_noise(runs(1), 10)
    assert noise is not None
    assert noise.conditional(alone, "arm") is None


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
