"""Ridge in closed form against scikit-learn's, and its leave-one-out against n fits."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from labeleff.plugins.protocols import ridge
from labeleff.plugins.protocols.interface import LabelledFeatures


def problem(n=40, dim=6, classes=3, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    features = np.eye(classes, dim)[labels] + noise * rng.normal(size=(n, dim))
    return LabelledFeatures(torch.from_numpy(features.astype(np.float32)), torch.from_numpy(labels), classes)


@pytest.mark.parametrize(("n", "dim"), [(40, 6), (10, 30), (3, 5)])
@pytest.mark.parametrize("penalty", [1e-3, 0.1, 10.0])
def test_scores_are_those_of_scikit_learn(n, dim, penalty):
    one = problem(n, dim)
    x = one.features.double().numpy()
    x = (x - x.mean(0)) / x.std(0)
    expected = Ridge(alpha=penalty * n).fit(x, np.eye(3)[one.labels])
    [fitted] = ridge.fit([one], {"penalty": penalty})
    np.testing.assert_allclose(fitted.predictor(one.features).numpy(), expected.predict(x), atol=2e-5)


@pytest.mark.parametrize(("n", "dim"), [(25, 4), (12, 20)])
@pytest.mark.parametrize("penalty", [1e-2, 1.0])
def test_leave_one_out_is_that_of_n_fits(n, dim, penalty):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(n, dim)), np.eye(3)[np.arange(n) % 3]
    x -= x.mean(0)
    basis, roots, _ = torch.linalg.svd(torch.from_numpy(x), full_matrices=False)
    kept = roots > 1e-10
    shares = roots[kept] ** 2 / (roots[kept] ** 2 + penalty * n)
    said = ridge._left_out(basis[:, kept], shares[None], torch.from_numpy(y - y.mean(0)))[0].numpy() + y.mean(0)
    for i in range(n):
        others = np.arange(n) != i
        fit = Ridge(alpha=penalty * n, tol=1e-12).fit(x[others], y[others])
        np.testing.assert_allclose(said[i], fit.predict(x[i : i + 1])[0], atol=1e-8)


@pytest.mark.parametrize("penalty", [1e-2, 1.0])
def test_equal_rows_are_left_out_together(penalty):
    rng = np.random.default_rng(1)
    equal = np.array([0, 1, 1, 2, 3, 3, 3, 4, 5, 6, 7, 8, 8])
    n, y = len(equal), np.eye(3)[rng.integers(0, 3, len(equal))]
    x = rng.normal(size=(9, 4))[equal]
    x -= x.mean(0)
    basis, roots, _ = torch.linalg.svd(torch.from_numpy(x), full_matrices=False)
    shares, targets = roots**2 / (roots**2 + penalty * n), torch.from_numpy(y - y.mean(0))
    said = ridge._left_out(basis, shares[None], targets, torch.from_numpy(equal))[0].numpy() + y.mean(0)
    for i in range(n):
        others = equal != equal[i]
        fit = Ridge(alpha=penalty * n, tol=1e-12).fit(x[others], y[others])
        np.testing.assert_allclose(said[i], fit.predict(x[i : i + 1])[0], atol=1e-8)
    apart = ridge._left_out(basis, shares[None], targets, torch.arange(n))
    torch.testing.assert_close(apart, ridge._left_out(basis, shares[None], targets))


def test_repeated_rows_choose_the_penalty_of_each_once():
    """Four copies of every noisy row neither lower the penalty nor make the classes look sure."""
    once = problem(60, 20, noise=3.0)
    copies = {name: getattr(once, name).repeat_interleave(4, 0) for name in ("features", "labels")}
    equal = torch.arange(60).repeat_interleave(4)
    torn, whole = (LabelledFeatures(**copies, outputs=3, equal=each) for each in (None, equal))
    [one], [bad], [good] = (ridge.fit([each], {"penalty": 0.0}) for each in (once, torn, whole))
    assert good.temperature.value == pytest.approx(one.temperature.value, rel=0.02)  # by one label over all classes
    assert bad.temperature.value < one.temperature.value / 2
    torch.testing.assert_close(good.predictor(once.features), one.predictor(once.features), atol=1e-5, rtol=0)


def test_the_penalty_follows_the_noise():
    few, many = problem(30, 25, noise=3.0), problem(600, 6, noise=0.1)
    chosen = []
    for one in (few, many):
        mean, scale = one.features.mean(0), one.features.std(0, correction=0)
        basis, roots, _ = ridge._factors(((one.features - mean) / scale).double())
        targets = torch.nn.functional.one_hot(one.labels, 3).double()
        chosen.append(ridge._choose(basis, roots.square(), targets, one.labels)[0])
    assert chosen[0] > chosen[1]


def test_hard_problems_have_finite_scores():
    constant = LabelledFeatures(torch.ones(6, 4), torch.arange(6) % 2, 3)
    one_each = LabelledFeatures(torch.randn(2, 500, generator=torch.Generator().manual_seed(0)), torch.arange(2), 2)
    for one in (constant, one_each):
        for penalty in (0.0, 1e-9):
            [fitted] = ridge.fit([one], {"penalty": penalty})
            assert torch.isfinite(fitted.predictor(one.features)).all()
