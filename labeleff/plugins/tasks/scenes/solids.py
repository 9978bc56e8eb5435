"""Objects of scenes as solids, in their own frames and in the camera's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labeleff.plugins.tasks.scenes.classes import CLASSES, shapes, stretch
from labeleff.plugins.tasks.scenes.composition import Scenes
from labeleff.plugins.tasks.scenes.hits import Vector, dot, root
from labeleff.plugins.tasks.scenes.parts import Parts, inverse, product

NEAR = 0.05
"""Least visible depth."""


@dataclass(frozen=True)
class Group:
    """The objects of one class in a set of scenes; positions are in the camera's frame (right, down, forward)."""

    label: int
    scene: Tensor
    """Position of the scene in the set (M,)."""
    slot: Tensor
    """Number of the object in its scene (M,)."""
    parts: Parts
    """Solids in the objects' frame, warped and at unit size."""
    to_camera: Tensor
    """Rotations (M, 3, 3) from the objects' frame."""
    place: Tensor
    """Positions (M, 3)."""
    size: Tensor
    """Scale of the parts (M,)."""


def groups(scenes: Scenes) -> list[Group]:
    """Group the objects of scenes by class; a shape depends on the split, its class and its number alone."""
    flat, objects, by_class = scenes.labels.flatten(), scenes.layout.objects, []
    for label in range(len(CLASSES)):
        of = (flat == label).nonzero()[:, 0]
        if len(of) == 0:
            continue
        parts = stretch(shapes(scenes.split, label, scenes.shape[of]), scenes.warp[of])
        size = torch.full((len(of),), scenes.layout.size, dtype=torch.float64)
        scene, slot = of // objects, of % objects
        by_class.append(Group(label, scene, slot, parts, scenes.to_camera[of], scenes.place[of], size))
    return by_class


@dataclass(frozen=True)
class Frames:
    """The solids of a group of M objects, as the camera's rays meet them; float32, on the device.

    A point X in the camera's frame is at `inverse` X + `origin` in a solid's.
    """

    parts: Parts
    inverse: Tensor
    """Rotation and scale into a solid's frame (M, P, 3, 3)."""
    origin: Tensor
    """Camera's position in a solid's frame (M, P, 3)."""
    shape: Tensor
    """Form of a solid (M, P, 3), as in `Parts`."""
    present: Tensor
    """Whether an object has the solid (M, P) bool."""
    low: Tensor
    """Least x and y of the object's rays (M, 2), on the CPU; `high` has the greatest."""
    high: Tensor

    @property
    def count(self) -> int:
        """Total number of solids."""
        return int(self.present.numel())


def frames(group: Group, device: torch.device) -> Frames:
    """Bring a group's solids into the camera's frame; computed in float64 on the CPU."""
    parts = group.parts
    scaled = group.size[:, None, None] * group.to_camera
    centre = group.place[:, None] + product(parts.centre, scaled.mT)
    axes = product(scaled[:, None], parts.axes)
    axes = torch.where(parts.present[:, :, None, None], axes, torch.eye(3, dtype=torch.float64))
    back = inverse(axes)
    origin = -product(back, centre[..., None])[..., 0]
    placed = Parts(parts.rounds, parts.cones, parts.plain, centre, axes, parts.shape, parts.present)
    corners = placed.corners()
    line = corners[..., :2] / corners[..., 2:].clamp(min=NEAR)
    present = parts.present[:, :, None, None]
    return Frames(
        parts,
        back.to(device, torch.float32),
        origin.to(device, torch.float32),
        parts.shape.to(device, torch.float32),
        parts.present.to(device),
        torch.where(present, line, torch.inf).amin((1, 2)),
        torch.where(present, line, -torch.inf).amax((1, 2)),
    )


@dataclass(frozen=True)
class Faces:
    """Tables of all R solids of some scenes on the device, numbered through all groups."""

    thing: Tensor
    """Number of the solid's thing (R,) int64."""
    rows: Tensor
    """Rotation into a solid's frame, origin, form (15, R)."""
    round: Tensor
    """Whether a solid is one of revolution, not a block (R,) bool."""

    @staticmethod
    def of(all_groups: list[Group], all_frames: list[Frames], objects: int, device: torch.device) -> Faces:
        """Build the tables of all groups, in scenes of `objects` objects each."""
        things, rows, rounds = [], [], []
        for group, frame in zip(all_groups, all_frames, strict=True):
            thing, parts = group.scene * objects + group.slot, len(frame.parts.rounds)
            things.append(thing.repeat_interleave(parts))
            rounds.append(torch.tensor(frame.parts.rounds).repeat(len(thing)))
            rows.append(torch.cat((frame.inverse.flatten(2), frame.origin, frame.shape), dim=2).flatten(0, 1))
        return Faces(torch.cat(things).to(device), torch.cat(rows).T.contiguous(), torch.cat(rounds).to(device))

    def normals(self, solid: Tensor, point: Vector) -> list[Tensor]:
        """Compute unit normals in the camera's frame at points of solids, of the face nearest to each point."""
        row = self.rows[:, solid]
        local = [dot(row[3 * k : 3 * k + 3], point) + row[9 + k] for k in range(3)]
        t = row[12:15]
        # Each face as a function that is 0 on it and negative inside; the largest one is the face.
        half = [1 - t[k].abs() / 2 - t[k] * local[2] / 2 for k in range(2)]
        cap = local[2].abs() - 1
        sides = [local[k].abs() - half[k] for k in range(2)]
        radius = local[0].square() + local[1].square() - t[0] - t[1] * local[2] - t[2] * local[2].square()
        # A cap and a curved side are compared by their distances, to first order.
        slant = 2 * root(local[0].square() + local[1].square() + (t[1] / 2 + t[2] * local[2]).square()) + 1e-6
        curved = self.round[solid]
        side = torch.where(curved, radius / slant, torch.maximum(sides[0], sides[1]))
        on_cap = cap > side
        first = sides[0] >= sides[1]
        faces = (
            torch.where(first, local[0].sign(), 0.0),
            torch.where(first, 0.0, local[1].sign()),
            torch.where(first, t[0], t[1]) / 2,
        )
        bent = (2 * local[0], 2 * local[1], -t[1] - 2 * t[2] * local[2])
        gradient = [torch.where(curved, b, f) for b, f in zip(bent, faces, strict=True)]
        top = (torch.zeros_like(cap), torch.zeros_like(cap), local[2].sign())
        gradient = [torch.where(on_cap, u, g) for u, g in zip(top, gradient, strict=True)]
        normal = [dot(gradient, row[j:9:3]) for j in range(3)]
        length = root(dot(normal, normal) + 1e-12).reciprocal()
        return [n * length for n in normal]
