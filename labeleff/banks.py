"""The images of K slots in one tensor, so that one gather makes the batches of all."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from labeleff.errors import PluginError
from labeleff.pipeline import Batch, ResidentImages


class ImageBank:
    """Room for the images of `slots` slots, up to `room` each, all augmented as `like` is, each by its own seed."""

    def __init__(self, like: ResidentImages, slots: int, room: int) -> None:
        self.room = room
        self._images = like.room(slots * room)
        self._seeds = torch.zeros(slots, 1, dtype=torch.int64, device=like.device)
        self._starts = room * torch.arange(slots, device=like.device)[:, None]

    def put(self, slot: int, images: ResidentImages) -> None:
        """Take in the images of the slot numbered `slot`; raises PluginError where they are too many."""
        if images.count > self.room:
            raise PluginError(f"found {images.count} images for a slot with room for {self.room}")
        self._images.put(slot * self.room, images)
        self._seeds[slot] = images.seed

    def positions(self, samples: Tensor) -> Tensor:
        """Positions (K, B) of the slots' samples (K, B) among all images."""
        return samples + self._starts

    def batch(self, samples: Tensor, epochs: Tensor, view: int = 0) -> Batch:
        """The batches that `ResidentImages` gives, bit for bit, for samples (K, B) in their epochs; K is in front."""
        seeds = self._seeds.expand_as(samples).reshape(-1, 1)
        flat = (self.positions(samples).flatten(), samples.flatten(), epochs.flatten())
        return stacked(self._images.gather(*flat, seeds, view), len(samples))


def stacked(batch: Batch, slots: int) -> Batch:
    """A batch of K B rows as one of K times B."""
    fields = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    apart: dict[str, Any] = {k: v if v is None else v.view(slots, -1, *v.shape[1:]) for k, v in fields.items()}
    return Batch(**apart)
