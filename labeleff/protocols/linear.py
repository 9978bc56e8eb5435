"""Linear evaluation: multinomial logistic regression on frozen features, label sets solved as one batch.

Features are standardised with the n labelled ones, and every weight has a Gaussian prior of variance
`prior / dim`; the prior doesn't depend on n and nothing is tuned, so no label is spent on validation. The problem
is convex and is solved to convergence: a Newton-like step with Boehning's bound of the Hessian (Boehning 1992,
"Multinomial logistic regression algorithm"), accelerated by Nesterov's momentum with restarts.

Where every pixel has a label, each counted cell of the grid is a row. Depths are regressed by least absolute deviations
with the same prior.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.cell import OptionValue
from labeleff.goals import Depth
from labeleff.protocols import Fitted, LabelledFeatures, least_absolute
from labeleff.protocols.features import decay, groups, padded, standardisation

MAX_STEPS = 500
TOLERANCE = 1e-5
"""Largest gradient entry, relative to n, at which a problem counts as solved."""


def _one_hot(problems: Sequence[LabelledFeatures]) -> Tensor:
    """One-hot labels (P, N, C), 0 where a problem is padded."""
    hot = [F.one_hot(p.labels, p.outputs).to(p.features.dtype) for p in problems]
    return torch.nn.utils.rnn.pad_sequence(hot, batch_first=True)


def _gradient(weights: Tensor, x: Tensor, y: Tensor, live: Tensor, penalty: Tensor) -> Tensor:
    """Gradient (P, dim + 1, C) of the summed cross-entropy plus `penalty / 2` times the squared weights."""
    error = (torch.softmax(x @ weights, dim=2) * live[:, :, None]) - y
    return x.mT @ error + penalty * weights


def solve(problems: Sequence[LabelledFeatures], prior: float) -> Tensor:
    """Weights (P, dim + 1, C), the constant last, of problems of one `dim` and one number of classes."""
    x, y = padded(problems), _one_hot(problems)
    live, penalty = y.sum(2), decay(x.shape[2] - 1, prior, x.device)
    bound = torch.linalg.cholesky(0.5 * (x.mT @ x) + torch.diag_embed(penalty[:, 0]))
    weights = momentum = torch.zeros(len(problems), x.shape[2], y.shape[2], device=x.device)
    t = torch.ones(len(problems), 1, 1, device=x.device)
    for _ in range(MAX_STEPS):
        gradient = _gradient(momentum, x, y, live, penalty)
        if bool((gradient.abs().amax((1, 2)) <= TOLERANCE * live.sum(1)).all()):
            return momentum
        stepped = momentum - torch.cholesky_solve(gradient, bound)
        uphill = (gradient * (stepped - weights)).sum((1, 2), keepdim=True) > 0
        t_next = torch.where(uphill, torch.ones_like(t), 0.5 * (1 + torch.sqrt(1 + 4 * t * t)))
        pull = torch.where(uphill, torch.zeros_like(t), (t - 1) / t_next)
        weights, momentum, t = stepped, stepped + pull * (stepped - weights), t_next
    return weights


def _predictor(problem: LabelledFeatures, weights: Tensor) -> Fitted:
    mean, scale = standardisation(problem.features)

    def scores(features: Tensor) -> Tensor:
        return ((features - mean) / scale) @ weights[:-1] + weights[-1]

    return Fitted(scores)


def fit(problems: Sequence[LabelledFeatures], options: Mapping[str, OptionValue]) -> list[Fitted]:
    """One predictor a problem; option `prior`, the prior variance of a weight times the number of features."""
    solver = least_absolute.solve if isinstance(problems[0].goal, Depth) else solve
    fitted: dict[int, Fitted] = {}
    for group in groups(problems):
        weights = solver([problems[i] for i in group], float(options["prior"]))
        fitted |= {i: _predictor(problems[i], w) for i, w in zip(group, weights, strict=True)}
    return [fitted[i] for i in range(len(problems))]
