"""Solids as triangles, and a slow tracer of triangles."""

from __future__ import annotations

import numpy as np
import torch

from labeleff.plugins.tasks.scenes.classes import shapes

AROUND, ALONG = 96, 48


def block(half, tapers=(0.0, 0.0)):
    """Triangles (12, 3, 3) of a box that shrinks towards its third axis' end by these shares."""
    ends = [(1 - taper, 1.0) if taper >= 0 else (1.0, 1 + taper) for taper in tapers]
    wide = [[end[1] if z < 0 else end[0] for end in ends] for z in (-1, 1)]
    corners = np.array(
        [[x * w[0], y * w[1], z] for z, w in zip((-1, 1), wide, strict=True) for y in (-1, 1) for x in (-1, 1)]
    )
    sides = [(0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5)]
    return (corners * half)[np.array([t for a, b, c, d in sides for t in ((a, b, c), (a, c, d))])]


def turned(a, b, c):
    """Triangles of the solid of revolution with squared radius a + b z + c z^2 at height z in -1..1."""
    z, angle = -np.cos(np.linspace(0, np.pi, ALONG + 1)), np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
    radius = np.sqrt(np.maximum(a + b * z + c * z**2, 0))[:, None]
    ring = np.stack(np.broadcast_arrays(radius * np.cos(angle), radius * np.sin(angle), z[:, None]), axis=-1)
    after = np.roll(ring, -1, axis=1)
    sides = [(ring[:-1], after[:-1], after[1:]), (ring[:-1], after[1:], ring[1:])]
    caps = [(np.broadcast_to([0, 0, z[k]], (AROUND, 3)), ring[k], after[k]) for k in (0, -1)]
    return np.concatenate([np.stack(part, axis=-2).reshape(-1, 3, 3) for part in (*sides, *caps)])


def of_shape(split, label, number):
    """The triangles of one shape of the procedural classes."""
    parts = shapes(split, label, torch.tensor([number]))
    found = []
    for place in parts.present[0].nonzero()[:, 0].tolist():
        form = parts.shape[0, place].tolist()
        solid = turned(*form) if parts.rounds[place] else block(np.ones(3), form[:2])
        found.append(solid @ parts.axes[0, place].numpy().T + parts.centre[0, place].numpy())
    corners = np.concatenate(found)
    edges = corners[:, 1:] - corners[:, :1]
    return corners[np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1) > 1e-12]


def first(corners):
    """Which triangle rays meet first: all against all, by signed volumes."""

    def find(places, directions):
        a, b, c = (corners[:, k] - places[:, None] for k in range(3))
        d = directions[:, None]
        sides = [(d * np.cross(*pair)).sum(-1) for pair in ((a, b), (b, c), (c, a))]
        inside = np.all([side >= 0 for side in sides], axis=0) | np.all([side <= 0 for side in sides], axis=0)
        normal = np.cross(b - a, c - a)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (normal * a).sum(-1) / (normal * d).sum(-1)
        t = np.where(inside & (t > 0), t, np.inf)
        return np.where(np.isfinite(t.min(1)), t.argmin(1), -1)

    return find
