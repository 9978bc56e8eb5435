"""Stories on the device as word numbers, in batches."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from labeleff.errors import PluginError
from labeleff.seeding import stream_seed
from labeleff.study.cell import Augment
from labeleff.training.goals.interface import LabelMaps
from labeleff.training.hashed_random import hash32, uniform
from labeleff.training.images import Batch, Normalisation, ResidentImages
from labeleff.training.vocabulary import PAD, UNKNOWN


class ResidentStories:
    """A set of stories on the device: int16 (N, sentences + 1, length) in, batches of int64 out.

    With `augment.words` that share of the words is replaced by the unknown word, drawn again every epoch, so that
    its row of an embedding table is trained. `seed` names the stream.
    """

    def __init__(self, tokens: Tensor, device: torch.device, *, augment: Augment | None = None, seed: int = 0) -> None:
        augment = augment or Augment()
        if augment.model_copy(update={"words": None}) != Augment():
            raise PluginError(f"stories can't be augmented by {augment}; expected `words` alone")
        self.count = int(tokens.shape[0])
        self._words = augment.words or 0.0
        self._seed = stream_seed("augment", seed)
        self._tokens = tokens.to(device=device, dtype=torch.int32)
        self.drawn_on = device

    def batch(self, samples: Tensor, epochs: Tensor, view: int = 0) -> Batch:
        """Make the batch of stories at `samples` (B,) in their `epochs` (B,); `view` numbers several views."""
        tokens = self._tokens.index_select(0, samples).to(torch.int64)
        if self._words:
            which = torch.arange(tokens[0].numel(), device=tokens.device) + tokens[0].numel() * view
            draws = uniform(hash32(self._seed, epochs[:, None], samples[:, None], which)).view_as(tokens)
            tokens = torch.where((draws < self._words) & (tokens != PAD), UNKNOWN, tokens)
        return Batch(tokens, samples, torch.zeros_like(samples))

    def plain_batches(self, size: int) -> Iterator[Batch]:
        """Yield all stories once, in order, in blocks of `size`, as they are in epoch 0."""
        for start in range(0, self.count, size):
            block = torch.arange(start, min(start + size, self.count), device=self._tokens.device)
            yield self.batch(block, torch.zeros_like(block))


Resident = ResidentImages | ResidentStories


def resident(
    inputs: Tensor,
    normalisation: Normalisation | None,
    device: torch.device,
    *,
    labels: LabelMaps | None = None,
    augment: Augment | None = None,
    seed: int = 0,
) -> Resident:
    """Put images (with their `normalisation`) or stories (without one) on the device, to be drawn in batches."""
    if normalisation is None:
        return ResidentStories(inputs, device, augment=augment, seed=seed)
    return ResidentImages(inputs, normalisation, device, labels=labels, augment=augment, seed=seed)
