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
from labeleff.plugins.protocols.interface import Fitted, LabelledFeatures, SelectedFeatures


class _Bank:
    """Normalised features (M, dim) that problems share, with the similarities (B, M) of the last block asked for."""

    def __init__(self, features: Tensor) -> None:
        self._rows = F.normalize(features, dim=1)
        self._block: Tensor | None = None
        self._similarities = features

    def similarities(self, features: Tensor) -> Tensor:
        """Compute cosine similarities (B, M), once where one predictor after another asks for the same features."""
        if self._block is not features:
            self._block, self._similarities = features, F.normalize(features, dim=1) @ self._rows.T
        return self._similarities


def _predictor(problem: LabelledFeatures, bank: _Bank, rows: Tensor | None, k: int, temperature: float) -> Fitted:
    labels, outputs = problem.labels, problem.outputs

    def scores(features: Tensor) -> Tensor:
        similar = bank.similarities(features)
        if rows is not None:
            similar = similar.index_select(1, rows)
        near, which = similar.topk(min(k, len(labels)), dim=1)
        weights = torch.softmax(near / temperature, 1)
        if problem.goal.name not in SINGLE:
            values = labels.view(len(labels), -1).to(weights.dtype)
            return torch.einsum("bk,bkc->bc", weights, values[which])
        votes = torch.zeros(len(features), outputs, device=features.device)
        return votes.scatter_add_(1, labels[which], weights)

    return Fitted(scores, logits=False, shares=problem.goal.name in SINGLE)


def fit(problems: Sequence[LabelledFeatures], options: Mapping[str, OptionValue]) -> list[Fitted]:
    """Build one predictor per problem; options `k` neighbours (all n where n < k) and `temperature`.

    Problems that are rows of the same features share their products with those of a block.
    """
    k, temperature = int(options["k"]), float(options["temperature"])
    banks: dict[int, _Bank] = {}
    fitted = []
    for problem in problems:
        selected = problem if isinstance(problem, SelectedFeatures) else None
        source, rows = (selected.source, selected.rows) if selected else (problem.features, None)
        if rows is None or id(source) not in banks:
            banks[id(source)] = _Bank(source)
        fitted.append(_predictor(problem, banks[id(source)], rows, k, temperature))
    return fitted
