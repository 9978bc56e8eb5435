"""Rotations of objects and their five pose bins (Newell & Deng's code, CVPR 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labeleff.plugins.tasks.scenes.parts import rotation_about
from labeleff.plugins.tasks.scenes.scene_rng import SceneRng

POSES = ("upright", "tipped left", "tipped back", "tipped right", "tipped forward")
"""Names of the pose bins, as seen from the camera."""

MIRRORED = (0, 3, 2, 1, 4)
"""Bins of mirrored images by bin: left and right change places."""

BASE = (math.pi / 2, 0.0, -math.pi / 6)
"""Euler angles in radians where the viewpoint doesn't vary."""
SPREAD = 0.5
"""Standard deviation in radians of what is added to each angle where it varies."""
UPRIGHT = math.pi / 8
"""Lean of the up axis in radians below which an object counts as upright."""


def rotations(angles: Tensor) -> Tensor:
    """Compute rotation matrices (N, 3, 3), object to world, of Euler angles (N, 3): about x first, then y, then z."""
    about = [rotation_about(axis, angles[:, place]) for place, axis in enumerate(("x", "y", "z"))]  # type: ignore[arg-type]
    return about[2] @ about[1] @ about[0]


def pose_bins(rotation: Tensor) -> Tensor:
    """Compute bins (N,) int64 in 0..4 of rotations (N, 3, 3).

    The object's up axis is the second column (x, y, z). Under `UPRIGHT` from +z it is in bin 0; else the angle
    atan2(x, y) counts: bin 3 within 45 degrees of 0, bin 4 around 90, bin 2 around -90, else bin 1.
    """
    up = rotation[:, :, 1]
    lean = torch.acos(up[:, 2].clamp(-1, 1))
    psi = torch.atan2(up[:, 0], up[:, 1])
    quarter = torch.floor((psi + math.pi / 4) / (math.pi / 2)).to(torch.int64)
    sides = torch.tensor([1, 2, 3, 4, 1])[quarter + 2]
    return torch.where(lean < UPRIGHT, torch.zeros_like(sides), sides)


def varied(rng: SceneRng, wanted: Tensor | None) -> Tensor:
    """Draw rotations (N, 3, 3) with N(0, `SPREAD`) on each Euler angle, given that they fall in the bins `wanted` (N,).

    Candidates are drawn until one falls in the bin, so within a bin the distribution is the plain one. Without
    `wanted` the first candidate counts.
    """
    angles = torch.tensor(BASE, dtype=torch.float64) + SPREAD * rng.normal("viewpoint", 3)
    rotation = rotations(angles)
    attempt = 0
    while wanted is not None:
        left = (pose_bins(rotation) != wanted).nonzero()[:, 0]
        if len(left) == 0:
            break
        attempt += 1
        again = SceneRng((*rng.name, f"attempt {attempt}"), rng.index[left])
        angles = torch.tensor(BASE, dtype=torch.float64) + SPREAD * again.normal("viewpoint", 3)
        rotation[left] = rotations(angles)
    return rotation


def fixed(count: int) -> Tensor:
    """Repeat the one rotation of all objects where the viewpoint doesn't vary: (count, 3, 3)."""
    return rotations(torch.tensor(BASE, dtype=torch.float64).expand(count, 3))
