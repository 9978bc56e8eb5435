"""Logistic regression of several labels per item: one binary problem per label, on features they share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.plugins.protocols.features import CACHED, Standardised
from labeleff.plugins.protocols.interface import Fitted, LabelledFeatures
from labeleff.plugins.protocols.logistic import Batch, Spectrum, solve


def solve_labels(problems: Sequence[LabelledFeatures], prior: float) -> list[Fitted]:
    """Solve all labels of every problem, whose labels are bool (rows, K).

    A label is a problem of two classes with the prior that two classes have. One that no row has, or that all have,
    gets its smoothed log-odds as constant score.
    """
    largest = max(problems, key=lambda one: len(one.labels))
    spectrum = Spectrum.of(Standardised.of(largest.features).x)
    return [_solve(problem, prior, spectrum) for problem in problems]


def _solve(problem: LabelledFeatures, prior: float, spectrum: Spectrum) -> Fitted:
    one, flags = Standardised.of(problem.features), problem.labels
    (rows, dim), having = one.x.shape, problem.labels.sum(0)
    weights = one.x.new_zeros(flags.shape[1], dim + 1)
    weights[:, -1] = torch.log((having + 0.5) / (rows - having + 0.5))
    for part in torch.split(torch.nonzero((having > 0) & (having < rows))[:, 0], max(1, CACHED // (rows * dim))):
        hot = F.one_hot(flags[:, part].T.long(), 2).to(one.x.dtype).mT.contiguous()
        both = solve(Batch(one.x.expand(len(part), rows, dim), hot, dim / prior), spectrum)
        weights[part] = both[:, 1] - both[:, 0]

    def scores(features: Tensor) -> Tensor:
        return torch.addmm(weights[:, -1], (features - one.mean) / one.scale, weights[:, :-1].T)

    return Fitted(scores)
