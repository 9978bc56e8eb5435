import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from support import ray_marching

from labeleff.plugins.tasks.scenes.classes import CLASSES
from labeleff.plugins.tasks.scenes.composition import compose
from labeleff.plugins.tasks.scenes.factors import Factors
from labeleff.plugins.tasks.scenes.hits import lines
from labeleff.plugins.tasks.scenes.render import render
from labeleff.plugins.tasks.scenes.solids import groups
from labeleff.plugins.tasks.scenes.trace import trace
from labeleff.training.goals.depth import UNIT

ALL = Factors.parse("TCVL")
SIDE = 32


@pytest.mark.parametrize("objects", [1, 4])
def test_masks_and_depths_agree_with_a_slow_march(objects):
    count = 30
    numbers = torch.arange(100, 100 + count)
    rendered = render("test", numbers, SIDE, objects, ALL, maps=True)
    scenes = compose("test", numbers, objects, ALL)
    found = groups(scenes)
    rng = np.random.default_rng(0)
    line = ((np.arange(SIDE) + 0.5) * 2 / SIDE - 1) * ray_marching.FIELD
    on_objects = 0
    for _ in range(100):
        scene, row, column = rng.integers(count), rng.integers(SIDE), rng.integers(SIDE)
        depth, slot = ray_marching.march(scenes, found, scene, line[column], line[row])
        assert int(rendered.objects[scene, row, column]) == (0 if slot is None else slot + 1)
        assert abs(int(rendered.depths[scene, row, column]) * UNIT - depth) < 2 * UNIT
        expected = 0 if slot is None else int(rendered.classes[scene, slot]) + 1
        assert int(rendered.masks[scene, row, column]) == expected
        on_objects += slot is not None
    assert on_objects > 10


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_is_traced_as_it_is_built(name):
    label = list(CLASSES).index(name)
    scenes = compose("train", torch.arange(0, 400), 1, ALL)
    found = groups(scenes)
    [group] = [g for g in found if g.label == label]
    some = group.scene[:8]
    rendered = render("train", some, SIDE, 1, ALL, maps=True)
    line = ((np.arange(SIDE) + 0.5) * 2 / SIDE - 1) * ray_marching.FIELD
    rng = np.random.default_rng(label)
    wrong = 0
    for place, scene in enumerate(some.tolist()):
        inside = (rendered.objects[place] > 0).nonzero().numpy()
        for row, column in inside[rng.integers(len(inside), size=4)]:
            depth, slot = ray_marching.march(scenes, found, scene, line[column], line[row])
            wrong += slot is None or abs(int(rendered.depths[place, row, column]) * UNIT - depth) > 2 * UNIT
    assert wrong == 0


def test_the_same_seed_gives_the_same_bytes_in_any_blocks_and_threads():
    whole = render("train", torch.arange(10), SIDE, 4, ALL, maps=True)
    parts = [render("train", some, SIDE, 4, ALL, maps=True) for some in torch.arange(10).split(4)]
    torch.set_num_threads(2)
    backwards = render("train", torch.arange(9, -1, -1), SIDE, 4, ALL, maps=True)
    torch.set_num_threads(1)
    for name in ("images", "classes", "rotations", "objects", "depths"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(part, name) for part in parts]))
        assert torch.equal(getattr(whole, name), getattr(backwards, name).flip(0))


def test_images_show_what_masks_say():
    """Flat planes vary smoothly, so that sharp edges of an image lie on the mask's."""
    rendered = render("test", torch.arange(30), 64, 1, Factors.parse("----"), maps=True)
    levels, inside = rendered.images.double(), (rendered.objects > 0).double()
    jump = (levels[:, :, 1:] - levels[:, :, :-1]).abs().amax(3)
    edge = inside[:, :, 1:] != inside[:, :, :-1]
    grown = torch.nn.functional.max_pool2d(inside[:, None], 3, 1, 1)[:, 0]
    plane = (grown[:, :, 1:] + grown[:, :, :-1]) == 0
    assert jump[plane].max() < 10
    assert (jump[edge] > 10).double().mean() > 0.7


def test_normals_are_those_of_the_surface():
    """Against the cross product of neighbouring hits."""
    scenes = compose("train", torch.arange(50), 1, ALL)
    device = torch.device("cpu")
    pixels = 128
    [seen] = trace(scenes, [pixels], device)
    solid, depth = (part.view(50, pixels, pixels) for part in (seen.solid, seen.depth))
    line = lines(pixels, device)
    point = torch.stack(
        (line.expand(50, pixels, pixels) * depth, line[:, None].expand(50, pixels, pixels) * depth, depth), -1
    )
    right, down = point[:, :-1, 1:] - point[:, :-1, :-1], point[:, 1:, :-1] - point[:, :-1, :-1]
    normal = -torch.linalg.cross(right, down)
    normal = normal / normal.norm(dim=-1, keepdim=True)
    one = (
        (solid[:, :-1, :-1] == solid[:, :-1, 1:])
        & (solid[:, :-1, :-1] == solid[:, 1:, :-1])
        & (solid[:, :-1, :-1] >= 0)
    )
    at = point[:, :-1, :-1][one]
    number = torch.arange(50 * pixels**2).view(50, pixels, pixels)[:, :-1, :-1][one]
    computed = torch.stack(seen.normals(number, (at[:, 0], at[:, 1], at[:, 2])), -1)
    alike = (computed * normal[one]).sum(-1)
    assert len(alike) > 10_000
    assert (alike > 0.98).double().mean() > 0.93
    assert (
        computed[:, 0] * at[:, 0] + computed[:, 1] * at[:, 1] + computed[:, 2] * at[:, 2] < 1e-3
    ).double().mean() > 0.99


def test_progress_counts_the_images():
    told = []
    render("train", torch.arange(30), 16, 1, ALL, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (30, 30)


PRINTED = """
import hashlib, tempfile, torch
from pathlib import Path
from labeleff.catalogue import lookup
from labeleff.training.examples import Source, load_task
torch.set_num_threads(1)
for name, options in (("shapes/classify", {"train": 500, "test": 5}), ("toy/classify", {"train": 2000, "test": 5})):
    task = load_task(lookup.complete("task", name, options), Source(Path(tempfile.mkdtemp()), offline=True))
    print(hashlib.sha256(task.train.inputs.numpy().tobytes()).hexdigest())
"""


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="torch without MKL has one path for all processors")
def test_images_are_the_same_on_every_processor(tmp_path):
    """By the paths of torch's and MKL's code that are for other processors than this."""
    found = []
    for path in ({}, {"MKL_CBWR": "COMPATIBLE", "ATEN_CPU_CAPABILITY": "default"}):
        program = [sys.executable, "-c", PRINTED]
        there = os.environ | path | {"TMPDIR": str(tmp_path)}
        found.append(subprocess.run(program, env=there, capture_output=True, text=True, check=True).stdout.split())
    assert found[0] == found[1]
    assert len(set(found[0])) == 2
