"""Concave polygons as triangles, by area and by what is covered."""

import numpy as np
import pytest

from labeleff.plugins.tasks.scenes.polygons import concave_triangles

L = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]
ARROW = [(0, 0), (2, 1), (0, 2), (1, 1)]
STAR = [(np.cos(k * np.pi / 5) * (1 + k % 2), np.sin(k * np.pi / 5) * (1 + k % 2)) for k in range(10)]
COMB = [(0, 0), (5, 0), (5, 3), (4, 3), (4, 1), (3, 1), (3, 3), (2, 3), (2, 1), (1, 1), (1, 3), (0, 3)]
STRAIGHT = [(0, 0), (1, 0), (2, 0), (2, 1), (1, 1), (1, 1.5), (1, 2), (0, 2), (0, 1)]
SPIRAL = [(0, 0), (4, 0), (4, 4), (1, 4), (1, 2), (2, 2), (2, 3), (3, 3), (3, 1), (0, 1)]


def shoelace(points):
    x, y = np.transpose(points)
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def turn():
    """A rotation of space that is none about an axis."""
    return np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]


@pytest.mark.parametrize("name", ["L", "ARROW", "STAR", "COMB", "STRAIGHT", "SPIRAL"])
@pytest.mark.parametrize("backwards", [False, True])
def test_triangles_cover_a_concave_polygon_once(name, backwards):
    points = globals()[name][:: -1 if backwards else 1]
    for start in range(len(points)):
        around = np.array(points[start:] + points[:start], float)
        corners = np.pad(around, ((0, 0), (0, 1))) @ turn() + 3
        triangles = concave_triangles(corners)
        assert len(triangles) == len(points) - 2
        signed = [shoelace(around[list(triangle)]) for triangle in triangles]
        assert sum(signed) == pytest.approx(shoelace(around))
        assert sum(map(abs, signed)) == pytest.approx(abs(shoelace(around))), "no triangle lies outside"


def test_convex_polygons_and_those_without_area_are_left_alone():
    square = np.array([(0, 0, 1), (2, 0, 1), (2, 2, 1), (0, 2, 1)], float)
    assert concave_triangles(square) is None
    assert concave_triangles(square[::-1]) is None
    assert concave_triangles(np.zeros((5, 3))) is None
    assert concave_triangles(np.array([(0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0)], float)) is None


def test_a_polygon_that_crosses_itself_ends():
    concave_triangles(np.array([(0, 0, 0), (3, 3, 0), (3, 0, 0), (0, 2, 0), (1, 5, 0)], float))
