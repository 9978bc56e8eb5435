"""Composition of scenes: objects, poses, places, light and colours, by number."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from labeleff.plugins.tasks.scenes import poses
from labeleff.plugins.tasks.scenes.classes import CLASSES, warp
from labeleff.plugins.tasks.scenes.factors import Factors
from labeleff.plugins.tasks.scenes.materials import Materials, backdrops, surfaces
from labeleff.plugins.tasks.scenes.parts import steady
from labeleff.plugins.tasks.scenes.scene_rng import SceneRng

FIELD = 0.36
"""Tangent of half the camera's field of view (a 50 mm lens before a 36 mm sensor)."""
EYE = (1.0, 0.0, 0.4)
PITCH = 0.14 * math.pi
"""Pitch in radians by which the camera of a single object, at `EYE`, looks down."""
SIZE = 0.56
"""Longest side of a single object: 0.7, times 0.8."""
REUSED = 10
"""Successive images of a class that show one shape (as in the rendering code)."""
LIGHT_ANGLE, LIGHT_SPREAD, LIGHT_DISTANCE = -0.5, 2.0, 1.5


@dataclass(frozen=True)
class Layout:
    """Layout of a scene: number and size of its objects, and the plane behind them.

    The plane's depth at image height y (tangent of the angle below the axis) is `distance` / (1 + `slope` y);
    `centre` is the depth of the point that the light turns about.
    """

    objects: int
    size: float
    distance: float
    slope: float
    centre: float


LAYOUTS = {1: Layout(1, SIZE, 1.8, 0.0, 1.0753), 4: Layout(4, 0.75, 2.3, 1.2, 1.6)}
"""Layouts by the number of objects."""


@dataclass(frozen=True)
class Scenes:
    """A set of N scenes of K objects each, of any shapes; object k of scene n is thing n * K + k.

    Positions are in the camera's frame (right, down, forward). A point p of an object at unit size, within -0.5..0.5
    along its longest side, is at `place` + `layout.size` * `to_camera` (`warp` * p).
    """

    split: str
    layout: Layout
    labels: Tensor
    """Classes (N, K) int64."""
    rotation: Tensor
    """Object to world (N, K, 3, 3) float64."""
    shape: Tensor
    """Number of each thing's shape among those of its class and split (N * K,) int64."""
    warp: Tensor
    """Stretch of each thing's own axes (N * K, 3)."""
    to_camera: Tensor
    """Rotations (N * K, 3, 3) from the things' frames."""
    place: Tensor
    """Positions of the things (N * K, 3)."""
    light: Tensor
    """Positions of the point light in the camera's frame (N, 3)."""
    surfaces: Materials
    """Materials of the N * K objects."""
    backdrops: Materials
    """Materials of the N planes."""


def view() -> Tensor:
    """Compute the rotation (3, 3) from the world's frame to the camera's; rows are right, down and forward."""
    cos, sin = math.cos(PITCH), math.sin(PITCH)
    return torch.tensor([[0.0, 1.0, 0.0], [sin, 0.0, -cos], [-cos, 0.0, -sin]], dtype=torch.float64)


def compose(split: str, numbers: Tensor, objects: int, factors: Factors, *, balanced: bool = True) -> Scenes:
    """Compose the scenes of a split with these numbers (N,) int64.

    Every ten successive scenes of several objects have each class once in each slot; every fifty successive single
    objects have each class five times, and where the viewpoint varies once with each pose bin unless `balanced` is off.
    """
    layout = LAYOUTS[objects]
    things = (numbers[:, None] * objects + torch.arange(objects)).flatten()
    rng, scene_rng = SceneRng((split, "object"), things), SceneRng((split, "scene"), numbers)
    labels, bins = _labels(split, numbers, objects)
    wanted = bins if balanced and objects == 1 else None
    rotation = poses.varied(rng, wanted) if factors.viewpoint else poses.fixed(len(things))
    return Scenes(
        split=split,
        layout=layout,
        labels=labels,
        rotation=rotation.view(len(numbers), objects, 3, 3),
        shape=_shape_numbers(numbers, objects),
        warp=warp(rng),
        to_camera=steady(view() @ rotation),
        place=steady(_places(scene_rng, layout).reshape(-1, 3)),
        light=steady(_light(scene_rng, layout, factors)),
        surfaces=surfaces(rng, labels.flatten(), factors),
        backdrops=backdrops(scene_rng, factors),
    )


def _labels(split: str, numbers: Tensor, objects: int) -> tuple[Tensor, Tensor]:
    """Draw classes (N, objects), and the pose bins (N,) of single objects."""
    if objects == 1:
        pairs = SceneRng((split, "class and pose"), numbers).permuted("pairs", len(CLASSES) * len(poses.POSES))
        return pairs[:, None] % len(CLASSES), pairs // len(CLASSES)
    slots = [SceneRng((split, f"slot {slot}"), numbers).permuted("classes", len(CLASSES)) for slot in range(objects)]
    return torch.stack(slots, dim=1), torch.zeros_like(numbers)


def _places(rng: SceneRng, layout: Layout) -> Tensor:
    """Draw positions (N, K, 3) in the camera's frame.

    A single object is at the world's origin. Of four, each is about the middle of its own quarter of the image,
    before the plane, at 0.6 to 0.9 of the plane's depth there.
    """
    count = len(rng.index)
    if layout.objects == 1:
        origin = view() @ -torch.tensor(EYE, dtype=torch.float64)
        return origin.expand(count, 1, 3)
    quarters = torch.tensor([(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)], dtype=torch.float64)
    order = rng.uniform("quarters", layout.objects).argsort(dim=1, stable=True)
    jitter = rng.between("places", 2 * layout.objects, -0.16, 0.16).view(count, layout.objects, 2)
    line = FIELD * (quarters[order] + jitter)
    depth = layout.distance / (1 + layout.slope * line[..., 1]) * rng.between("depths", layout.objects, 0.6, 0.9)
    return torch.cat((line * depth[..., None], depth[..., None]), dim=2)


def _shape_numbers(numbers: Tensor, objects: int) -> Tensor:
    """Compute the number of every object's shape (N * K,); a shape serves `REUSED` successive objects of its class."""
    blocks = torch.div(numbers, len(CLASSES) * REUSED, rounding_mode="floor")
    return (blocks[:, None] * objects + torch.arange(objects)).flatten()


def _light(rng: SceneRng, layout: Layout, factors: Factors) -> Tensor:
    """Draw the point light's positions (N, 3), in the camera's frame: on a circle about the scene's centre."""
    spread = LIGHT_SPREAD * rng.normal("lighting", 1)[:, 0]
    angle = LIGHT_ANGLE + (spread if factors.lighting else torch.zeros_like(spread))
    circle = torch.stack((torch.zeros_like(angle), angle.sin(), angle.cos()), dim=1)
    centre = torch.tensor([0.0, 0.0, layout.centre], dtype=torch.float64)
    return centre + LIGHT_DISTANCE * circle @ view().T
