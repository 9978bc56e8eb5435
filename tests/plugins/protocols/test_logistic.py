"""The solver of logistic regressions against scipy's, in float64 and with rounded features."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize

from labeleff.plugins.protocols import logistic
from labeleff.plugins.protocols.features import Standardised, standardisation
from labeleff.plugins.protocols.interface import LabelledFeatures
from labeleff.plugins.protocols.logistic import TOLERANCE, Batch, Spectrum, solve

PRIOR = 10.0


def problem(n, dim=7, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    centres = torch.randn(classes, dim, generator=generator)
    features = 3 + 5 * (centres[labels] + torch.randn(n, dim, generator=generator))
    return LabelledFeatures(features, labels, classes)


def slow_solution(one, prior):
    """L-BFGS of scipy on the same objective, in float64."""
    mean, scale = standardisation(one.features)
    x = ((one.features - mean) / scale).double().numpy()
    x = np.hstack([x, np.ones((len(x), 1))])
    y = np.eye(one.outputs)[one.labels.numpy()]
    decay = np.full((x.shape[1], 1), (x.shape[1] - 1) / prior)
    decay[-1] = 1e-3

    def loss(flat):
        w = flat.reshape(x.shape[1], one.outputs)
        z = x @ w
        z -= z.max(1, keepdims=True)
        log_sum = np.log(np.exp(z).sum(1, keepdims=True))
        value = -((z - log_sum) * y).sum() + 0.5 * (decay * w * w).sum()
        gradient = x.T @ (np.exp(z - log_sum) - y) + decay * w
        return value, gradient.ravel()

    start = np.zeros(x.shape[1] * one.outputs)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-14, "gtol": 1e-9})
    return found.x.reshape(x.shape[1], one.outputs)


def batch_of(one, prior=PRIOR):
    x = Standardised.of(one.features).x
    return Batch(x[None], F.one_hot(one.labels, one.outputs).float().T[None], x.shape[1] / prior)


def solution(one, prior=PRIOR):
    batch = batch_of(one, prior)
    return solve(batch, Spectrum.of(batch.x[0]))[0].T


def test_solution_equals_scipys():
    for n in (12, 40, 300):
        one = problem(n)
        expected = slow_solution(one, 10.0)
        found = solution(one).double().numpy()
        assert np.abs(found[:-1] - expected[:-1]).max() < 2e-3
        assert np.abs((found[-1] - found[-1].mean()) - (expected[-1] - expected[-1].mean())).max() < 5e-3


def slope(batch, weights):
    """Compute the largest entry of the objective's gradient in float64, relative to n."""
    x, y, w = batch.x[0].double(), batch.y[0].double(), weights[0].double()
    p = torch.softmax(w[:, :-1] @ x.T + w[:, -1:], 0)
    gradient = torch.cat([(p - y) @ x, (p - y).sum(1, keepdim=True)], 1) + batch.decay.double() * w
    return float(gradient.abs().max()) / len(x)


@pytest.fixture
def rounding(monkeypatch):
    """Begin with rounded features on every machine and at every size."""
    monkeypatch.setattr(logistic, "products_gain", lambda: True)
    monkeypatch.setattr(logistic, "ROUNDED_FROM", 1)
    monkeypatch.setattr(logistic, "FAR", 100)


@pytest.mark.parametrize("prior", [0.1, 10.0, 1000.0])
@pytest.mark.parametrize(("n", "dim"), [(30, 7), (60, 200), (900, 40)])
def test_the_gradient_in_float64_is_within_the_tolerance(n, dim, prior):
    batch = batch_of(problem(n, dim), prior)
    assert slope(batch, solve(batch, Spectrum.of(batch.x[0]))) <= 1.05 * TOLERANCE


