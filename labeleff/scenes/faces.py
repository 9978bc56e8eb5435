"""The faces of solids: which thing each solid belongs to, and the normals of its surface."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labeleff.scenes.seen import Vector, dot
from labeleff.scenes.solids import Frames, Group


@dataclass(frozen=True)
class Faces:
    """All R solids of some scenes on the device, as tables to look up by solid, counted through all groups."""

    thing: Tensor
    """(R,) int64."""
    rows: Tensor
    """(15, R): rotation into a solid's frame, origin, form."""
    round: Tensor
    """(R,) bool: of revolution, or a block."""

    @staticmethod
    def of(found: list[Group], all_frames: list[Frames], objects: int, device: torch.device) -> Faces:
        """The tables of all groups, in scenes of `objects` objects each."""
        things, rows, rounds = [], [], []
        for group, frame in zip(found, all_frames, strict=True):
            thing, parts = group.scene * objects + group.slot, len(frame.parts.rounds)
            things.append(thing.repeat_interleave(parts))
            rounds.append(torch.tensor(frame.parts.rounds).repeat(len(thing)))
            rows.append(torch.cat((frame.inverse.flatten(2), frame.origin, frame.shape), dim=2).flatten(0, 1))
        return Faces(torch.cat(things).to(device), torch.cat(rows).T.contiguous(), torch.cat(rounds).to(device))

    def normals(self, solid: Tensor, point: Vector) -> list[Tensor]:
        """Unit normals in the camera's frame at points of solids: of the face that a point is nearest to."""
        row = self.rows[:, solid]
        local = [dot(row[3 * k : 3 * k + 3], point) + row[9 + k] for k in range(3)]
        t = row[12:15]
        # Each face as a function that is 0 on it and negative inside; the largest one is the face.
        half = [1 - t[k].abs() / 2 - t[k] * local[2] / 2 for k in range(2)]
        cap = local[2].abs() - 1
        sides = [local[k].abs() - half[k] for k in range(2)]
        radius = local[0].square() + local[1].square() - t[0] - t[1] * local[2] - t[2] * local[2].square()
        # A cap and a curved side are compared by their distances, to first order.
        slant = 2 * (local[0].square() + local[1].square() + (t[1] / 2 + t[2] * local[2]).square()).sqrt() + 1e-6
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
        length = torch.rsqrt(dot(normal, normal) + 1e-12)
        return [n * length for n in normal]
