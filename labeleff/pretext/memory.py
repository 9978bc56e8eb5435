"""Memory banks: one remembered vector an image, so that a loss has more negatives than a batch.

Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance Discrimination"; Tian et al. 2020, section
3.3. A bank belongs to one training. It is no part of an encoder, so neither a checkpoint nor a cached encoder has it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.counter import below
from labeleff.pipeline import Batch
from labeleff.pretext.contrast import info_nce


class Memory:
    """Unit vectors (N, dim) of N images; they begin uniform in +-sqrt(3 / dim), by `seed` alone."""

    def __init__(self, count: int, dim: int, seed: int, device: torch.device) -> None:
        random = torch.rand(count, dim, generator=torch.Generator().manual_seed(seed))
        self.vectors = ((2 * random - 1) * (3 / dim) ** 0.5).to(device)

    def update(self, samples: Tensor, new: Tensor, momentum: float) -> None:
        """Move the vectors of `samples` (B,) to the unit vectors `new` (B, dim), keeping the share `momentum` of old.

        Of an image that is there twice the first counts, so that the result doesn't depend on the order of writing.
        """
        first = (samples[:, None] == samples[None, :]).to(torch.int64).argmax(1)
        mixed = momentum * self.vectors[samples] + (1 - momentum) * new.detach()[first]
        self.vectors[samples] = F.normalize(mixed, dim=1)


def remembered(
    vectors: Tensor, memory: Tensor, samples: Tensor, drawn: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Loss and number correct of vectors (B, width) that find the memory of their image among those `drawn` (K,)."""
    own = (vectors * memory[samples]).sum(1, keepdim=True)
    with torch.autocast(vectors.device.type, enabled=False):
        scores = torch.cat((own, vectors @ memory[drawn].T), 1) / temperature
    counts = torch.cat((torch.ones_like(own, dtype=torch.bool), samples[:, None] != drawn[None, :]), 1)
    return info_nce(scores, counts, torch.zeros_like(samples))


class Memories:
    """The memories of both halves, and the loss against them."""

    def __init__(self, light: Memory, colour: Memory, k: int, momentum: float, temperature: float, seed: int) -> None:
        self.light, self.colour = light, colour
        self._k, self._momentum, self._temperature, self._seed = k, momentum, temperature, seed

    def loss(self, light: Tensor, colour: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss and number correct of a batch, whose vectors are remembered afterwards."""
        drawn = below(batch.draws(self._seed, self._k, rows=1)[0], len(self.light.vectors))
        args = (batch.samples, drawn, self._temperature)
        there, back = remembered(light, self.colour.vectors, *args), remembered(colour, self.light.vectors, *args)
        self.light.update(batch.samples, light, self._momentum)
        self.colour.update(batch.samples, colour, self._momentum)
        return there[0] + back[0], (there[1] + back[1]) / 2
