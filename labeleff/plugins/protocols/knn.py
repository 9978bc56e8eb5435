"""Weighted nearest neighbours on frozen features (Wu et al. 2018).

Neighbours are by cosine similarity, and vote with weights exp(similarity / temperature); a class has its share.
Where items have several labels or a value, these are averaged with those weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.catalogue.declaration import OptionValue
from labeleff.catalogue.metrics import SINGLE
from labeleff.plugins.protocols.interface import Fitted, LabelledFeatures


def _predictor(problem: LabelledFeatures, k: int, temperature: float) -> Fitted:
    bank = F.normalize(problem.features, dim=1)

    def scores(features: Tensor) -> Tensor:
        near, which = (F.normalize(features, dim=1) @ bank.T).topk(min(k, len(bank)), dim=1)
        weights = torch.softmax(near / temperature, 1)
        if problem.goal.name not in SINGLE:
            values = problem.labels.view(len(bank), -1).to(weights.dtype)
            return torch.einsum("bk,bkc->bc", weights, values[which])
        votes = torch.zeros(len(features), problem.outputs, device=features.device)
        return votes.scatter_add_(1, problem.labels[which], weights)

    return Fitted(scores, logits=False)


def fit(problems: Sequence[LabelledFeatures], options: Mapping[str, OptionValue]) -> list[Fitted]:
    """Build one predictor per problem; options `k` neighbours (all n where n < k) and `temperature`."""
    return [_predictor(problem, int(options["k"]), float(options["temperature"])) for problem in problems]
