"""Outlines of the toy task's ten things, as ellipses and tapered blocks.

Coordinates are the thing's own: u to the right and v down, about -1..1. Distances are negative inside, in the
same unit, and exact enough near the edge for a soft outline. All tensors broadcast to (N, H, W).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from labeleff.plugins.tasks.scenes.hits import root

Part = tuple[Tensor, int]
"""Signed distance to a part's outline (N, H, W), and which of the thing's two colours it has."""


@dataclass(frozen=True)
class Plane:
    """The pixels of N images in the coordinates of the thing, and the variation of each thing.

    `u`, `v` (N, H, W); `a`, `b`, `c` (N, 1, 1) in -1..1 vary the thing's proportions; `side` is -1 or 1.
    """

    u: Tensor
    v: Tensor
    a: Tensor
    b: Tensor
    c: Tensor
    side: Tensor

    def ellipse(self, u: Tensor | float, v: Tensor | float, width: Tensor | float, height: Tensor | float) -> Tensor:
        """Compute the distance to an ellipse around (u, v) with these half axes."""
        width, height = torch.as_tensor(width), torch.as_tensor(height)
        radius = root(((self.u - u) / width).square() + ((self.v - v) / height).square())
        return (radius - 1) * torch.minimum(width, height)

    def block(
        self,
        top: Tensor | float,
        bottom: Tensor | float,
        upper: Tensor | float,
        lower: Tensor | float,
        u: Tensor | float = 0.0,
    ) -> Tensor:
        """Compute the distance to a block from v = top to bottom with half widths `upper` and `lower`, around `u`."""
        slope = (torch.as_tensor(lower) - upper) / (bottom - top)
        edge = (self.u - u).abs() - upper - slope * (self.v - top)
        return torch.maximum(edge / root(1 + slope.square()), torch.maximum(top - self.v, self.v - bottom))


def _tree(p: Plane) -> list[Part]:
    width = 0.6 + 0.1 * p.a
    return [
        (p.block(0.4, 0.95, 0.11, 0.13 + 0.03 * p.b), 1),
        (p.block(-0.25 + 0.1 * p.c, 0.5, 0.1, width), 0),
        (p.block(-0.95, 0.05 + 0.1 * p.c, 0.0, width * 0.8), 0),
    ]


def _house(p: Plane) -> list[Part]:
    width, eaves = 0.6 + 0.12 * p.a, -0.05 + 0.12 * p.b
    return [
        (p.block(eaves, 0.85, width, width), 0),
        (p.block(eaves - 0.75, eaves + 0.05, 0.02, width + 0.2), 1),
        (p.block(0.35, 0.85, 0.14, 0.14, 0.25 * p.c), 1),
    ]


def _mushroom(p: Plane) -> list[Part]:
    rim, width = 0.05 + 0.1 * p.a, 0.75 + 0.1 * p.b
    cap = torch.maximum(p.ellipse(0, rim, width, 0.85), p.v - rim)
    return [(p.block(rim - 0.1, 0.9, 0.2 + 0.05 * p.c, 0.27 + 0.05 * p.c), 1), (cap, 0)]


def _umbrella(p: Plane) -> list[Part]:
    rim, width = -0.1 + 0.1 * p.a, 0.85 + 0.08 * p.b
    canopy = torch.maximum(p.ellipse(0, rim, width, 0.75), p.v - rim)
    hook = p.ellipse(0.16 * p.side, 0.75, 0.16, 0.16).abs() - 0.07
    return [
        (p.block(-0.95, 0.75, 0.07, 0.07), 1),
        (torch.maximum(hook, 0.75 - p.v), 1),
        (canopy, 0),
    ]


def _boat(p: Plane) -> list[Part]:
    deck, sail = 0.4 + 0.08 * p.a, 0.62 + 0.12 * p.b
    canvas = torch.maximum(p.block(-0.85, deck - 0.12, 0.0, sail, 0.05 * p.side), -p.u * p.side)
    return [
        (p.block(-0.95, deck + 0.1, 0.06, 0.06), 1),
        (canvas, 0),
        (p.block(deck, 0.85, 0.85, 0.5 + 0.1 * p.c), 1),
    ]


def _lollipop(p: Plane) -> list[Part]:
    radius = 0.5 + 0.07 * p.a
    middle = -0.42 + 0.05 * p.b
    return [
        (p.block(0.0, 0.95, 0.08, 0.08), 1),
        (p.ellipse(0, middle, radius, radius), 0),
        (p.ellipse(0, middle, radius * 0.55, radius * 0.55).abs() - 0.06, 1),
    ]


def _ice_cream(p: Plane) -> list[Part]:
    rim, width = -0.05 + 0.1 * p.a, 0.45 + 0.06 * p.b
    return [(p.ellipse(0, rim - 0.3, width + 0.06, 0.5 + 0.08 * p.c), 0), (p.block(rim, 0.95, width, 0.0), 1)]


def _arrow(p: Plane) -> list[Part]:
    neck, width = -0.1 + 0.12 * p.a, 0.68 + 0.1 * p.b
    shaft = 0.2 + 0.06 * p.c
    return [(p.block(neck - 0.05, 0.9, shaft, shaft), 0), (p.block(-0.9, neck, 0.0, width), 0)]


def _cup(p: Plane) -> list[Part]:
    rim, width = -0.45 + 0.12 * p.a, 0.5 + 0.06 * p.b
    handle = p.ellipse(0.55 * p.side, 0.05, 0.28, 0.32).abs() - 0.08
    return [(handle, 1), (p.block(rim, 0.7, width, width * (0.72 + 0.1 * p.c)), 0), (p.ellipse(0, rim, width, 0.14), 1)]


def _lamp(p: Plane) -> list[Part]:
    rim, width = -0.15 + 0.12 * p.a, 0.65 + 0.1 * p.b
    return [
        (p.block(rim - 0.1, 0.85, 0.08, 0.08), 1),
        (p.block(0.72, 0.92, 0.3, 0.45 + 0.06 * p.c), 1),
        (p.block(-0.9, rim, width * 0.45, width), 0),
    ]


@dataclass(frozen=True)
class Thing:
    """One kind of thing: its outline, and its two usual colours (red, green, blue in 0..1)."""

    parts: Callable[[Plane], list[Part]]
    first: tuple[float, float, float]
    second: tuple[float, float, float]


THINGS = {
    "tree": Thing(_tree, (0.0, 1.0, 0.2), (0.6, 0.3, 0.0)),
    "house": Thing(_house, (1.0, 0.9, 0.6), (1.0, 0.2, 0.0)),
    "mushroom": Thing(_mushroom, (1.0, 0.0, 0.0), (1.0, 1.0, 0.8)),
    "umbrella": Thing(_umbrella, (0.5, 0.0, 1.0), (0.2, 0.2, 0.2)),
    "boat": Thing(_boat, (1.0, 1.0, 1.0), (0.0, 0.2, 1.0)),
    "lollipop": Thing(_lollipop, (1.0, 0.0, 0.7), (1.0, 1.0, 1.0)),
    "ice cream": Thing(_ice_cream, (0.6, 1.0, 1.0), (1.0, 0.6, 0.0)),
    "arrow": Thing(_arrow, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "cup": Thing(_cup, (0.0, 0.8, 1.0), (0.0, 0.4, 0.6)),
    "lamp": Thing(_lamp, (1.0, 1.0, 0.0), (0.4, 0.4, 0.4)),
}
"""Kinds of things by name."""
