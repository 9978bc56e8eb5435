"""Least absolute deviations with a Gaussian prior: the linear probe of depths.

The problem is convex. It is solved by iteratively reweighted least squares (Schlossmacher 1973, "An iterative
technique for absolute deviations curve fitting"), which is a majorise-minimise method for residuals rounded off at 0:
|r| is taken as sqrt(r^2 + e^2), e falling to `ROUNDING`, one step of a depth map. So the minimum found exceeds the
exact one by at most `ROUNDING` per row.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from labeleff.plugins.protocols.features import decay, padded
from labeleff.plugins.protocols.interface import LabelledFeatures
from labeleff.training.device import summing_type

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
    y = torch.nn.utils.rnn.pad_sequence([p.labels for p in problems], batch_first=True)
    live = torch.nn.utils.rnn.pad_sequence([torch.ones_like(p.labels) for p in problems], batch_first=True)
    exact = summing_type(x.device)
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
