"""Interface of tracers: what the pixels of scenes show.

A ray leaves the camera along (x, y, 1), so that its parameter is the depth along the axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from labeleff.plugins.tasks.scenes.composition import FIELD, Scenes

RAYS = {"cpu": 1 << 15, "cuda": 1 << 23}
"""Rays processed at once, by kind of device."""

Vector = Sequence[Tensor] | Tensor
"""Three coordinates, each a tensor."""


class Seen(Protocol):
    """The visible surfaces of N scenes by pixel, flat: (N * pixels * pixels,), row by row."""

    @property
    def depth(self) -> Tensor:
        """Depth along the camera's axis, float32; infinite where there is only the plane."""

    def things(self, at: Tensor) -> Tensor:
        """Return the things (Q,) int64 in the pixels number `at` (Q,), each of which shows a thing."""

    def normals(self, at: Tensor, point: Vector) -> Vector:
        """Compute unit normals towards the camera, in its frame, of those pixels' surfaces at points (Q,) each."""


Tracer = Callable[[Scenes, Sequence[int], torch.device], list[Seen]]
"""A function from scenes to what their square images show, for each of several numbers of pixels per side."""


def lines(pixels: int, device: torch.device) -> Tensor:
    """Compute x (or y) of the rays through the middles of pixels (pixels,), from -`FIELD` to `FIELD`."""
    return ((torch.arange(pixels, device=device, dtype=torch.float32) + 0.5) * (2 / pixels) - 1) * FIELD


def root(values: Tensor) -> Tensor:
    """Compute square roots, not a number below 0, by IEEE 754: torch's differ between processors in the last bit."""
    if values.device.type != "cpu":
        return values.sqrt()
    with np.errstate(invalid="ignore"):
        return torch.from_numpy(np.asarray(np.sqrt(values.numpy())))


def dot(one: Vector, other: Vector) -> Tensor:
    """Compute scalar products (Q,)."""
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
