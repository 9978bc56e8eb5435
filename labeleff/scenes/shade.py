"""Light on what is seen: a point light, a sun, and some from everywhere; Lambert's law and a faint gloss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from labeleff.scenes.materials import Materials
from labeleff.scenes.scene import LIGHT_DISTANCE, Scenes, view
from labeleff.scenes.trace import Frames, Visible, lines

AMBIENT, SUN, POINT, GLOSS = 0.22, 0.25, 0.85, 0.12
SUN_FROM = (0.45, -0.3, 0.84)
"""Direction to the sun in the world."""


class Shader:
    """The scenes' solids, materials and lights on the device, as tables to look up by pixel."""

    def __init__(self, scenes: Scenes, all_frames: list[Frames], device: torch.device) -> None:
        self._layout = scenes.layout
        self._surfaces = _table(scenes.surfaces, device)
        self._backdrops = _table(scenes.backdrops, device)
        self._light = scenes.light.T.contiguous().to(device, torch.float32)
        sun = view() @ torch.tensor(SUN_FROM, dtype=torch.float64)
        self._sun = (sun / sun.norm()).to(device, torch.float32)
        self.thing, self._solids, self._round, self._object = _solids(scenes, all_frames, device)

    def light(self, seen: Visible, first: int, last: int, pixels: int) -> Tensor:
        """Light (3, last - first, pixels**2) from the scenes number `first` up to `last`, without it."""
        device = self._light.device
        line = lines(pixels, device)
        x, y = line.repeat(pixels), line.repeat_interleave(pixels)
        colour = self._plane(torch.arange(first, last, device=device), x, y).flatten(1)
        solid = seen.solid[first * pixels**2 : last * pixels**2]
        hit = (solid >= 0).nonzero()[:, 0]
        inside, depth = hit % pixels**2, seen.depth[first * pixels**2 + hit]
        scene = first + torch.div(hit, pixels**2, rounding_mode="floor")
        colour[:, hit] = self._thing(solid[hit], depth, scene, x[inside], y[inside])
        return colour.view(3, last - first, pixels**2)

    def _plane(self, scene: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Light (3, n, Q) from the planes of scenes (n,) at the rays x, y (Q,)."""
        slope = self._layout.slope
        depth = self._layout.distance / (1 + slope * y)
        point = (x * depth, y * depth, depth)
        normal = torch.tensor([0.0, -slope, -1.0], device=x.device)
        colour = _pattern(self._backdrops[:, scene, None], point)
        return self._lit(colour, point, list(normal / normal.norm()), scene[:, None], gloss=0.0)

    def _thing(self, solid: Tensor, depth: Tensor, scene: Tensor, x: Tensor, y: Tensor) -> Tensor:
        point = (x * depth, y * depth, depth)
        normal = self._normal(solid, point)
        thing = self.thing[solid]
        own = self._object[:, thing]
        inside = [_dot(own[3 * k : 3 * k + 3], point) + own[9 + k] for k in range(3)]
        colour = _pattern(self._surfaces[:, thing], (inside[0], inside[1], inside[2]))
        return self._lit(colour, point, normal, scene, gloss=GLOSS)

    def _normal(self, solid: Tensor, point: tuple[Tensor, ...]) -> list[Tensor]:
        """Unit normals, of the face that a point is nearest to."""
        row = self._solids[:, solid]
        local = [_dot(row[3 * k : 3 * k + 3], point) + row[9 + k] for k in range(3)]
        t = row[12:15]
        # Each face as a function that is 0 on it and negative inside; the largest one is the face.
        half = [1 - t[k].abs() / 2 - t[k] * local[2] / 2 for k in range(2)]
        cap = local[2].abs() - 1
        sides = [local[k].abs() - half[k] for k in range(2)]
        radius = local[0].square() + local[1].square() - t[0] - t[1] * local[2] - t[2] * local[2].square()
        # A cap and a curved side are compared by their distances, to first order.
        slant = 2 * (local[0].square() + local[1].square() + (t[1] / 2 + t[2] * local[2]).square()).sqrt() + 1e-6
        curved = self._round[solid]
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
        normal = [_dot(gradient, row[j:9:3]) for j in range(3)]
        length = torch.rsqrt(_dot(normal, normal) + 1e-12)
        return [n * length for n in normal]

    def _lit(
        self, colour: Tensor, point: tuple[Tensor, ...], normal: list[Tensor], scene: Tensor, gloss: float
    ) -> Tensor:
        """Light (3, Q) that surfaces of these colours, places and normals send to the camera."""
        lamp = self._light[:, scene]
        to = [lamp[k] - point[k] for k in range(3)]
        square = _dot(to, to)
        shorter = torch.rsqrt(square)
        facing = (_dot(normal, to) * shorter).clamp(min=0)
        strength = POINT * facing * (LIGHT_DISTANCE**2 / square).clamp(max=4)
        light = colour * (AMBIENT + SUN * _dot(normal, self._sun).clamp(min=0) + strength)
        if gloss:
            away = torch.rsqrt(_dot(point, point))
            half = [v * shorter - p * away for v, p in zip(to, point, strict=True)]
            shine = (_dot(normal, half) * torch.rsqrt(_dot(half, half) + 1e-12)).clamp(min=0)
            light = light + gloss * shine.square().square().square() ** 2 * (strength > 0)
        return light


Vector = Sequence[Tensor] | Tensor
"""Three coordinates, each a tensor."""


def _dot(one: Vector, other: Vector) -> Tensor:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def _table(materials: Materials, device: torch.device) -> Tensor:
    """Materials as rows (27, M)."""
    flat = (materials.first, materials.second, materials.waves.flatten(1), materials.weights, materials.gain)
    return torch.cat([part.to(torch.float64) for part in flat], dim=1).T.contiguous().to(device, torch.float32)


def _pattern(row: Tensor, point: tuple[Tensor, ...]) -> Tensor:
    """Colours (3, Q) at points, by material rows (27, Q)."""
    phase = [_dot(row[6 + 4 * wave : 9 + 4 * wave], point) + row[9 + 4 * wave] for wave in range(4)]
    second = torch.sin(phase[1])
    value = row[22] * torch.sin(phase[0]) + row[23] * second * torch.sin(phase[2])
    value = value + row[24] * torch.sin(phase[3] + row[25] * second)
    mix = (0.5 + row[26] * value).clamp(0, 1)
    return row[:3] + mix * (row[3:6] - row[:3])


def _solids(scenes: Scenes, all_frames: list[Frames], device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """By solid: its thing (scene * K + slot), its frame and form (15, R), whether it is round; by thing: its frame."""
    things, rows, rounds = [], [], []
    own = torch.zeros(12, scenes.labels.numel(), dtype=torch.float64)
    for group, frame in zip(scenes.groups, all_frames, strict=True):
        thing = group.scene * scenes.labels.shape[1] + group.slot
        parts = len(frame.parts.rounds)
        things.append(thing.repeat_interleave(parts))
        rounds.append(torch.tensor(frame.parts.rounds).repeat(len(thing)))
        rows.append(torch.cat((frame.inverse.flatten(2), frame.origin, frame.shape), dim=2).flatten(0, 1))
        back = group.to_camera.mT / group.size[:, None, None]
        own[:9, thing] = back.flatten(1).T
        own[9:, thing] = -(back @ group.place[..., None])[..., 0].T
    return (
        torch.cat(things).to(device),
        torch.cat(rows).T.contiguous(),
        torch.cat(rounds).to(device),
        own.to(device, torch.float32),
    )
