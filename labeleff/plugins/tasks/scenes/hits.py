"""What rays meet: the words that tracers and shading share.

A ray leaves the camera along (x, y, 1), so that its parameter is the depth along the axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from labeleff.plugins.tasks.scenes.composition import FIELD, Scenes

RAYS = {"cpu": 1 << 15, "cuda": 1 << 23}
"""Rays worked on at once, by kind of device."""

Vector = Sequence[Tensor] | Tensor
"""Three coordinates, each a tensor."""


class Seen(Protocol):
    """What the pixels of N scenes show, flat: (N * pixels * pixels,), row by row."""

    @property
    def depth(self) -> Tensor:
        """Float32; infinite where there is only the plane."""

    def things(self, at: Tensor) -> Tensor:
        """Which things (Q,) int64 the pixels number `at` (Q,) show; `at` only has pixels with a thing."""

    def normals(self, at: Tensor, point: Vector) -> Vector:
        """Unit normals in the camera's frame, towards it, of the surfaces in those pixels, at points of (Q,) each."""


Tracer = Callable[[Scenes, Sequence[int], torch.device], list[Seen]]
"""What square images of scenes show, for each of several numbers of pixels a side."""


def lines(pixels: int, device: torch.device) -> Tensor:
    """x (or y) of the rays through the middles of pixels (pixels,), from -`FIELD` to `FIELD`."""
    return ((torch.arange(pixels, device=device, dtype=torch.float32) + 0.5) * (2 / pixels) - 1) * FIELD


def dot(one: Vector, other: Vector) -> Tensor:
    """Scalar products (Q,)."""
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
