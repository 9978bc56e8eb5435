"""Ridge probe: least squares with a penalty on frozen features, in closed form (Hoerl and Kennard 1970).

Classes are regressed as columns of 0 and 1. Features are standardised with the n labelled ones and the constant has no
penalty. The penalty is the one of a fixed grid whose squared error is least where every row is predicted from the other
n - 1, so that no label is set aside. Those errors are exact for fixed means and scales of features: a row's residual
divided by 1 - h, h being its leverage (Allen 1974, PRESS; Golub, Heath and Wahba 1979, section 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.catalogue.declaration import OptionValue
from labeleff.plugins.protocols.features import Standardised
from labeleff.plugins.protocols.interface import Fitted, LabelledFeatures
from labeleff.plugins.protocols.logistic import blas_threads, product

PENALTIES: tuple[float, ...] = tuple(10.0 ** (power / 2) for power in range(-8, 5))
"""Penalties tried, as multiples of max(n, dim), about the mean of the squared singular values that aren't 0."""


@dataclass(frozen=True)
class Decomposition:
    """Standardised features x (n, dim) = u s v', and targets (n, outputs) less their mean: all float64.

    `u` (n, r), `s` (r,) without zeros, `v` (dim, r).
    """

    u: Tensor
    s: Tensor
    v: Tensor
    y: Tensor

    @staticmethod
    def of(x: Tensor, y: Tensor) -> Decomposition:
        """Decompose features by the smaller one of their two Gram matrices."""
        few = len(x) <= x.shape[1]
        squares, vectors = torch.linalg.eigh(product(x, x.mT) if few else product(x.mT, x))
        live = squares > 1e-12 * squares[-1].clamp(min=1e-30) * max(x.shape)
        s, vectors = squares[live].sqrt(), vectors[:, live]
        other = product(x.mT if few else x, vectors) / s
        u, v = (vectors, other) if few else (other, vectors)
        return Decomposition(u, s, v, y - y.mean(0))

    def weights(self, penalty: float) -> Tensor:
        """Compute the weights (dim, outputs) at a penalty."""
        return product(self.v, (self.s / (self.s.square() + penalty))[:, None] * product(self.u.mT, self.y))

    def left_out(self, penalty: float) -> Tensor:
        """Compute every row's error (n, outputs) where it is predicted from the other rows."""
        share = self.s.square() / (self.s.square() + penalty)
        leverage = product(self.u.square(), share[:, None]) + 1 / len(self.u)
        residual = self.y - product(self.u, share[:, None] * product(self.u.mT, self.y))
        return residual / (1 - leverage).clamp(min=1e-12)

    def penalty(self) -> float:
        """Choose the penalty of least squared error where every row is left out; the largest among equals."""
        grid = [factor * max(len(self.u), len(self.v)) for factor in reversed(PENALTIES)]
        errors = torch.stack([self.left_out(penalty).square().sum() for penalty in grid])
        return grid[int(errors.argmin())]


def _fit(problem: LabelledFeatures) -> Fitted:
    ready = Standardised.of(problem.features.double())
    y = F.one_hot(problem.labels, problem.outputs).double()
    parts = Decomposition.of(ready.x, y)
    penalty = parts.penalty()
    weights = (parts.weights(penalty) / ready.scale[:, None]).float()
    mean, constant = ready.mean.float(), y.mean(0).float()

    def scores(features: Tensor) -> Tensor:
        return torch.addmm(constant, features - mean, weights)

    return Fitted(scores, metrics={"penalty": penalty})


def fit(problems: Sequence[LabelledFeatures], options: Mapping[str, OptionValue]) -> list[Fitted]:
    """Build one predictor per problem; it notes the chosen `penalty` on the squared weights as a metric."""
    del options
    with torch.no_grad(), blas_threads():
        return [_fit(problem) for problem in problems]
