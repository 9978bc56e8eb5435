"""Heads on encoders: scores for every cell of a grid from the last map, and scores that bfloat16 doesn't round."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.plugins.encoders.interface import Encoder, linear_head
from labeleff.training.device import Compute


def exact(values: Tensor) -> Tensor:
    """Convert values to float32 for a loss; float64 ones stay as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def on_grid(maps: Tensor, grid: int) -> Tensor:
    """Resize maps (N, C, h, w) bilinearly to (N, C, grid, grid), corners not aligned."""
    if maps.shape[2:] == (grid, grid):
        return maps
    return F.interpolate(maps, (grid, grid), mode="bilinear", align_corners=False)


class LastMap(nn.Module):
    """An encoder cut at its last map: images (N, 3, H, W) to (N, dim, h, w)."""

    packing = "grouped"

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> Tensor:
        """Compute the map whose mean over positions is the encoder's features."""
        maps = self.encoder.maps(images)
        return maps[self.encoder.stages[-1]]


class MapHead(nn.Module):
    """A linear layer at every position of a map (N, dim, h, w); its scores (N, outputs, grid, grid) are resized.

    The layer's initial weights depend on `seed` alone. Its bias starts at `start` where that is given: for depths,
    the median of the n labelled ones.
    """

    packing = "grouped"

    def __init__(self, dim: int, outputs: int, grid: int, seed: int, start: float | None = None) -> None:
        super().__init__()
        self.layer = linear_head(dim, outputs, seed)
        self.grid = grid
        if start is not None:
            nn.init.constant_(self.layer.bias, start)

    def forward(self, maps: Tensor) -> Tensor:
        """Compute scores of every cell, in float32, or float64 where the layer has that type."""
        scores = self.layer(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return on_grid(exact(scores), self.grid)


def evaluate(model: Callable[[Tensor], Tensor], inputs: Tensor, compute: Compute) -> Tensor:
    """Apply a model in the precision of `compute`, but a head that ends it in float32 at least: float32 (N, ...).

    In bfloat16 the two highest of an image's scores are equal in up to one of a hundred images, of which the lowest
    class would be predicted.
    """
    plain = isinstance(model, nn.Sequential) and type(model).forward is nn.Sequential.forward
    layers = [*model] if plain else []  # type: ignore[misc]
    if not layers or not isinstance(layers[-1], nn.Linear | MapHead):
        with compute.autocast():
            return model(inputs).float()
    with compute.autocast():
        for layer in layers[:-1]:
            inputs = layer(inputs)
    scores: Tensor = layers[-1](exact(inputs))
    return scores.float()
