"""What contrastive pretexts share: finding an image's own partner among those of other images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.device import Compute
from labeleff.pipeline import Batch
from labeleff.pretext import Watch
from labeleff.train import Resident

NEVER = float("-inf")
METRICS = ("loss", "accuracy", "heldout_loss", "heldout_accuracy")
"""Entries of the learning curve that a contrastive pretext reports."""


def others(samples: Tensor) -> Tensor:
    """Which pairs (B, B) of a batch are of two images: one that joins two epochs may have an image twice."""
    return samples[:, None] != samples[None, :]


def own_column(samples: Tensor) -> Tensor:
    """Which columns (B, B) of scores count in each row: the own one, and those of other images."""
    return others(samples) | torch.eye(len(samples), dtype=torch.bool, device=samples.device)


def info_nce(scores: Tensor, counts: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """InfoNCE: mean cross-entropy of finding column `labels` (B,) among scores (B, C), and how many rows find it.

    Columns where `counts` (B, C) is false are left out. van den Oord et al. 2018, "Representation Learning with
    Contrastive Predictive Coding", eq. 4.
    """
    left = scores.masked_fill(~counts, NEVER)
    return F.cross_entropy(left, labels), (left.argmax(1) == labels).sum()


def whole_blocks(images: Resident, size: int, device: torch.device) -> Iterator[Batch]:
    """All images in order as they are in epoch 0, in blocks of `size`, or in one where there are fewer.

    Such a loss depends on the block's size, so what is left over counts for nothing.
    """
    size = min(size, images.count)
    for start in range(0, images.count - size + 1, size):
        block = torch.arange(start, start + size, device=device)
        yield images.batch(block, torch.zeros_like(block))


def held_out_scores(
    score: Callable[[nn.Module, Batch], tuple[Tensor, Tensor]], images: Resident, size: int, compute: Compute
) -> Watch:
    """Mean loss and accuracy by `score`, which gives loss and number correct, over whole blocks of held-out images."""

    def watch(model: nn.Module) -> dict[str, float]:
        found = []
        with torch.no_grad(), compute.autocast():
            for batch in whole_blocks(images, size, compute.device):
                loss, correct = score(model, replace(batch, images=compute.arrange(batch.images)))
                found.append(torch.stack((loss, correct / len(batch.samples))))
        loss, accuracy = torch.stack(found).mean(0).tolist()
        return {"heldout_loss": loss, "heldout_accuracy": accuracy}

    return watch
