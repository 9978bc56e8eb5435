"""Renderer of scenes: images, masks and depths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from labeleff.plugins.tasks.scenes.composition import Scenes, compose
from labeleff.plugins.tasks.scenes.factors import Factors
from labeleff.plugins.tasks.scenes.hits import RAYS, Seen, Tracer, lines, root
from labeleff.plugins.tasks.scenes.poses import pose_bins
from labeleff.plugins.tasks.scenes.shade import Shader
from labeleff.plugins.tasks.scenes.trace import trace
from labeleff.training.goals.depth import UNIT

FINER = 2
"""Rays per pixel along each side, whose mean is the pixel's colour."""
SCENES = {"cpu": 200, "cuda": 2000}
"""Scenes of 64 pixels per side composed at once, by kind of device."""


@dataclass(frozen=True)
class Rendered:
    """N images of K objects with all their labels, on the CPU."""

    images: Tensor
    """Images, uint8 (N, S, S, 3)."""
    classes: Tensor
    """Classes, int64 (N, K)."""
    rotations: Tensor
    """Rotations from object to world, float64 (N, K, 3, 3)."""
    objects: Tensor | None
    """Maps of objects, uint8 (N, S, S): 0 for the plane, else 1 + the object's number in its scene."""
    depths: Tensor | None
    """Maps of depth, int16 (N, S, S): depth along the camera's axis in steps of `UNIT`."""

    @property
    def poses(self) -> Tensor:
        """Pose bins (N, K) int64 of the rotations."""
        return pose_bins(self.rotations.flatten(0, 1)).view(self.classes.shape)

    @property
    def masks(self) -> Tensor:
        """Maps of classes, uint8 (N, S, S): 0 for the plane, else 1 + the class."""
        assert self.objects is not None
        table = torch.cat((torch.zeros_like(self.classes[:, :1]), self.classes + 1), dim=1)
        flat = table.gather(1, self.objects.flatten(1).to(torch.int64))
        return flat.view(self.objects.shape).to(torch.uint8)


def render(
    split: str,
    numbers: Tensor,
    side: int,
    objects: int,
    factors: Factors,
    *,
    maps: bool = False,
    balanced: bool = True,
    device: torch.device | None = None,
    tracer: Tracer = trace,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Rendered:
    """Render the scenes of `split` with these numbers (N,) at `side` pixels, with `maps` of objects and depths.

    Every image depends on its split, number, side and the settings alone; on the CPU to the last byte. The objects'
    shapes come from `tracer`: the classes' solids by default.
    """
    device = device or torch.device("cpu")
    size = max(1, SCENES[device.type] * 64**2 // side**2)
    blocks = []
    for some in torch.split(numbers, size):
        scenes = compose(split, some, objects, factors, balanced=balanced)
        blocks.append(_block(scenes, side, device, tracer, maps=maps))
        progress(sum(len(block.images) for block in blocks), len(numbers))
    return Rendered(
        *(torch.cat([getattr(block, name) for block in blocks]) for name in ("images", "classes", "rotations")),
        *(torch.cat([getattr(block, name) for block in blocks]) if maps else None for name in ("objects", "depths")),
    )


def _block(scenes: Scenes, side: int, device: torch.device, tracer: Tracer, *, maps: bool) -> Rendered:
    fine = FINER * side
    seen, *plain = tracer(scenes, (fine, side) if maps else (fine,), device)
    shader = Shader(scenes, device)
    images = []
    count = max(1, RAYS[device.type] // fine**2)
    for start in range(0, len(scenes.labels), count):
        last = min(start + count, len(scenes.labels))
        images.append(_expose(shader.light(seen, start, last, fine).view(3, last - start, fine, fine)))
    objects, depths = _maps(scenes, plain[0], side) if plain else (None, None)
    return Rendered(torch.cat(images).cpu(), scenes.labels, scenes.rotation, objects, depths)


def _expose(light: Tensor) -> Tensor:
    """Convert light (3, N, 2 S, 2 S) to uint8 (N, S, S, 3): the square root of each pixel's mean."""
    mean = (light[:, :, 0::2, 0::2] + light[:, :, 1::2, 0::2] + light[:, :, 0::2, 1::2] + light[:, :, 1::2, 1::2]) / 4
    return (root(mean.clamp(0, 1)) * 255).round().to(torch.uint8).permute(1, 2, 3, 0).contiguous()


def _maps(scenes: Scenes, seen: Seen, side: int) -> tuple[Tensor, Tensor]:
    """Map objects and depths (N, S, S), with the plane where there is nothing else."""
    shape, layout = (len(scenes.labels), side, side), scenes.layout
    depth, hit = seen.depth, seen.depth.isfinite().nonzero()[:, 0]
    objects = torch.zeros(depth.shape, dtype=torch.uint8, device=depth.device)
    objects[hit] = (seen.things(hit) % layout.objects + 1).to(torch.uint8)
    plane = (layout.distance / (1 + layout.slope * lines(side, depth.device)))[None, :, None].expand(shape)
    depth = torch.where(objects.view(shape) == 0, plane, depth.view(shape))
    return objects.view(shape).cpu(), (depth / UNIT).round().to(torch.int16).cpu()
