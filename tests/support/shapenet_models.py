"""A small folder of boxes and cylinders laid out as ShapeNetCore.v2."""

from __future__ import annotations

import numpy as np

from labeleff.plugins.tasks.shapenet import FILE, SYNSETS

BOX = (0.5, 0.2, 0.35)
"""Half sides along x, y, z."""
TUBE = (0.3, 0.5)
"""Radius, and half height along y."""


def is_box(name):
    """Whether a class has boxes; others have cylinders."""
    return list(SYNSETS).index(name) % 2 == 0


def solid(name, sections=512):
    """A model of a class, at a size and place that mean nothing."""
    import trimesh

    if is_box(name):
        mesh = trimesh.creation.box(extents=2 * np.array(BOX))
    else:
        upright = trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0])
        mesh = trimesh.creation.cylinder(radius=TUBE[0], height=2 * TUBE[1], sections=sections, transform=upright)
    mesh.apply_scale(0.37)
    mesh.apply_translation([3.0, -1.0, 0.2])
    return mesh


def folder(root, count=12):
    """The folder: `count` models of every class, all of one form."""
    for name, synset in SYNSETS.items():
        text = solid(name).export(file_type="obj")
        for number in range(count):
            path = root / synset / f"{name}{number:03d}" / FILE
            path.parent.mkdir(parents=True)
            path.write_text(text)
    return root


def procedural(monkeypatch):
    """The same forms as solids of the procedural classes."""
    from labeleff.plugins.tasks.scenes.classes import CLASSES

    for name in SYNSETS:
        made = _box if is_box(name) else _tube
        monkeypatch.setitem(CLASSES, name, made)


def _box(kit):
    kit.block((0.0, 0.0, 0.0), BOX)


def _tube(kit):
    kit.round((0.0, 0.0, 0.0), (TUBE[0], TUBE[1], TUBE[0]))
