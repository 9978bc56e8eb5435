"""Labelled features for frozen protocols: standardised, padded into batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.plugins.protocols.interface import LabelledFeatures

GROUP = 4.0
"""Largest factor between label counts of problems that are padded to one length."""
LARGEST = 2**27
"""Most numbers in a batch of several problems on a GPU, padding included."""
CACHED = 2**19
"""Most numbers in such a batch on a CPU; beyond its caches a batch takes up to three times as long as its parts."""
ROWS = 512
"""Rows whose squares are summed at once, so that caches hold them."""
FREE = 1e-3
"""Decay of the constant, small so that it hardly has a prior."""


def standardisation(features: Tensor) -> tuple[Tensor, Tensor]:
    """Compute mean (dim,) and scale (dim,) of features; a feature that hardly varies is left unscaled."""
    mean = features.mean(0)
    spread = features.std(0, correction=0)
    return mean, torch.where(spread > 1e-6 * (1 + mean.abs()), spread, torch.ones_like(spread))


@dataclass(frozen=True)
class Standardised:
    """Features (N, dim) less their mean (dim,), divided by their scale (dim,)."""

    x: Tensor
    mean: Tensor
    scale: Tensor

    @staticmethod
    def of(features: Tensor) -> Standardised:
        """Standardise features as `standardisation` does, several times as fast where there are many rows."""
        mean = features.mean(0)
        x = features - mean
        spread = sum((part.square().sum(0) for part in torch.split(x, ROWS)), torch.zeros_like(mean)).div(len(x)).sqrt()
        scale = torch.where(spread > 1e-6 * (1 + mean.abs()), spread, torch.ones_like(spread))
        return Standardised(x.div_(scale), mean, scale)


def padded(problems: Sequence[LabelledFeatures]) -> Tensor:
    """Standardise features, append a constant, and pad with zeros: (P, N, dim + 1)."""
    rows = []
    for problem in problems:
        mean, scale = standardisation(problem.features)
        rows.append(F.pad((problem.features - mean) / scale, (0, 1), value=1.0))
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def decay(dim: int, prior: float, device: torch.device) -> Tensor:
    """Compute inverse variances (dim + 1, 1) of the weights' Gaussian prior, the constant's last."""
    weights = torch.full((dim + 1, 1), dim / prior, device=device)
    weights[-1] = FREE
    return weights


def groups(problems: Sequence[LabelledFeatures]) -> Iterator[list[int]]:
    """Yield positions of problems to solve together: of similar size, and not too large together.

    A problem counts with its features and the square matrix that is made of them.
    """
    if not problems:
        return
    group: list[int] = []
    smallest = min(problems, key=lambda one: len(one.labels)).features
    dim, most = smallest.shape[1], CACHED if smallest.device.type == "cpu" else LARGEST
    for index in sorted(range(len(problems)), key=lambda i: len(problems[i].labels)):
        rows = len(problems[index].labels)
        first = len(problems[group[0]].labels) if group else rows
        if rows > GROUP * first or (len(group) + 1) * (rows + dim) * dim > most:
            if group:
                yield group
            group = []
        group.append(index)
    if group:
        yield group
