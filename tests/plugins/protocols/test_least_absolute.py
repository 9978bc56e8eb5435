"""Least absolute deviations against scipy, on small problems."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from support import dense_tasks

from labeleff.plugins.protocols.features import FREE, standardisation
from labeleff.plugins.protocols.interface import LabelledFeatures
from labeleff.plugins.protocols.least_absolute import ROUNDING, solve_least_absolute
from labeleff.plugins.protocols.linear import fit
from labeleff.training.goals.depth import Depth

PRIOR = 10.0


def problem(n, dim=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = 3 + 5 * torch.randn(n, dim, generator=generator)
    labels = 1 + 0.1 * features.sum(1) + 0.2 * torch.randn(n, generator=generator) ** 3
    return LabelledFeatures(features, labels, 1, Depth(dense_tasks.GRID))


def parts(one):
    mean, scale = standardisation(one.features)
    x = ((one.features - mean) / scale).double().numpy()
    decay = np.append(np.full(x.shape[1], x.shape[1] / PRIOR), FREE)
    return np.hstack([x, np.ones((len(x), 1))]), one.labels.double().numpy(), decay


def objective(one, weights):
    x, y, decay = parts(one)
    return np.abs(y - x @ weights).sum() + 0.5 * (decay * weights**2).sum()


def slow_solution(one):
    """The quadratic program with one slack a row, min sum(t) + penalty so that |y - xw| <= t, by scipy's SLSQP."""
    x, y, decay = parts(one)
    rows, columns = x.shape
    above = np.hstack([-x, np.eye(rows)])
    below = np.hstack([x, np.eye(rows)])
    found = minimize(
        lambda v: v[columns:].sum() + 0.5 * (decay * v[:columns] ** 2).sum(),
        np.concatenate([np.zeros(columns), np.abs(y)]),
        jac=lambda v: np.concatenate([decay * v[:columns], np.ones(rows)]),
        constraints=[
            {"type": "ineq", "fun": lambda v: above @ v + y, "jac": lambda _: above},
            {"type": "ineq", "fun": lambda v: below @ v - y, "jac": lambda _: below},
        ],
        method="SLSQP",
        options={"maxiter": 1000, "ftol": 1e-12},
    )
    return found.x[:columns]


@pytest.mark.parametrize("n", [8, 20, 60])
def test_the_objective_is_scipys_up_to_the_rounding(n):
    one = problem(n)
    found = solve_least_absolute([one], PRIOR)[0, :, 0].double().numpy()
    best = objective(one, slow_solution(one))
    assert objective(one, found) <= best + n * ROUNDING + 1e-5
    assert objective(one, found) >= best - 1e-6


def test_batched_equals_one_by_one():
    problems = [problem(n, seed=s) for s, n in enumerate((200, 30, 90))]
    probe = torch.randn(50, 5) * 5 + 3
    for one, fitted in zip(problems, fit(problems, {"prior": PRIOR}), strict=True):
        [alone] = fit([one], {"prior": PRIOR})
        torch.testing.assert_close(fitted.predictor(probe), alone.predictor(probe), rtol=2e-3, atol=2e-3)
        assert fitted.predictor(probe).shape == (50, 1)


def test_wild_labels_hardly_matter():
    one = problem(300)
    labels = one.labels.clone()
    labels[::50] += 100
    wild = LabelledFeatures(one.features, labels, 1, one.goal)
    probe = torch.randn(50, 5) * 5 + 3
    [a], [b] = fit([one], {"prior": PRIOR}), fit([wild], {"prior": PRIOR})
    assert float((a.predictor(probe) - b.predictor(probe)).abs().max()) < 0.1


def test_constant_features_are_survived():
    one = problem(40)
    features = one.features.clone()
    features[:, 0] = 1.0
    [fitted] = fit([LabelledFeatures(features, one.labels, 1, one.goal)], {"prior": PRIOR})
    assert torch.isfinite(fitted.predictor(features)).all()
