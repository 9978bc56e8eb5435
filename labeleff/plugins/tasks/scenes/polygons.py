"""Polygons of meshes: concave ones as triangles, by ear clipping (Meisters, 1975).

A fan from the first corner, as readers of OBJ files make it, covers notches of concave faces too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Triangle = tuple[int, int, int]
ROUNDING = 1e-12
"""Turns up to this share of the polygon's area count as straight."""


def concave_triangles(corners: Floats) -> list[Triangle] | None:
    """Cut a polygon with corners (K, 3), in order and about in a plane, into triangles of its corners' numbers.

    None where it is convex or has no area, so that a fan from any corner is right.
    """
    plane = _flattened(corners)
    if plane is None:
        return None
    points, least = plane
    around = list(range(len(points)))
    if all(_turn(points, around, place) >= -least for place in around):
        return None
    triangles = []
    while len(around) > 3:
        place = next((place for place in range(len(around)) if _is_ear(points, around, place, least)), None)
        if place is None:  # it crosses itself
            return None
        triangles.append(_corner(around, place))
        del around[place]
    return [*triangles, _corner(around, 1)]


def _flattened(corners: Floats) -> tuple[Floats, float] | None:
    """Project a polygon along its normal (Newell's), counter-clockwise; also returns the least turn that counts."""
    after = np.roll(corners, -1, axis=0)
    normal = np.cross(corners - corners[0], after - corners[0]).sum(0)
    size = float(np.linalg.norm(normal))
    if not size > 0:
        return None
    normal = normal / size
    side = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    side /= np.linalg.norm(side)
    return corners @ np.stack((side, np.cross(normal, side)), axis=1), ROUNDING * size


def _corner(around: list[int], place: int) -> Triangle:
    return around[place - 1], around[place], around[(place + 1) % len(around)]


def _turn(points: Floats, around: list[int], place: int) -> float:
    """Twice the signed area of a corner's triangle: over 0 where the polygon turns left."""
    return _area(points, *_corner(around, place))


def _area(points: Floats, a: int, b: int, c: int) -> float:
    (x, y), (u, v) = points[b] - points[a], points[c] - points[a]
    return float(x * v - y * u)


def _is_ear(points: Floats, around: list[int], place: int, least: float) -> bool:
    """Whether a corner can be cut off: it turns left, and no other corner lies in its triangle."""
    a, b, c = _corner(around, place)
    if _area(points, a, b, c) <= least:
        return _area(points, a, b, c) >= -least  # straight: it covers nothing
    places = points[[a, b, c]]
    others = [other for other in around if not (points[other] == places).all(1).any()]
    return not any(
        all(_area(points, first, second, other) >= -least for first, second in ((a, b), (b, c), (c, a)))
        for other in others
    )
