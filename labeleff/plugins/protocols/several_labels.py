"""Logistic regression of several labels per item: one binary problem per label, on features they share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.plugins.protocols.features import CACHED, Standardised
from labeleff.plugins.protocols.interface import Fitted, LabelledFeatures
from labeleff.plugins.protocols.logistic import Batch, Spectrum, solve
from labeleff.stats.stratification import several_labels_order


def solve_labels(problems: Sequence[LabelledFeatures], prior: float, spectrum: Spectrum) -> list[Fitted]:
    """Solve all labels of every problem, whose labels are bool (rows, K).

    A label is a problem of two classes with the prior that two classes have. One that no row has, or that all have,
    gets its smoothed log-odds as constant score. `spectrum` is that of the features.
    """
    return [_solve(problem, prior, spectrum) for problem in problems]


def held_out(flags: Tensor, share: int) -> Tensor:
    """Mark one of `share` items with labels (rows, K), so that each label has its share among those: (rows,) bool.

    None is marked where no label would still be on some of the other items and not on all of them.
    """
    rows = len(flags)
    out = torch.zeros(rows, dtype=torch.bool)
    out[torch.from_numpy(several_labels_order(flags.cpu().numpy(), np.arange(rows))[: rows // share])] = True
    having = flags[~out].sum(0)
    told_apart = bool(((having > 0) & (having < int((~out).sum()))).any())
    return (out & told_apart).to(flags.device)


def _solve(problem: LabelledFeatures, prior: float, spectrum: Spectrum) -> Fitted:
    one, flags = Standardised.of(problem.features), problem.labels
    (rows, dim), having = one.x.shape, problem.labels.sum(0)
    weights = one.x.new_zeros(flags.shape[1], dim + 1)
    weights[:, -1] = torch.log((having + 0.5) / (rows - having + 0.5))
    failures: list[str | None] = []
    told_apart, together = torch.nonzero((having > 0) & (having < rows))[:, 0], max(1, CACHED // (rows * dim))
    for part in torch.split(told_apart, together) if len(told_apart) else ():
        hot = F.one_hot(flags[:, part].T.long(), 2).to(one.x.dtype).mT.contiguous()
        both, unsolved = solve(Batch(one.x.expand(len(part), rows, dim), hot, dim / prior), spectrum)
        failures += unsolved
        weights[part] = both[:, 1] - both[:, 0]

    def scores(features: Tensor) -> Tensor:
        return torch.addmm(weights[:, -1], (features - one.mean) / one.scale, weights[:, :-1].T)

    return Fitted(scores, failure=next(filter(None, failures), None))
