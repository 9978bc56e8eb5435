"""Shading: point light, sun and ambient light by Lambert's law, and a faint gloss."""

from __future__ import annotations

import torch
from torch import Tensor

from labeleff.plugins.tasks.scenes.composition import LIGHT_DISTANCE, Scenes, view
from labeleff.plugins.tasks.scenes.hits import Seen, Vector, dot, lines, root
from labeleff.plugins.tasks.scenes.materials import Materials
from labeleff.plugins.tasks.scenes.parts import product, steady
from labeleff.training.device import summing_type

AMBIENT, SUN, POINT, GLOSS = 0.22, 0.25, 0.85, 0.12
SUN_FROM = (0.45, -0.3, 0.84)
"""Direction to the sun in the world."""


class Shader:
    """The scenes' materials and lights on the device, as tables to look up by pixel."""

    def __init__(self, scenes: Scenes, device: torch.device) -> None:
        self._layout = scenes.layout
        self._surfaces = _table(scenes.surfaces, device)
        self._backdrops = _table(scenes.backdrops, device)
        self._light = scenes.light.T.contiguous().to(device, torch.float32)
        sun = view() @ torch.tensor(SUN_FROM, dtype=torch.float64)
        self._sun = steady(sun / sun.norm()).to(device, torch.float32)
        self._object = _frames(scenes, device)

    def light(self, seen: Seen, first: int, last: int, pixels: int) -> Tensor:
        """Compute light (3, last - first, pixels**2) from the scenes number `first` to `last` - 1."""
        device = self._light.device
        line = lines(pixels, device)
        x, y = line.repeat(pixels), line.repeat_interleave(pixels)
        colour = self._plane(torch.arange(first, last, device=device), x, y).flatten(1)
        start = first * pixels**2
        hit = seen.depth[start : last * pixels**2].isfinite().nonzero()[:, 0]
        inside, at = hit % pixels**2, start + hit
        scene = first + torch.div(hit, pixels**2, rounding_mode="floor")
        colour[:, hit] = self._thing(seen, at, scene, x[inside], y[inside])
        return colour.view(3, last - first, pixels**2)

    def _plane(self, scene: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Compute light (3, n, Q) from the planes of scenes (n,) at the rays x, y (Q,)."""
        slope = self._layout.slope
        depth = self._layout.distance / (1 + slope * y)
        point = (x * depth, y * depth, depth)
        normal = torch.tensor([0.0, -slope, -1.0], device=x.device)
        colour = _pattern(self._backdrops[:, scene, None], point)
        return self._reflect(colour, point, list(normal / normal.norm()), scene[:, None], gloss=0.0)

    def _thing(self, seen: Seen, at: Tensor, scene: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Compute light (3, Q) from the things in the pixels number `at`."""
        depth, thing = seen.depth[at], seen.things(at)
        point = (x * depth, y * depth, depth)
        frame = self._object[:, thing]
        inside = [dot(frame[3 * k : 3 * k + 3], point) + frame[9 + k] for k in range(3)]
        colour = _pattern(self._surfaces[:, thing], (inside[0], inside[1], inside[2]))
        return self._reflect(colour, point, seen.normals(at, point), scene, gloss=GLOSS)

    def _reflect(
        self, colour: Tensor, point: tuple[Tensor, ...], normal: Vector, scene: Tensor, gloss: float
    ) -> Tensor:
        """Compute light (3, Q) that surfaces of these colours, places and normals send to the camera."""
        lamp = self._light[:, scene]
        to = [lamp[k] - point[k] for k in range(3)]
        square = dot(to, to)
        shorter = root(square).reciprocal()
        facing = (dot(normal, to) * shorter).clamp(min=0)
        strength = POINT * facing * (LIGHT_DISTANCE**2 / square).clamp(max=4)
        light = colour * (AMBIENT + SUN * dot(normal, self._sun).clamp(min=0) + strength)
        if gloss:
            away = root(dot(point, point)).reciprocal()
            half = [v * shorter - p * away for v, p in zip(to, point, strict=True)]
            shine = (dot(normal, half) * root(dot(half, half) + 1e-12).reciprocal()).clamp(min=0)
            light = light + gloss * shine.square().square().square() ** 2 * (strength > 0)
        return light


def _table(materials: Materials, device: torch.device) -> Tensor:
    """Lay materials out as rows (27, M)."""
    flat = (materials.first, materials.second, materials.waves.flatten(1), materials.weights, materials.gain)
    return torch.cat([part.to(torch.float64) for part in flat], dim=1).T.contiguous().to(device, torch.float32)


def _pattern(row: Tensor, point: tuple[Tensor, ...]) -> Tensor:
    """Compute colours (3, Q) at points, by material rows (27, Q)."""
    phase = [dot(row[6 + 4 * wave : 9 + 4 * wave], point) + row[9 + 4 * wave] for wave in range(4)]
    second = _sine(phase[1])
    value = row[22] * _sine(phase[0]) + row[23] * second * _sine(phase[2])
    value = value + row[24] * _sine(phase[3] + row[25] * second)
    mix = (0.5 + row[26] * value).clamp(0, 1)
    return row[:3] + mix * (row[3:6] - row[:3])


def _sine(angles: Tensor) -> Tensor:
    """Compute sines (Q,) as if exactly rounded: a processor's own of float32 differ in the last bit, and pixels do."""
    return torch.sin(angles.to(summing_type(angles.device))).to(angles.dtype)


def _frames(scenes: Scenes, device: torch.device) -> Tensor:
    """Compute rotations and origins (12, N * K) that bring points of the camera's frame into the things' own."""
    back = scenes.to_camera.mT / scenes.layout.size
    origin = -product(back, scenes.place[..., None])[..., 0]
    return torch.cat((back.flatten(1), origin), dim=1).T.contiguous().to(device, torch.float32)
