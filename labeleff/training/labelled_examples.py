"""Labelled examples on the device, in batches with their targets."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from labeleff.errors import PluginError
from labeleff.study.cell import Augment
from labeleff.training.examples import Examples
from labeleff.training.goals.interface import Goal
from labeleff.training.images import Batch, Normalisation, ResidentImages
from labeleff.training.stories import resident


class ImageBank:
    """The images of `slots` slots, up to `room` each, augmented as `like` is, each slot by its own seed."""

    def __init__(self, like: ResidentImages, slots: int, room: int) -> None:
        self.room = room
        self._images = like.room(slots * room)
        self._seeds = torch.zeros(slots, 1, dtype=torch.int64, device=like.device)
        self._starts = room * torch.arange(slots, device=like.device)[:, None]

    def put(self, slot: int, images: ResidentImages) -> None:
        """Store the images of the slot numbered `slot`; raises PluginError where there are too many."""
        if images.count > self.room:
            raise PluginError(f"found {images.count} images for a slot with room for {self.room}")
        self._images.put(slot * self.room, images)
        self._seeds[slot] = images.seed

    def positions(self, samples: Tensor) -> Tensor:
        """Positions (K, B) of the slots' samples (K, B) among all images."""
        return samples + self._starts

    def batch(self, samples: Tensor, epochs: Tensor, view: int = 0) -> Batch:
        """Make the batches of `ResidentImages`, bit for bit, of samples (K, B) in their epochs; K is in front."""
        seeds = self._seeds.expand_as(samples).reshape(-1, 1)
        flat = (self.positions(samples).flatten(), samples.flatten(), epochs.flatten())
        return split_slots(self._images.gather(*flat, seeds, view), len(samples))


def split_slots(batch: Batch, slots: int) -> Batch:
    """Reshape a batch of K * B rows to one of (K, B)."""
    fields = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    parts: dict[str, Any] = {k: v if v is None else v.view(slots, -1, *v.shape[1:]) for k, v in fields.items()}
    return Batch(**parts)


class LabelledExamples:
    """Images (with their `normalisation`) or stories with the labels of a goal; `seed` names the augmentation."""

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
        self.count = self.resident.count
        self.labels = None if maps is not None else examples.labels.to(device)
        mirrored = goal.mirrored(examples.labels)
        self.mirrored = None if mirrored is examples.labels else mirrored.to(device)

    def __len__(self) -> int:
        return self.count

    @property
    def streamed(self) -> bool:
        """Whether the images are in the host's memory."""
        return isinstance(self.resident, ResidentImages) and self.resident.streamed

    @property
    def drawn_on(self) -> torch.device:
        """Device on which `samples` should be drawn, so that no copy is waited for."""
        return self.resident.drawn_on

    def target(self, batch: Batch) -> Tensor:
        """Return the labels of a batch as augmented, mirrored and cropped: (B,), or (B, grid, grid)."""
        return _target(batch, batch.samples, self.labels, self.mirrored)

    def batch(self, samples: Tensor, epochs: Tensor) -> Batch:
        """Make the batch of examples at `samples` (B,) in their `epochs` (B,), with their labels as `targets`."""
        batch = self.resident.batch(samples, epochs)
        return replace(batch, targets=self.target(batch))

    def view(self, samples: Tensor, epochs: Tensor, number: int) -> Tensor:
        """Make another view (B, 3, S, S) of the images at `samples` (B,), with the flip of their batch."""
        if not isinstance(self.resident, ResidentImages):
            raise PluginError("only images have several views")
        return self.resident.batch(samples, epochs, view=number).images

    def bank(self, slots: int, room: int) -> LabelledBank:
        """Create an empty bank for `slots` slots with up to `room` examples each, all like these."""
        return LabelledBank(self, slots, room)


class LabelledBank:
    """The labelled images of K slots; batches are those of `LabelledExamples`, with K more in front."""

    def __init__(self, like: LabelledExamples, slots: int, room: int) -> None:
        if not isinstance(like.resident, ResidentImages):
            raise PluginError("only images can be kept together with those of other slots")
        self._images = ImageBank(like.resident, slots, room)
        self._labels, self._mirrored = (
            None if labels is None else labels.new_zeros(slots * room) for labels in (like.labels, like.mirrored)
        )

    def put(self, slot: int, examples: LabelledExamples) -> None:
        """Store the examples of the slot numbered `slot`."""
        assert isinstance(examples.resident, ResidentImages)
        self._images.put(slot, examples.resident)
        start = slot * self._images.room
        for ours, theirs in ((self._labels, examples.labels), (self._mirrored, examples.mirrored)):
            if ours is not None and theirs is not None:
                ours[start : start + len(theirs)] = theirs

    def batch(self, samples: Tensor, epochs: Tensor) -> Batch:
        """Make a batch of samples (K, B) in their epochs (K, B), with their labels as `targets`."""
        batch = self._images.batch(samples, epochs)
        return replace(batch, targets=_target(batch, self._images.positions(samples), self._labels, self._mirrored))


def _target(batch: Batch, positions: Tensor, labels: Tensor | None, mirrored: Tensor | None) -> Tensor:
    """Look up the labels at these positions, mirrored where the images are; maps come with the batch."""
    if labels is None:
        assert batch.targets is not None
        return batch.targets
    if mirrored is None or batch.flips is None:
        return labels[positions]
    return torch.where(batch.flips.bool(), mirrored[positions], labels[positions])
