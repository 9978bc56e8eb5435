"""Linear probe: logistic regression on frozen features, label sets solved as one batch.

The regression of depths is convex. It is solved by iteratively reweighted least squares (Schlossmacher 1973, "An
iterative technique for absolute deviations curve fitting"), which is a majorise-minimise method for residuals rounded
off at 0: |r| is taken as sqrt(r^2 + e^2), e falling to `ROUNDING`, one step of a depth map. So the minimum found
exceeds the exact one by at most `ROUNDING` per row.

Features are standardised with the n labelled ones, and every weight has a Gaussian prior of variance
`prior / dim`; the prior doesn't depend on n and nothing is tuned, so no label is spent on validation. Classification
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

from labeleff.catalogue.declaration import OptionValue
from labeleff.plugins.protocols.features import decay, groups, padded, standardisation
from labeleff.plugins.protocols.interface import Fitted, LabelledFeatures
from labeleff.training.device import summing_type
from labeleff.training.goals.depth import Depth

ROUNDING = 1e-4
"""Residuals in scene units below which absolute values are rounded off at the end."""
BEGIN = 0.1
"""Residuals in scene units below which absolute values are rounded off at first; halved every step."""
MAX_L1_STEPS = 300
L1_TOLERANCE = 1e-7
"""Relative fall of the objective in a step at which a problem counts as solved."""
CHUNK = 2**23
"""Numbers of the weighted features that are held at once."""


def _gram(x: Tensor, weights: Tensor) -> Tensor:
    """Compute x' diag(weights) x of every problem: exact (P, dim + 1, dim + 1)."""
    exact = summing_type(x.device)
    rows = max(1, CHUNK // (x.shape[0] * x.shape[2]))
    pairs = zip(torch.split(x, rows, 1), torch.split(weights, rows, 1), strict=True)
    parts = ((part.mT @ (part * weight[:, :, None])).to(exact) for part, weight in pairs)
    return sum(parts, torch.zeros((), dtype=exact, device=x.device))


def solve_least_absolute(problems: Sequence[LabelledFeatures], prior: float) -> Tensor:
    """Solve problems of one `dim` with labels in scene units: weights (P, dim + 1, 1), the constant last."""
    x = padded(problems)
    exact = summing_type(x.device)
    y = torch.nn.utils.rnn.pad_sequence([p.labels for p in problems], batch_first=True)
    live = torch.nn.utils.rnn.pad_sequence([torch.ones_like(p.labels) for p in problems], batch_first=True)
    penalty = decay(x.shape[2] - 1, prior, x.device).to(exact)
    weights = torch.zeros(len(problems), x.shape[2], 1, dtype=exact, device=x.device)
    before = torch.full((len(problems),), torch.inf, dtype=exact, device=x.device)
    for step in range(MAX_L1_STEPS):
        rounding = max(ROUNDING, BEGIN * 0.5**step)
        residual = y - (x @ weights.float())[:, :, 0]
        size = (residual.square() + rounding**2).sqrt()
        value = (size * live).to(exact).sum(1) + 0.5 * (penalty * weights.square()).sum((1, 2))
        if rounding == ROUNDING:
            if bool((before - value <= L1_TOLERANCE * value).all()):
                break
            before = value
        slope = (x.mT @ (residual / size * live)[:, :, None]).to(exact) - penalty * weights
        bound = _gram(x, live / size) + torch.diag(penalty[:, 0])
        weights = weights + torch.linalg.solve(bound, slope)
    return weights.float()


MAX_STEPS = 500
TOLERANCE = 1e-5
"""Largest gradient entry, relative to n, at which a problem counts as solved."""


def _one_hot(problems: Sequence[LabelledFeatures]) -> Tensor:
    """Encode labels as one-hot rows (P, N, C), 0 where a problem is padded."""
    hot = [F.one_hot(p.labels, p.outputs).to(p.features.dtype) for p in problems]
    return torch.nn.utils.rnn.pad_sequence(hot, batch_first=True)


def _gradient(weights: Tensor, x: Tensor, y: Tensor, live: Tensor, penalty: Tensor) -> Tensor:
    """Compute the gradient (P, dim + 1, C) of the summed cross-entropy plus `penalty / 2` times the squared weights."""
    error = (torch.softmax(x @ weights, dim=2) * live[:, :, None]) - y
    return x.mT @ error + penalty * weights


def solve(problems: Sequence[LabelledFeatures], prior: float) -> Tensor:
    """Solve problems of one `dim` and number of classes: weights (P, dim + 1, C), the constant last."""
    x, y = padded(problems), _one_hot(problems)
    live, penalty = y.sum(2), decay(x.shape[2] - 1, prior, x.device)
    bound = torch.linalg.cholesky(0.5 * (x.mT @ x) + torch.diag_embed(penalty[:, 0]))
    weights = momentum = torch.zeros(len(problems), x.shape[2], y.shape[2], device=x.device)
    t = torch.ones(len(problems), 1, 1, device=x.device)
    for _ in range(MAX_STEPS):
        gradient = _gradient(momentum, x, y, live, penalty)
        if bool((gradient.abs().amax((1, 2)) <= TOLERANCE * live.sum(1)).all()):
            return momentum
        candidate = momentum - torch.cholesky_solve(gradient, bound)
        uphill = (gradient * (candidate - weights)).sum((1, 2), keepdim=True) > 0
        t_next = torch.where(uphill, torch.ones_like(t), 0.5 * (1 + torch.sqrt(1 + 4 * t * t)))
        pull = torch.where(uphill, torch.zeros_like(t), (t - 1) / t_next)
        weights, momentum, t = candidate, candidate + pull * (candidate - weights), t_next
    return weights


def _predictor(problem: LabelledFeatures, weights: Tensor) -> Fitted:
    mean, scale = standardisation(problem.features)

    def scores(features: Tensor) -> Tensor:
        return ((features - mean) / scale) @ weights[:-1] + weights[-1]

    return Fitted(scores)


def fit(problems: Sequence[LabelledFeatures], options: Mapping[str, OptionValue]) -> list[Fitted]:
    """Build one predictor per problem; option `prior`, the prior variance of a weight times the number of features."""
    solver = solve_least_absolute if isinstance(problems[0].goal, Depth) else solve
    fitted: dict[int, Fitted] = {}
    for group in groups(problems):
        weights = solver([problems[i] for i in group], float(options["prior"]))
        fitted |= {i: _predictor(problems[i], w) for i, w in zip(group, weights, strict=True)}
    return [fitted[i] for i in range(len(problems))]
