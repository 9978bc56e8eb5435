"""The objects of scenes as solids, class by class: in their own frames, and in the camera's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labeleff.scenes.classes import CLASSES, shapes, warped
from labeleff.scenes.parts import Parts
from labeleff.scenes.scene import Scenes

NEAR = 0.05
"""Least depth that is seen."""


@dataclass(frozen=True)
class Group:
    """The objects of one class in a set of scenes; positions are in the camera's frame (right, down, forward)."""

    label: int
    scene: Tensor
    """Position of the scene in the set (M,)."""
    slot: Tensor
    """Which of the scene's objects (M,)."""
    parts: Parts
    """Solids in the objects' frame, warped and at unit size."""
    to_camera: Tensor
    """Rotations (M, 3, 3) from the objects' frame."""
    place: Tensor
    """(M, 3)."""
    size: Tensor
    """(M,): scale of the parts."""


def groups(scenes: Scenes) -> list[Group]:
    """The objects of scenes, class by class; a shape depends on the split, its class and its number alone."""
    flat, objects, found = scenes.labels.flatten(), scenes.layout.objects, []
    for label in range(len(CLASSES)):
        of = (flat == label).nonzero()[:, 0]
        if len(of) == 0:
            continue
        parts = warped(shapes(scenes.split, label, scenes.shape[of]), scenes.warp[of])
        size = torch.full((len(of),), scenes.layout.size, dtype=torch.float64)
        scene, slot = of // objects, of % objects
        found.append(Group(label, scene, slot, parts, scenes.to_camera[of], scenes.place[of], size))
    return found


@dataclass(frozen=True)
class Frames:
    """The solids of a group of M objects, as the camera's rays meet them; float32, on the device.

    A point X in the camera's frame is at `inverse` X + `origin` in a solid's.
    """

    parts: Parts
    inverse: Tensor
    """(M, P, 3, 3)."""
    origin: Tensor
    """(M, P, 3)."""
    shape: Tensor
    """(M, P, 3)."""
    present: Tensor
    """(M, P) bool."""
    low: Tensor
    """Least and, in `high`, greatest x and y of the object's rays (M, 2), on the CPU."""
    high: Tensor

    @property
    def count(self) -> int:
        """Solids in all."""
        return int(self.present.numel())


def frames(group: Group, device: torch.device) -> Frames:
    """A group's solids brought into the camera's frame; computed in float64 on the CPU."""
    parts = group.parts
    scaled = group.size[:, None, None] * group.to_camera
    centre = group.place[:, None] + torch.einsum("mij,mpj->mpi", scaled, parts.centre)
    axes = torch.einsum("mij,mpjk->mpik", scaled, parts.axes)
    axes = torch.where(parts.present[:, :, None, None], axes, torch.eye(3, dtype=torch.float64))
    inverse = torch.linalg.inv(axes)
    origin = -(inverse @ centre[..., None])[..., 0]
    placed = Parts(parts.rounds, parts.cones, parts.plain, centre, axes, parts.shape, parts.present)
    corners = placed.corners()
    line = corners[..., :2] / corners[..., 2:].clamp(min=NEAR)
    here = parts.present[:, :, None, None]
    return Frames(
        parts,
        inverse.to(device, torch.float32),
        origin.to(device, torch.float32),
        parts.shape.to(device, torch.float32),
        parts.present.to(device),
        torch.where(here, line, torch.inf).amin((1, 2)),
        torch.where(here, line, -torch.inf).amax((1, 2)),
    )
