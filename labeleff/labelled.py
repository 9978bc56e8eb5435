"""Labelled examples on the device: batches of them, and what a head should say about each batch."""

from __future__ import annotations

import torch
from torch import Tensor

from labeleff.cell import Augment
from labeleff.goal import Goal
from labeleff.pipeline import Batch, Normalisation
from labeleff.stories import resident
from labeleff.tensors import Examples


class LabelledExamples:
    """Images (with their `normalisation`) or stories (without one) with the labels of a goal; `seed` as there."""

    def __init__(
        self,
        examples: Examples,
        goal: Goal,
        normalisation: Normalisation | None,
        device: torch.device,
        *,
        augment: Augment | None = None,
        seed: int = 0,
    ) -> None:
        self.goal = goal
        maps = goal.maps(examples.labels)
        self.resident = resident(examples.inputs, normalisation, device, labels=maps, augment=augment, seed=seed)
        self._labels = None if maps is not None else examples.labels.to(device)
        mirrored = goal.mirrored(examples.labels)
        self._mirrored = None if mirrored is examples.labels else mirrored.to(device)

    def __len__(self) -> int:
        return self.resident.count

    def target(self, batch: Batch) -> Tensor:
        """The labels that go with a batch as it is, mirrored and cropped: (B,), or (B, grid, grid)."""
        if self._labels is None:
            assert batch.targets is not None
            return batch.targets
        labels = self._labels[batch.samples]
        if self._mirrored is None or batch.flips is None:
            return labels
        return torch.where(batch.flips.bool(), self._mirrored[batch.samples], labels)
