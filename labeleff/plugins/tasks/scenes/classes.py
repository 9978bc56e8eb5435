"""The ten classes of objects, in the paper's order of labels, with their shapes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labeleff.plugins.tasks.scenes import furniture, vehicles
from labeleff.plugins.tasks.scenes.parts import Kit, Parts
from labeleff.plugins.tasks.scenes.scene_rng import SceneRng

CLASSES: dict[str, Callable[[Kit], None]] = {
    "airplane": vehicles.airplane,
    "bench": furniture.bench,
    "cabinet": furniture.cabinet,
    "car": vehicles.car,
    "chair": furniture.chair,
    "lamp": furniture.lamp,
    "sofa": furniture.sofa,
    "table": furniture.table,
    "watercraft": vehicles.watercraft,
    "motorcycle": vehicles.motorcycle,
}
"""Classes by name, each with the function that builds its shapes."""


def shapes(split: str, label: int, numbers: Tensor) -> Parts:
    """Build the shapes of one class with these numbers (N,) int64, each a list of solids.

    A shape depends on the split, the class and its number alone, so no shape of one split is in another.
    """
    name = list(CLASSES)[label]
    rng = SceneRng((split, "shape", name), numbers)
    kit = Kit(lambda which: rng.uniform(f"proportion {which}", 1)[:, 0], len(numbers))
    CLASSES[name](kit)
    return kit.parts()


def stretch(parts: Parts, factors: Tensor) -> Parts:
    """Stretch parts along the object's axes by `factors` (N, 3)."""
    return Parts(
        parts.rounds,
        parts.cones,
        parts.plain,
        parts.centre * factors[:, None],
        parts.axes * factors[:, None, :, None],
        parts.shape,
        parts.present,
    )


def warp(rng: SceneRng) -> Tensor:
    """Draw factors (N, 3) as the rendering code does: 1 + N(0, 0.1) per axis, less their mean, within 0.5..1.5."""
    noise = 0.1 * rng.normal("warp", 3)
    return torch.clamp(1 + noise - noise.mean(1, keepdim=True), 0.5, 1.5)
