"""Ridge regression against a normal equation solved row by row."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from labeleff.plugins.protocols.features import Standardised
from labeleff.plugins.protocols.interface import LabelledFeatures
from labeleff.plugins.protocols.ridge import PENALTIES, Decomposition, fit

SHAPES = pytest.mark.parametrize(("n", "dim"), [(9, 30), (40, 6), (12, 12)])


def problem(n, dim, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    centres = torch.randn(classes, dim, generator=generator)
    return LabelledFeatures(3 + 5 * (centres[labels] + torch.randn(n, dim, generator=generator)), labels, classes)


def parts(one):
    return Standardised.of(one.features.double()).x, F.one_hot(one.labels, one.outputs).double()


def slow(x, y, penalty):
    """Solve the normal equations with a constant that has no penalty: a function from rows to predictions."""
    wide = np.hstack([x, np.ones((len(x), 1))])
    weights = np.linalg.solve(wide.T @ wide + np.diag([penalty] * x.shape[1] + [0]), wide.T @ y)
    return lambda rows: np.hstack([rows, np.ones((len(rows), 1))]) @ weights


def slow_left_out(x, y, penalty):
    """Predict every row from the others."""
    errors = []
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        errors.append(y[i] - slow(x[others], y[others], penalty)(x[i : i + 1])[0])
    return np.array(errors)


@SHAPES
@pytest.mark.parametrize("penalty", [1e-2, 1.0, 300.0])
def test_errors_of_rows_left_out_equal_the_slow_loop(n, dim, penalty):
    x, y = parts(problem(n, dim))
    errors = Decomposition.of(x, y).left_out(penalty)
    np.testing.assert_allclose(errors, slow_left_out(x.numpy(), y.numpy(), penalty), rtol=1e-6, atol=1e-8)


@SHAPES
def test_the_penalty_of_the_smallest_such_error_is_chosen(n, dim):
    x, y = parts(problem(n, dim))
    grid = [factor * max(n, dim) for factor in PENALTIES]
    errors = [(slow_left_out(x.numpy(), y.numpy(), penalty) ** 2).sum() for penalty in grid]
    assert Decomposition.of(x, y).penalty() == pytest.approx(grid[int(np.argmin(errors))])


@SHAPES
def test_scores_equal_the_normal_equations(n, dim):
    one, others = problem(n, dim), problem(20, dim, seed=1).features
    [fitted] = fit([one], {})
    x, y = parts(one)
    ready = Standardised.of(one.features.double())
    expected = slow(x.numpy(), y.numpy(), fitted.metrics["penalty"])(((others - ready.mean) / ready.scale).numpy())
    np.testing.assert_allclose(fitted.predictor(others), expected, rtol=1e-3, atol=1e-4)


def test_scale_and_offset_of_features_do_not_matter():
    one = problem(40, 7)
    moved = LabelledFeatures(one.features * 100 - 7, one.labels, one.outputs)
    [a], [b] = fit([one], {}), fit([moved], {})
    torch.testing.assert_close(a.predictor(one.features), b.predictor(moved.features), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("n", [1, 2, 12])
def test_constant_features_missing_classes_and_single_labels_are_survived(n):
    one = problem(n, 7)
    features = one.features.clone()
    features[:, 0] = 1.0
    [fitted] = fit([LabelledFeatures(features, one.labels % 2, 4)], {})
    scores = fitted.predictor(features)
    assert torch.isfinite(scores).all()
    assert int(scores.argmax(1).max()) < 2
