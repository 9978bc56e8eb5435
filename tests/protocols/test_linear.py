import numpy as np
import torch
from scipy.optimize import minimize

from labeleff.protocols import LabelledFeatures
from labeleff.protocols.linear import fit, solve, standardisation


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


def test_solution_equals_scipys():
    for n in (12, 40, 300):
        one = problem(n)
        expected = slow_solution(one, 10.0)
        found = solve([one], 10.0)[0].double().numpy()
        assert np.abs(found[:-1] - expected[:-1]).max() < 2e-3
        assert np.abs((found[-1] - found[-1].mean()) - (expected[-1] - expected[-1].mean())).max() < 5e-3


def test_batched_equals_one_by_one():
    problems = [problem(n, seed=s) for n, s in ((12, 0), (300, 1), (40, 2), (41, 3))]
    together = fit(problems, {"prior": 10.0})
    probe = torch.randn(50, 7) * 5 + 3
    for one, fitted in zip(problems, together, strict=True):
        [alone] = fit([one], {"prior": 10.0})
        torch.testing.assert_close(fitted.predictor(probe), alone.predictor(probe), rtol=5e-3, atol=5e-3)


def test_scale_and_offset_of_features_do_not_matter():
    one = problem(60)
    moved = LabelledFeatures(one.features * 100 - 7, one.labels, one.outputs)
    [a], [b] = fit([one], {"prior": 10.0}), fit([moved], {"prior": 10.0})
    probe = torch.randn(20, 7)
    torch.testing.assert_close(a.predictor(probe), b.predictor(probe * 100 - 7), rtol=1e-3, atol=1e-3)


def test_constant_features_and_missing_classes_are_survived():
    one = problem(12)
    features = one.features.clone()
    features[:, 0] = 1.0
    [fitted] = fit([LabelledFeatures(features, one.labels % 3, 4)], {"prior": 10.0})
    scores = fitted.predictor(features)
    assert torch.isfinite(scores).all()
    assert int(scores.argmax(1).max()) < 3