@pytest.mark.parametrize(("n", "dim"), [(60, 200), (900, 40)])
def test_rounded_features_end_at_the_same_minimum(n, dim, rounding):
    batch = batch_of(problem(n, dim))
    spectrum = Spectrum.of(batch.x[0])
    assert slope(batch, solve(batch, spectrum)) <= 1.05 * TOLERANCE
    assert batch.rounded().x.dtype == torch.bfloat16


@pytest.mark.parametrize("skew", [1.0, 0.3])
def test_features_of_steep_spectrum_and_rare_classes_are_solved(skew):
    generator = torch.Generator().manual_seed(1)
    labels = torch.multinomial(skew ** torch.arange(5).float(), 400, replacement=True, generator=generator)
    features = torch.randn(400, 60, generator=generator) * 0.8 ** torch.arange(60)
    features = features @ torch.randn(60, 60, generator=generator) + F.one_hot(labels, 60)
    batch = batch_of(LabelledFeatures(features, labels, 6))
    assert slope(batch, solve(batch, Spectrum.of(batch.x[0]))) <= 1.05 * TOLERANCE


def test_where_the_fast_search_for_eigenvectors_fails_the_solution_is_the_same(monkeypatch):
    one, usual = batch_of(problem(40)), torch.linalg.eigh
    expected = solve(one, Spectrum.of(one.x[0]))

    def failing(matrix):
        if matrix.dtype == torch.float32 and matrix.ndim == 2:
            raise torch.linalg.LinAlgError("failed to converge")
        return usual(matrix)

    monkeypatch.setattr(torch.linalg, "eigh", failing)
    spectrum = Spectrum.of(one.x[0])
    assert spectrum.vectors.dtype == spectrum.values.dtype == torch.float32
    torch.testing.assert_close(solve(one, spectrum), expected, rtol=1e-3, atol=1e-3)


def test_features_most_of_which_never_vary_are_solved():
    """Such as hashed words: the fast search for eigenvectors does not end for most of these."""
    for seed in range(4):
        dice = torch.Generator().manual_seed(seed)
        features = torch.zeros(300, 256)
        features[:, ::15] = torch.randint(0, 3, (300, 18), generator=dice).float()
        x = Standardised.of(features).x
        spectrum = Spectrum.of(x)
        torch.testing.assert_close(
            spectrum.vectors * spectrum.values @ spectrum.vectors.T, x.T @ x / 300, atol=1e-3, rtol=0
        )


def test_the_solution_does_not_depend_on_start_or_spectrum():
    batch = batch_of(problem(300))
    usual = solve(batch, Spectrum.of(batch.x[0]))
    other = solve(batch, Spectrum.of(torch.randn(50, 7)), torch.randn(1, 4, 8))
    torch.testing.assert_close(usual[..., :-1], other[..., :-1], rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize("rows", [5, 40])
def test_a_spectrum_has_the_eigenvectors_of_the_second_moments(rows):
    x = torch.randn(rows, 12, generator=torch.Generator().manual_seed(0))
    spectrum = Spectrum.of(x)
    assert spectrum.vectors.shape == (12, min(rows, 12))
    torch.testing.assert_close(spectrum.vectors.T @ spectrum.vectors, torch.eye(min(rows, 12)), rtol=0, atol=1e-4)
    torch.testing.assert_close((spectrum.vectors * spectrum.values) @ spectrum.vectors.T, x.T @ x / rows)


def test_padding_does_not_count():
    ones = [batch_of(problem(n, seed=n)) for n in (20, 33)]
    spectrum = Spectrum.of(ones[1].x[0])
    wide = F.pad(ones[0].x, (0, 0, 0, 13)), F.pad(ones[0].y, (0, 13))
    both = Batch(torch.cat([wide[0], ones[1].x]), torch.cat([wide[1], ones[1].y]), ones[0].penalty)
    apart = torch.cat([solve(one, spectrum) for one in ones])
    torch.testing.assert_close(solve(both, spectrum), apart, rtol=5e-3, atol=5e-3)
