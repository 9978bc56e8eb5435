"""Shared parts of contrastive pretexts: InfoNCE, held-out scores, memory banks.

Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance Discrimination"; Tian et al. 2020, section
3.3. A bank belongs to one training. It isn't part of an encoder, so no cached encoder has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.plugins.pretexts.interface import Watch
from labeleff.training.device import Compute
from labeleff.training.hashed_random import below
from labeleff.training.images import Batch
from labeleff.training.slots import Resident

NEVER = float("-inf")
METRICS = ("loss", "accuracy", "heldout_loss", "heldout_accuracy")
"""Entries of the learning curve that a contrastive pretext reports."""


def others(samples: Tensor) -> Tensor:
    """Mark pairs (B, B) of different images; a batch that spans two epochs may have an image twice."""
    return samples[:, None] != samples[None, :]


def own_column(samples: Tensor) -> Tensor:
    """Mark the columns (B, B) of scores that count in each row: its own, and those of other images."""
    return others(samples) | torch.eye(len(samples), dtype=torch.bool, device=samples.device)


def info_nce(scores: Tensor, counts: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Compute InfoNCE, the mean cross-entropy of column `labels` (B,) among scores (B, C), and the number correct.

    Columns where `counts` (B, C) is false are left out. van den Oord et al. 2018, "Representation Learning with
    Contrastive Predictive Coding", eq. 4.
    """
    masked = scores.masked_fill(~counts, NEVER)
    return F.cross_entropy(masked, labels), (masked.argmax(1) == labels).sum()


def whole_blocks(images: Resident, size: int, device: torch.device) -> Iterator[Batch]:
    """Yield all images in order as they are in epoch 0, in blocks of `size`, or one block where there are fewer.

    A contrastive loss depends on the block's size, so remaining images are left out.
    """
    size = min(size, images.count)
    for start in range(0, images.count - size + 1, size):
        block = torch.arange(start, start + size, device=device)
        yield images.batch(block, torch.zeros_like(block))


def held_out_scores(
    score: Callable[[nn.Module, Batch], tuple[Tensor, Tensor]], images: Resident, size: int, compute: Compute
) -> Watch:
    """Build a watch of mean loss and accuracy over whole blocks of held-out images.

    `score` gives loss and number correct of a batch.
    """

    def watch(model: nn.Module) -> dict[str, float]:
        scores = []
        with torch.no_grad(), compute.autocast():
            for batch in whole_blocks(images, size, compute.device):
                loss, correct = score(model, replace(batch, images=compute.arrange(batch.images)))
                scores.append(torch.stack((loss, correct / len(batch.samples))))
        loss, accuracy = torch.stack(scores).mean(0).tolist()
        return {"heldout_loss": loss, "heldout_accuracy": accuracy}

    return watch


class Memory(nn.Module):
    """Unit vectors (N, dim) of N images; they begin uniform in +-sqrt(3 / dim), by `seed` alone."""

    vectors: Tensor

    def __init__(self, count: int, dim: int, seed: int) -> None:
        super().__init__()
        random = torch.rand(count, dim, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("vectors", (2 * random - 1) * (3 / dim) ** 0.5)

    def update(self, samples: Tensor, new: Tensor, momentum: float) -> None:
        """Move the vectors of `samples` (B,) to the unit vectors `new` (B, dim), keeping the share `momentum` of old.

        Where an image occurs twice the first counts, so that the result doesn't depend on the order of writing.
        """
        first = (samples[:, None] == samples[None, :]).to(torch.int64).argmax(1)
        mixed = momentum * self.vectors[samples] + (1 - momentum) * new.detach()[first]
        self.vectors[samples] = F.normalize(mixed, dim=1)


def memory_loss(
    vectors: Tensor, memory: Tensor, samples: Tensor, drawn: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Compute loss and number correct of vectors (B, width) that find their image's memory among `drawn` (K,)."""
    own = (vectors * memory[samples]).sum(1, keepdim=True)
    with torch.autocast(vectors.device.type, enabled=False):
        scores = torch.cat((own, vectors @ memory[drawn].T), 1) / temperature
    counts = torch.cat((torch.ones_like(own, dtype=torch.bool), samples[:, None] != drawn[None, :]), 1)
    return info_nce(scores, counts, torch.zeros_like(samples))


class Memories(nn.Module):
    """The memories of both halves, and the loss against them."""

    def __init__(self, light: Memory, colour: Memory, k: int, momentum: float, temperature: float, seed: int) -> None:
        super().__init__()
        self.light, self.colour = light, colour
        self._k, self._momentum, self._temperature, self._seed = k, momentum, temperature, seed

    def loss(self, light: Tensor, colour: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Compute loss and number correct of a batch, and store its vectors afterwards."""
        drawn = below(batch.draws(self._seed, self._k, rows=1)[0], len(self.light.vectors))
        args = (batch.samples, drawn, self._temperature)
        forward, backward = (
            memory_loss(light, self.colour.vectors, *args),
            memory_loss(colour, self.light.vectors, *args),
        )
        self.light.update(batch.samples, light, self._momentum)
        self.colour.update(batch.samples, colour, self._momentum)
        return forward[0] + backward[0], (forward[1] + backward[1]) / 2
