"""Tracer of solids: exact first intersections of pixels' rays with convex solids.

All rays share their origin; in the frame of a solid it is one point, and directions are sums of a row's and a column's
share.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from labeleff.plugins.tasks.scenes.composition import FIELD, Scenes
from labeleff.plugins.tasks.scenes.hits import RAYS, Seen, Vector, lines, root
from labeleff.plugins.tasks.scenes.solids import NEAR, Faces, Frames, Group, frames, groups

GRAIN = 8
"""Number of different sizes of windows, which are squares."""


@dataclass(frozen=True)
class Window:
    """Square windows of B by B pixels, one around each of some objects."""

    of: Tensor
    """Numbers of the objects in the group (n,)."""
    left: Tensor
    top: Tensor
    side: int


def windows(frame: Frames, slot: Tensor, pixels: int, rays: int) -> Iterator[Window]:
    """Yield windows around all objects of a group in an image of `pixels` per side, about `rays` pixels at once.

    Objects in one window set differ in their scenes: they have one `slot`.
    """
    corner = ((torch.stack((frame.low, frame.high)) / FIELD + 1) * (pixels / 2)).clamp(0, pixels)
    first, last = corner[0].floor().to(torch.int64), corner[1].ceil().to(torch.int64)
    step = max(1, pixels // GRAIN)
    need = (last - first).amax(1).clamp(min=1)
    steps = torch.div(need + step - 1, step, rounding_mode="floor")
    for key in torch.unique(slot * (GRAIN + 1) + steps).tolist():
        side = min(pixels, key % (GRAIN + 1) * step)
        of = ((slot * (GRAIN + 1) + steps) == key).nonzero()[:, 0]
        for some in of.split(max(1, rays // side**2)):
            start = torch.minimum(first[some], torch.tensor(pixels - side)).clamp(min=0)
            yield Window(some, start[:, 0], start[:, 1], side)


def nearest(frame: Frames, window: Window, pixels: int) -> tuple[Tensor, Tensor]:
    """Find the depth (n, B, B) of the first solid in each pixel, infinite without one, and its number (int32)."""
    device = frame.inverse.device
    of = window.of.to(device)
    line, step = lines(pixels, device), torch.arange(window.side, device=device)
    x = line[window.left.to(device)[:, None] + step][:, None, :]
    y = line[window.top.to(device)[:, None] + step][:, :, None]
    inverse, origin, shape = frame.inverse[of], frame.origin[of], frame.shape[of]
    present = frame.present[of]
    depth = torch.full((len(of), window.side, window.side), torch.inf, device=device)
    which = torch.full(depth.shape, -1, dtype=torch.int32, device=device)
    for number, is_round in enumerate(frame.parts.rounds):
        a, form = inverse[:, number, :, :, None, None], shape[:, number, :, None, None]
        d = [a[:, k, 0] * x + a[:, k, 2] + a[:, k, 1] * y for k in range(3)]
        o = [origin[:, number, k, None, None] for k in range(3)]
        if is_round:
            enter, leave = _round(o, d, [form[:, k] for k in range(3)], cone=frame.parts.cones[number])
        else:
            enter, leave = _block(o, d, None if frame.parts.plain[number] else [form[:, k] for k in range(2)])
        met = (enter <= leave) & (enter < depth) & (enter > NEAR) & present[:, number, None, None]
        depth = torch.where(met, enter, depth)
        which = which.masked_fill(met, number)
    return depth, which


Slab = tuple[Tensor, Tensor]


def _between(o: Tensor, d: Tensor) -> Slab:
    """Intersect a ray with -1..1 along one axis."""
    inverse = 1 / d
    one, other = (-1 - o) * inverse, (1 - o) * inverse
    return torch.minimum(one, other), torch.maximum(one, other)


def _both(first: Slab, second: Slab) -> Slab:
    return torch.maximum(first[0], second[0]), torch.minimum(first[1], second[1])


def _half_space(level: Tensor, slope: Tensor) -> Slab:
    """Solve level + slope t <= 0."""
    at = -level / slope
    return torch.where(slope < 0, at, -torch.inf), torch.where(slope > 0, at, torch.inf)


def _block(o: list[Tensor], d: list[Tensor], tapers: list[Tensor] | None) -> Slab:
    """Intersect a ray o + t d with a block: |z| <= 1, |x| and |y| at most 1 - |taper|/2 - taper z / 2 each."""
    inside = _between(o[2], d[2])
    for axis in range(2):
        if tapers is None:
            inside = _both(inside, _between(o[axis], d[axis]))
            continue
        slope = -tapers[axis] / 2
        level, lean = 1 - slope.abs() + slope * o[2], slope * d[2]
        inside = _both(inside, _half_space(o[axis] - level, d[axis] - lean))
        inside = _both(inside, _half_space(-o[axis] - level, -d[axis] - lean))
    return inside


def _round(o: list[Tensor], d: list[Tensor], quadric: list[Tensor], *, cone: bool) -> Slab:
    """Intersect a ray o + t d with a solid of revolution with |z| <= 1.

    Inside its curved side x^2 + y^2 <= a0 + b0 z + c0 z^2, which along the ray is a t^2 + 2 b t + c <= 0 with

        a = dx^2 + dy^2 - c0 dz^2
        b = ox dx + oy dy - c0 oz dz - b0 dz / 2
        c = ox^2 + oy^2 - a0 - b0 oz - c0 oz^2

    and t = (-b -+ sqrt(b^2 - a c)) / a where it is met.
    """
    a0, b0, c0 = quadric
    bent = c0 * d[2]
    a = d[0] * d[0] + d[1] * d[1] - bent * d[2]
    b = o[0] * d[0] + o[1] * d[1] - bent * o[2] - (b0 / 2) * d[2]
    c = o[0] * o[0] + o[1] * o[1] - a0 - b0 * o[2] - c0 * o[2] * o[2]
    square = b * b - a * c
    half = root(square)  # not a number where the ray misses, and then no comparison holds
    inverse = 1 / a
    enter, leave = (-b - half) * inverse, (-b + half) * inverse
    if cone:
        # Along a steep ray the inside of a double cone is two pieces; the half with 1 - |t|/2 - t z / 2 > 0 counts.
        rising = b0 * d[2] > 0
        steep = a <= 0
        enter, leave = (
            torch.where(steep, torch.where(rising, enter, -torch.inf), enter),
            torch.where(steep, torch.where(rising, torch.inf, leave), leave),
        )
    return _both((enter, leave), _between(o[2], d[2]))


@dataclass(frozen=True)
class Visible:
    """Visible solids by pixel, as `hits.Seen`."""

    depth: Tensor
    """Depth, float32; infinite where there is only the plane."""
    solid: Tensor
    """Number of the solid, int64, counted through all groups; -1 for the plane."""
    faces: Faces

    def things(self, at: Tensor) -> Tensor:
        """Return the things (Q,) in the pixels number `at`."""
        return self.faces.thing[self.solid[at]]

    def normals(self, at: Tensor, point: Vector) -> list[Tensor]:
        """Compute unit normals in those pixels, at these points."""
        return self.faces.normals(self.solid[at], point)


def trace(scenes: Scenes, sides: Sequence[int], device: torch.device) -> list[Seen]:
    """Trace square images of the scenes with the classes' solids, for each number of pixels per side."""
    by_class = groups(scenes)
    all_frames = [frames(group, device) for group in by_class]
    faces = Faces.of(by_class, all_frames, scenes.layout.objects, device)
    count = len(scenes.labels)
    return [_visible(by_class, all_frames, faces, count, pixels, RAYS[device.type]) for pixels in sides]


def _visible(
    by_class: list[Group], all_frames: list[Frames], faces: Faces, count: int, pixels: int, rays: int
) -> Visible:
    device = faces.thing.device
    depth = torch.full((count * pixels**2,), torch.inf, device=device)
    solid = torch.full(depth.shape, -1, dtype=torch.int64, device=device)
    base = 0
    for group, frame in zip(by_class, all_frames, strict=True):
        for window in windows(frame, group.slot, pixels, rays):
            new_depth, which = nearest(frame, window, pixels)
            step = torch.arange(window.side, device=device)
            corner = group.scene[window.of] * pixels**2 + window.top * pixels + window.left
            at = (corner.to(device)[:, None, None] + step[:, None] * pixels + step).flatten()
            new_depth = new_depth.flatten()
            closer = new_depth < depth[at]
            parts = len(frame.parts.rounds)
            number = (base + window.of.to(device) * parts)[:, None, None] + which
            depth[at] = torch.where(closer, new_depth, depth[at])
            solid[at] = torch.where(closer, number.flatten(), solid[at])
        base += frame.count
    return Visible(depth, solid, faces)
