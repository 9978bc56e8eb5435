"""Ridge regression on frozen features: least squares on one-hot classes, labels or real values, in closed form.

Features are standardised with the n labelled ones, targets are the classes as one-hot rows less their means, and every
weight has one penalty. Without a given one the penalty is chosen on the n labels alone by leave-one-out in closed form
(Golub, Heath and Wahba 1979, Technometrics 21): the one with most items classified correctly by the fit without them,
of equally good ones that with the least squared error, then the largest. scikit-learn's RidgeClassifierCV goes by
squared error alone, as is done here where items have several labels or real values. Equal questions of stories are
left out together: a twin would tell what each is.

Values are no probabilities; their softmax is after division by a temperature, which what each item's fit without it
says of it gives in the same closed form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.catalogue.declaration import OptionValue
from labeleff.catalogue.metrics import SINGLE
from labeleff.plugins.protocols.features import standardisation
from labeleff.plugins.protocols.interface import Fitted, LabelledFeatures
from labeleff.plugins.protocols.temperature import Temperature, fit_temperature
from labeleff.training.device import summing_type

PENALTIES: tuple[float, ...] = tuple(10.0 ** (power / 2) for power in range(8, -9, -1))
"""Penalties that are tried, per item, as shares of a feature's variance, from the largest."""
MOST_LEVERAGE = 1 - 1e-9
"""Largest leverage; an item that fits itself says nothing about the others."""


def _left_out(basis: Tensor, shares: Tensor, targets: Tensor, equal: Tensor | None = None) -> Tensor:
    """Compute what the fit without each item says of it, for P penalties at once: (P, n, C).

    `basis` (n, r) are left singular vectors of the centred features, `shares` (P, r) what a penalty leaves of each,
    `targets` (n, C) are centred. The mean has a leverage of 1 / n of its own. With `equal` (n,), one number for equal
    rows, the fit is without all that equal the item: m of them have the leverage of one, h, all among themselves, and
    the inverse of I - h 11' is I + h 11' / (1 - m h).
    """
    fitted = torch.einsum("nr,prc->pnc", basis, shares[:, :, None] * (basis.T @ targets))
    leverage = (shares @ basis.square().T + 1 / len(basis)).clamp(max=MOST_LEVERAGE)[:, :, None]
    missed = targets - fitted
    if equal is None:
        return targets - missed / (1 - leverage)
    _, group, sizes = equal.unique(return_inverse=True, return_counts=True)  # type: ignore[no-untyped-call]
    together = missed.new_zeros(len(shares), len(sizes), targets.shape[1]).index_add_(1, group, missed)[:, group]
    whole = (sizes[group, None] * leverage).clamp(max=MOST_LEVERAGE)
    left_out: Tensor = targets - (missed + leverage / (1 - whole) * together)
    return left_out


def _choose(
    basis: Tensor,
    sizes: Tensor,
    targets: Tensor,
    labels: Tensor | None,
    candidates: Sequence[float] = PENALTIES,
    equal: Tensor | None = None,
) -> tuple[float, Tensor]:
    """Choose the penalty by leave-one-out; returns it and what the fit without each item says of it: (n, C).

    `sizes` (r,) are squared singular values, `labels` (n,) are classes; `equal` (n,) as in `_left_out`.
    """
    penalties = torch.tensor(candidates, dtype=basis.dtype, device=basis.device)[:, None]
    centre = targets.mean(0)
    said = _left_out(basis, sizes / (sizes + penalties * len(basis)), targets - centre, equal) + centre
    correct = [0] * len(candidates) if labels is None else (said.argmax(2) == labels).sum(1).tolist()
    merits = [*zip(correct, (-(said - targets).square().sum((1, 2))).tolist(), strict=True)]
    best = merits.index(max(merits))
    return candidates[best], said[best]


def _factors(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Factorise rows (n, dim): left singular vectors (n, r), singular values (r,), right vectors (r, dim).

    With more items than features it goes by the eigenvectors of the smaller square, which is several times faster and
    loses only values that any penalty outweighs.
    """
    if len(rows) > rows.shape[1]:
        squares, vectors = torch.linalg.eigh(rows.T @ rows)
        roots, directions = squares.clamp(min=0).sqrt(), vectors.T
        kept = roots > 1e-7 * max(float(roots.max()), 1e-300)
        return rows @ directions[kept].T / roots[kept], roots[kept], directions[kept]
    basis, roots, directions = torch.linalg.svd(rows, full_matrices=False)
    kept = roots > 1e-10 * max(float(roots.max()), 1e-300)
    return basis[:, kept], roots[kept], directions[kept]


@dataclass(frozen=True)
class Solution:
    """Scores of standardised features x as `x weights + constants`, in float64: (dim, C), (C,)."""

    weights: Tensor
    constants: Tensor
    temperature: Temperature | None
    """Fitted by leave-one-out, so at no cost; None where items have no single class."""


def solve(problem: LabelledFeatures, penalty: float) -> Solution:
    """Solve one problem; `penalty` is per item, 0 chooses it."""
    mean, scale = standardisation(problem.features)
    rows = ((problem.features - mean) / scale).to(summing_type(problem.features.device))
    single = problem.goal.name in SINGLE
    targets = F.one_hot(problem.labels, problem.outputs) if single else problem.labels.view(len(rows), -1)
    targets = targets.to(summing_type(problem.features.device))
    basis, roots, directions = _factors(rows)
    labels = problem.labels if single else None
    candidates = (penalty,) if penalty else PENALTIES
    chosen, said = _choose(basis, roots.square(), targets, labels, candidates, problem.equal)
    solved = (roots / (roots.square() + chosen * len(rows)))[:, None] * (basis.T @ (targets - targets.mean(0)))
    return Solution(directions.T @ solved, targets.mean(0), fit_temperature(said, problem.labels) if single else None)


def _predictor(problem: LabelledFeatures, penalty: float) -> Fitted:
    mean, scale = standardisation(problem.features)
    solution = solve(problem, penalty)
    weights, constants = (part.to(problem.features.dtype) for part in (solution.weights, solution.constants))

    def scores(features: Tensor) -> Tensor:
        return ((features - mean) / scale) @ weights + constants

    return Fitted(scores, logits=False, temperature=solution.temperature)


def fit(problems: Sequence[LabelledFeatures], options: Mapping[str, OptionValue]) -> list[Fitted]:
    """Build one predictor per problem; option `penalty` per item, 0 to choose it on the problem's labels."""
    return [_predictor(problem, float(options["penalty"])) for problem in problems]
