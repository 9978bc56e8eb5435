"""Tracer of meshes: depth, thing and normal of what each pixel shows.

The mesh finds the triangle that a ray meets first; depth and normal follow from the triangle's plane, in float64.
Normals are the triangles' own, on whichever side is seen, as many models have triangles that face inwards.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labeleff.plugins.tasks.scenes.composition import FIELD, Scenes
from labeleff.plugins.tasks.scenes.hits import Seen, Tracer, Vector, lines
from labeleff.plugins.tasks.scenes.solids import NEAR

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mesh:
    """The triangles of one object in its own frame, its box centred with a longest side of 1."""

    corners: Floats
    """Corners of the triangles (F, 3, 3): the third axis is x, y, z. No triangle is without area."""
    first: Callable[[Floats, Floats], NDArray[np.integer[Any]]]
    """A function from places and directions (Q, 3) of rays to the triangles (Q,) that they meet first; -1 for none."""

    @functools.cached_property
    def box(self) -> Floats:
        """Corners (8, 3) of the bounding box."""
        ends = np.stack((self.corners.min((0, 1)), self.corners.max((0, 1))))
        return np.stack(np.meshgrid(*ends.T), axis=-1).reshape(-1, 3)


Models = Callable[[int, int], Mesh]
"""A function from a class (0..9) and a shape's number to a mesh."""


@dataclass(frozen=True)
class VisibleMeshes:
    """Visible triangles by pixel, as `hits.Seen`."""

    depth: Tensor
    """Depth, float32; infinite where there is only the plane."""
    thing: Tensor
    """Number of the thing, int64; -1 for the plane."""
    normal: Tensor
    """Unit normals (3, Q) float32."""

    def things(self, at: Tensor) -> Tensor:
        """Return the things (Q,) in the pixels number `at`."""
        return self.thing[at]

    def normals(self, at: Tensor, point: Vector) -> Tensor:  # noqa: ARG002
        """Return the unit normals (3, Q) in those pixels."""
        return self.normal[:, at]


def tracer(models: Models) -> Tracer:
    """Build the tracer that shows these models in the scenes, one per shape's number."""
    return functools.partial(_trace, models)


def _trace(models: Models, scenes: Scenes, sides: Sequence[int], device: torch.device) -> list[Seen]:
    """Trace square images of the scenes, for each number of pixels per side; every model is loaded once."""
    canvases = [_Canvas(len(scenes.labels), scenes.layout.objects, pixels) for pixels in sides]
    for label, number, things in _by_shape(scenes):
        mesh = models(label, number)
        for thing in things:
            frame = scenes.layout.size * scenes.to_camera[thing].numpy() * scenes.warp[thing].numpy()
            for canvas in canvases:
                canvas.draw(mesh, frame, scenes.place[thing].numpy(), thing)
    return [canvas.visible(device) for canvas in canvases]


def _by_shape(scenes: Scenes) -> Iterator[tuple[int, int, list[int]]]:
    """Yield class, shape's number and things of every shape in the scenes."""
    pairs = torch.stack((scenes.labels.flatten(), scenes.shape), dim=1)
    kinds, which = torch.unique(pairs, dim=0, return_inverse=True)
    for kind, (label, number) in enumerate(kinds.tolist()):
        yield label, number, (which == kind).nonzero()[:, 0].tolist()


class _Canvas:
    """Images of N scenes, `pixels` per side, with a depth buffer."""

    def __init__(self, count: int, objects: int, pixels: int) -> None:
        self._objects, self._pixels = objects, pixels
        self._line = lines(pixels, torch.device("cpu")).double().numpy()
        self._depth = np.full((count, pixels, pixels), np.inf, np.float32)
        self._thing = np.full((count, pixels, pixels), -1, np.int64)
        self._normal = np.zeros((count, pixels, pixels, 3), np.float32)

    def draw(self, mesh: Mesh, frame: Floats, place: Floats, thing: int) -> None:
        """Draw a thing whose point p is at `frame` p + `place` in the camera's frame."""
        rows, columns = self._window(mesh.box @ frame.T + place)
        if not (len(rows) and len(columns)):
            return
        x, y = np.meshgrid(self._line[columns], self._line[rows])
        rays = np.stack((x, y, np.ones_like(x)), axis=-1).reshape(-1, 3)
        back = np.linalg.inv(frame)
        which = mesh.first(np.broadcast_to(-back @ place, rays.shape), rays @ back.T)
        met = np.flatnonzero(which >= 0)
        depth, normal = _plane(mesh.corners[which[met]] @ frame.T + place, rays[met])
        window = (thing // self._objects, rows[met // len(columns)], columns[met % len(columns)])
        near = (depth > NEAR) & (depth < self._depth[window])
        window = (window[0], window[1][near], window[2][near])
        self._depth[window], self._normal[window], self._thing[window] = depth[near], normal[near], thing

    def _window(self, box: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find rows and columns of a rectangle around a box with these corners (8, 3)."""
        at = (box[:, :2] / np.maximum(box[:, 2:], NEAR) / FIELD + 1) * (self._pixels / 2)
        first, last = (np.clip(end, 0, self._pixels).astype(int) for end in (np.floor(at.min(0)), np.ceil(at.max(0))))
        return np.arange(first[1], last[1]), np.arange(first[0], last[0])

    def visible(self, device: torch.device) -> VisibleMeshes:
        """Return what has been drawn, on the device."""
        depth, thing = torch.from_numpy(self._depth).flatten(), torch.from_numpy(self._thing).flatten()
        normal = torch.from_numpy(self._normal).view(-1, 3).T.contiguous()
        return VisibleMeshes(depth.to(device), thing.to(device), normal.to(device))


def _plane(corners: Floats, rays: Floats) -> tuple[NDArray[np.float32], Floats]:
    """Compute depths (Q,) and unit normals (Q, 3) towards the camera where rays (Q, 3) meet triangles (Q, 3, 3)."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    level, slope = (normal * corners[:, 0]).sum(1), (normal * rays).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = level / slope
    # Along an edge, rounding can take a hit beyond its triangle; it can't be nearer or farther than the corners are.
    far, near = corners[:, :, 2].max(1), corners[:, :, 2].min(1)
    depth = np.fmax(np.fmin(depth, far), near)
    return depth.astype(np.float32), np.where(slope[:, None] > 0, -normal, normal)
