"""Meshes in the place of solids: the same scenes, the same pixels."""

import numpy as np
import pytest
import torch
from support import triangles

from labeleff.plugins.tasks.scenes.classes import CLASSES
from labeleff.plugins.tasks.scenes.composition import FIELD, compose
from labeleff.plugins.tasks.scenes.factors import Factors
from labeleff.plugins.tasks.scenes.meshes import Mesh, tracer
from labeleff.plugins.tasks.scenes.render import render
from labeleff.training.goals.depth import UNIT

ALL = Factors.parse("TCVL")
SIDE = 32
HALF = np.array([0.5, 0.21, 0.33])


def slow(corners):
    return Mesh(corners, triangles.first(corners))


def box(label, number):
    return slow(triangles.block(HALF))


@pytest.mark.parametrize("objects", [1, 4])
def test_a_box_is_where_the_formula_has_it(objects):
    """Slabs in each object's frame, pixel by pixel in float64."""
    numbers = torch.arange(12)
    found = render("train", numbers, SIDE, objects, ALL, maps=True, tracer=tracer(box))
    scenes = compose("train", numbers, objects, ALL)
    line = ((np.arange(SIDE) + 0.5) * 2 / SIDE - 1) * FIELD
    rays = np.stack((*np.meshgrid(line, line), np.ones((SIDE, SIDE))), axis=-1)
    layout, on_edges = scenes.layout, 0
    for scene in range(len(numbers)):
        depth, slot = np.full((SIDE, SIDE), np.inf), np.zeros((SIDE, SIDE), int)
        for place in range(objects):
            thing = scene * objects + place
            frame = layout.size * scenes.to_camera[thing].numpy() @ np.diag(scenes.warp[thing].numpy())
            origin = np.linalg.solve(frame, -scenes.place[thing].numpy())
            direction = rays @ np.linalg.inv(frame).T
            ends = np.sort((np.stack((-HALF, HALF))[:, None, None] - origin) / direction, axis=0)
            enter, leave = ends[0].max(-1), ends[1].min(-1)
            met = (enter <= leave) & (enter < depth)
            depth, slot = np.where(met, enter, depth), np.where(met, place + 1, slot)
        depth = np.where(slot, depth, layout.distance / (1 + layout.slope * rays[..., 1]))
        alike = found.objects[scene].numpy() == slot
        on_edges += (~alike).sum()
        np.testing.assert_allclose(found.depths[scene].numpy()[alike] * UNIT, depth[alike], atol=0.51 * UNIT)
    assert on_edges <= 2


def test_every_class_of_triangles_looks_like_its_solids():
    obj = pytest.importorskip("labeleff.plugins.tasks.sources.obj_meshes")
    trimesh = pytest.importorskip("trimesh")
    pytest.importorskip("embreex")

    def models(label, number):
        corners = triangles.of_shape("test", label, number)
        return Mesh(corners, obj._first(trimesh, corners))

    numbers = torch.arange(32)
    for objects, count in ((1, 32), (4, 5)):
        solids = render("test", numbers[:count], 64, objects, ALL, maps=True)
        meshes = render("test", numbers[:count], 64, objects, ALL, maps=True, tracer=tracer(models))
        assert set(solids.classes.flatten().tolist()) == set(range(len(CLASSES)))
        alike = solids.objects == meshes.objects
        assert (~alike).double().mean() < 3e-4
        off = (solids.depths.int() - meshes.depths).abs()[alike]
        assert (off > 2).double().mean() < 2e-3
        assert ((solids.images.int() - meshes.images).abs().amax(-1) > 8).double().mean() < 2e-3
        assert torch.equal(solids.rotations, meshes.rotations)
        assert torch.equal(solids.poses, meshes.poses)


def test_normals_face_the_camera_however_triangles_turn():
    corners = triangles.block(HALF)
    outwards = render("train", torch.arange(8), SIDE, 1, ALL, tracer=tracer(lambda *_: slow(corners)))
    inwards = render("train", torch.arange(8), SIDE, 1, ALL, tracer=tracer(lambda *_: slow(corners[:, ::-1])))
    assert torch.equal(outwards.images, inwards.images)
    numbers = torch.arange(8)
    [seen] = tracer(box)(compose("train", numbers, 1, ALL), [SIDE], torch.device("cpu"))
    at = seen.depth.isfinite().nonzero()[:, 0]
    line = (np.arange(SIDE) + 0.5) * 2 / SIDE - 1
    x, y = (torch.tensor(line * FIELD)[index] for index in (at % SIDE, at // SIDE % SIDE))
    normal = seen.normals(at, (x, y, x)).double()
    assert len(at) > 500
    assert (normal[0] * x + normal[1] * y + normal[2] < 1e-6).all()
    torch.testing.assert_close(normal.norm(dim=0), torch.ones(len(at)).double(), atol=1e-6, rtol=0)


def test_every_model_is_asked_for_once_a_block_by_class_and_number():
    asked = []

    def models(label, number):
        asked.append((label, number))
        return box(label, number)

    render("train", torch.arange(100, 200), 8, 1, ALL, tracer=tracer(models))
    assert sorted(asked) == [(label, 1) for label in range(10)]


def test_blocks_dont_matter():
    whole = render("train", torch.arange(10), SIDE, 4, ALL, maps=True, tracer=tracer(box))
    parts = [render("train", some, SIDE, 4, ALL, maps=True, tracer=tracer(box)) for some in torch.arange(10).split(3)]
    for name in ("images", "objects", "depths"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(part, name) for part in parts]))


def test_a_hit_isnt_beyond_its_triangle():
    """A sliver along the line of sight, and a tracer that says every ray meets it."""
    corners = np.array([[[0.0, 0.5, 0.0], [0.0, -0.5, 0.0], [1e-9, -0.5, 0.0]]])
    mesh = Mesh(corners, lambda places, _: np.zeros(len(places), int))
    found = render("train", torch.arange(5), SIDE, 1, ALL, maps=True, tracer=tracer(lambda *_: mesh))
    hit = found.objects > 0
    assert hit.any()
    depth = found.depths[hit] * UNIT
    assert depth.min() > 1.0753 - 0.5
    assert depth.max() < 1.0753 + 0.5
