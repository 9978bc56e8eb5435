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
    return solve(batch, Spectrum.of(batch.x[0])).weights[0].T


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
    assert slope(batch, solve(batch, Spectrum.of(batch.x[0])).weights) <= 1.05 * TOLERANCE


@pytest.mark.parametrize(("n", "dim"), [(60, 200), (900, 40)])
def test_rounded_features_end_at_the_same_minimum(n, dim, rounding):
    batch = batch_of(problem(n, dim))
    spectrum = Spectrum.of(batch.x[0])
    assert slope(batch, solve(batch, spectrum).weights) <= 1.05 * TOLERANCE
    assert batch.rounded().x.dtype == torch.bfloat16


@pytest.mark.parametrize("skew", [1.0, 0.3])
def test_features_of_steep_spectrum_and_rare_classes_are_solved(skew):
    generator = torch.Generator().manual_seed(1)
    labels = torch.multinomial(skew ** torch.arange(5).float(), 400, replacement=True, generator=generator)
    features = torch.randn(400, 60, generator=generator) * 0.8 ** torch.arange(60)
    features = features @ torch.randn(60, 60, generator=generator) + F.one_hot(labels, 60)
    batch = batch_of(LabelledFeatures(features, labels, 6))
    assert slope(batch, solve(batch, Spectrum.of(batch.x[0])).weights) <= 1.05 * TOLERANCE


def test_where_the_fast_search_for_eigenvectors_fails_the_solution_is_the_same(monkeypatch):
    one, usual = batch_of(problem(40)), torch.linalg.eigh
    expected = solve(one, Spectrum.of(one.x[0])).weights

    def failing(matrix):
        if matrix.dtype == torch.float32 and matrix.ndim == 2:
            raise torch.linalg.LinAlgError("failed to converge")
        return usual(matrix)

    monkeypatch.setattr(torch.linalg, "eigh", failing)
    spectrum = Spectrum.of(one.x[0])
    assert spectrum.vectors.dtype == spectrum.values.dtype == torch.float32
    torch.testing.assert_close(solve(one, spectrum).weights, expected, rtol=1e-3, atol=1e-3)


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
    usual = solve(batch, Spectrum.of(batch.x[0])).weights
    other = solve(batch, Spectrum.of(torch.randn(50, 7)), torch.randn(1, 4, 8)).weights
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
    apart = torch.cat([solve(one, spectrum).weights for one in ones])
    torch.testing.assert_close(solve(both, spectrum).weights, apart, rtol=5e-3, atol=5e-3)


def steep(n, power, dim=64):
    """Features whose variances fall by a power of their place, as an untrained encoder's."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 4
    latent = torch.randn(n, dim, generator=generator) + F.one_hot(labels, dim)
    turn = torch.linalg.qr(torch.randn(dim, dim, generator=generator))[0]
    return LabelledFeatures((latent * torch.arange(1, dim + 1) ** (-power / 2)) @ turn, labels, 4)


@pytest.mark.parametrize(("n", "power", "prior"), [(100, 3, 1e6), (600, 4, 1e6), (600, 6, 1e5)])
def test_priors_under_which_curvatures_differ_by_many_powers_of_ten_are_solved(n, power, prior):
    batch = batch_of(steep(n, power), prior)
    for spectrum in (Spectrum.of(batch.x[0]), Spectrum.of(batch_of(steep(1200, power)).x[0])):
        weights, failures = solve(batch, spectrum)
        assert failures == [None]
        assert slope(batch, weights) <= 1.5 * TOLERANCE, "weights of thousands are rounded to float32"


def test_a_problem_that_is_not_solved_is_told_and_those_beside_it_stay(monkeypatch):
    ones = [batch_of(problem(n, seed=n)) for n in (20, 33)]
    spectrum = Spectrum.of(ones[1].x[0])
    wide = F.pad(ones[0].x, (0, 0, 0, 13)), F.pad(ones[0].y, (0, 13))
    both = Batch(torch.cat([wide[0], ones[1].x]), torch.cat([wide[1], ones[1].y]), ones[0].penalty)
    expected = solve(ones[1], spectrum).weights
    monkeypatch.setattr(logistic, "MAX_SHARED_STEPS", 2)
    start = torch.cat([torch.zeros_like(expected), expected])
    weights, failures = solve(both, spectrum, start)
    assert failures == [None, None], "the other one is solved by itself"
    assert slope(ones[0], weights[:1]) <= 1.05 * TOLERANCE
    assert torch.equal(weights[1:], expected)
    monkeypatch.setattr(logistic, "MAX_STEPS", 1)
    failures = solve(both, spectrum, start).failures
    assert failures[1] is None
    assert failures[0].startswith("the linear probe's weights after 1 steps with prior 10: found 0.")
    assert failures[0].endswith("per label, expected at most 1e-05; smaller priors are solved sooner")
