"""Signs of collapse in what an encoder makes of images that no one trained on."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.training.device import Compute
from labeleff.training.images import ResidentImages

BLOCK = 500
"""Images encoded at once where no loss is taken."""


def outputs(network: nn.Module, images: ResidentImages, compute: Compute) -> Tensor:
    """Compute outputs (N, width) float32 of un-augmented images."""
    with torch.no_grad(), compute.autocast():
        return torch.cat([network(compute.arrange(batch.images)).float() for batch in images.plain_batches(BLOCK)])


def spread(values: Tensor) -> float:
    """Measure how far rows (N, dim) lie apart: 0 where all point the same way, near 1 where they point everywhere.

    It is the standard deviation of the rows' directions in each dimension, averaged, times the root of the number of
    dimensions (Chen & He 2021, "Exploring Simple Siamese Representation Learning", section 4.1).
    """
    directions = F.normalize(values.double(), dim=1)
    return float(directions.std(0, correction=0).mean()) * math.sqrt(values.shape[1])


def effective_rank(features: Tensor) -> float:
    """Count the dimensions that features (N, dim) use: from 1 to the smaller of N and dim.

    It is the exponential of the entropy of their singular values, as shares of the sum (Garrido et al. 2023, "RankMe",
    eq. 1); 0 where all features are 0, nan where one isn't finite. Few images bound it, so it compares encoders on
    equally many.
    """
    if not bool(torch.isfinite(features).all()):
        return math.nan
    values = torch.linalg.svdvals(features.double())
    total = float(values.sum())
    if total == 0:
        return 0.0
    return math.exp(float(torch.special.entr(values / total).sum()))
