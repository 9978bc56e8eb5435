"""Linear evaluation: multinomial logistic regression on frozen features, all label sets solved as one batch.

Features are standardised with the n labelled ones, and every weight has a Gaussian prior of variance
`prior / dim`; the prior doesn't depend on n and nothing is tuned, so no label is spent on validation. The problem
is convex and is solved to convergence: a Newton-like step with Boehning's bound of the Hessian (Boehning 1992,
"Multinomial logistic regression algorithm"), accelerated by Nesterov's momentum with restarts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.cell import OptionValue
from labeleff.protocols import Fitted, LabelledFeatures

MAX_STEPS = 500
TOLERANCE = 1e-5
"""Largest gradient entry, relative to n, at which a problem counts as solved."""
GROUP = 4.0
"""Problems are padded to one length within groups whose label counts differ by at most this factor."""


def standardisation(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (dim,) and scale (dim,) of n features; a feature that hardly varies is left unscaled."""
    mean = features.mean(0)
    spread = features.std(0, correction=0)
    return mean, torch.where(spread > 1e-6 * (1 + mean.abs()), spread, torch.ones_like(spread))


def _padded(problems: Sequence[LabelledFeatures]) -> tuple[Tensor, Tensor, Tensor]:
    """Standardised features with a constant (P, N, dim + 1), one-hot labels (P, N, C) and weights (P, N)."""
    rows = []
    for problem in problems:
        mean, scale = standardisation(problem.features)
        rows.append(F.pad((problem.features - mean) / scale, (0, 1), value=1.0))
    features = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    targets = torch.nn.utils.rnn.pad_sequence(
        [F.one_hot(p.labels, p.classes).to(features.dtype) for p in problems], batch_first=True
    )
    return features, targets, targets.sum(2)


def _gradient(weights: Tensor, x: Tensor, y: Tensor, live: Tensor, decay: Tensor) -> Tensor:
    """Gradient (P, dim + 1, C) of the summed cross-entropy plus `decay / 2` times the squared weights."""
    error = (torch.softmax(x @ weights, dim=2) * live[:, :, None]) - y
    return x.mT @ error + decay * weights


def solve(problems: Sequence[LabelledFeatures], prior: float) -> Tensor:
    """Weights (P, dim + 1, C), the constant last, of problems of one `dim` and one number of classes."""
    x, y, live = _padded(problems)
    dim = x.shape[2] - 1
    decay = torch.full((dim + 1, 1), dim / prior, device=x.device)
    decay[-1] = 1e-3
    bound = torch.linalg.cholesky(0.5 * (x.mT @ x) + torch.diag_embed(decay[:, 0]))
    weights = momentum = torch.zeros(len(problems), dim + 1, y.shape[2], device=x.device)
    t = torch.ones(len(problems), 1, 1, device=x.device)
    for _ in range(MAX_STEPS):
        gradient = _gradient(momentum, x, y, live, decay)
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
    prior = float(options["prior"])
    fitted: dict[int, Fitted] = {}
    group: list[int] = []
    by_size = sorted(range(len(problems)), key=lambda i: len(problems[i].labels))
    for place, index in enumerate(by_size):
        group.append(index)
        following = by_size[place + 1] if place + 1 < len(by_size) else None
        if following is None or len(problems[following].labels) > GROUP * len(problems[group[0]].labels):
            weights = solve([problems[i] for i in group], prior)
            fitted |= {i: _predictor(problems[i], w) for i, w in zip(group, weights, strict=True)}
            group = []
    return [fitted[i] for i in range(len(problems))]
