import itertools
import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from support import ray_marching

from labeleff.catalogue.tasks import FACTORS
from labeleff.errors import UnknownNameError
from labeleff.plugins.tasks.scenes import poses
from labeleff.plugins.tasks.scenes.classes import CLASSES, shapes
from labeleff.plugins.tasks.scenes.composition import LIGHT_DISTANCE, compose, view
from labeleff.plugins.tasks.scenes.factors import Factors
from labeleff.plugins.tasks.scenes.scene_rng import SceneRng
from labeleff.plugins.tasks.scenes.solids import groups


def test_factors_are_spelled_as_in_the_paper():
    assert len(FACTORS) == len(set(FACTORS)) == 16
    for text in FACTORS:
        assert str(Factors.parse(text)) == text
    assert Factors.parse("-CV-") == Factors(texture=False, colour=True, viewpoint=True, lighting=False)
    with pytest.raises(UnknownNameError, match=r"TCLV.*TCVL"):
        Factors.parse("TCLV")


def test_classes_and_poses_are_balanced():
    scenes = compose("test", torch.arange(2000), 1, Factors.parse("TCVL"))
    bins = poses.pose_bins(scenes.rotation[:, 0])
    pairs = torch.bincount(scenes.labels[:, 0] * 5 + bins)
    assert pairs.tolist() == [40] * 50
    for objects in (1, 4):
        labels = compose("train", torch.arange(1000), objects, Factors.parse("TC-L")).labels
        for slot in range(objects):
            assert torch.bincount(labels[:, slot]).tolist() == [100] * 10


def test_slots_of_a_scene_have_unrelated_classes():
    labels = compose("train", torch.arange(4000), 4, Factors.parse("----")).labels
    for one, other in itertools.combinations(range(4), 2):
        table = torch.bincount(labels[:, one] * 10 + labels[:, other], minlength=100).double()
        assert ((table - 40) ** 2 / 40).sum() < 160  # chi-square, 81 degrees of freedom: p < 1e-6 beyond


def test_free_poses_have_the_frequencies_of_the_papers_code():
    found = poses.varied(SceneRng(("frequencies",), torch.arange(200_000)), None)
    share = torch.bincount(poses.pose_bins(found), minlength=5).double() / 200_000
    np.testing.assert_allclose(share, [0.267, 0.190, 0.177, 0.189, 0.177], atol=0.004)


def test_within_a_bin_balanced_poses_are_distributed_as_free_ones():
    free = poses.varied(SceneRng(("free",), torch.arange(40_000)), None)
    chosen = poses.varied(SceneRng(("chosen",), torch.arange(8_000)), torch.full((8_000,), 4))
    bins = poses.pose_bins(free)
    assert (poses.pose_bins(chosen) == 4).all()
    theirs = free[bins == 4]
    for row, column in itertools.product(range(3), range(3)):
        difference = chosen[:, row, column].mean() - theirs[:, row, column].mean()
        noise = (chosen[:, row, column].var() / len(chosen) + theirs[:, row, column].var() / len(theirs)).sqrt()
        assert abs(difference) < 4.5 * noise


def test_rotations_and_bins_against_slow_ones():
    angles = np.random.default_rng(0).normal(0, 2, (500, 3))
    found = poses.rotations(torch.from_numpy(angles))
    np.testing.assert_allclose(found, Rotation.from_euler("xyz", angles).as_matrix(), atol=1e-12)
    bins = poses.pose_bins(found).tolist()
    assert bins == [ray_marching.pose_bin(r) for r in found.numpy()]
    assert set(bins) == set(range(5))


def test_a_mirrored_image_has_the_mirrored_bin():
    """The image's right is the world's y, so mirroring turns the up axis (x, y, z) into (x, -y, z)."""
    torch.testing.assert_close(view()[0], torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64))
    found = poses.varied(SceneRng(("mirror",), torch.arange(2000)), None)
    mirror = torch.diag(torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64))
    bins = poses.pose_bins(found)
    assert poses.pose_bins(mirror @ found).tolist() == [poses.MIRRORED[b] for b in bins.tolist()]


def test_where_the_viewpoint_is_fixed_everything_is_upright():
    scenes = compose("train", torch.arange(20), 4, Factors.parse("TC-L"))
    assert (poses.pose_bins(scenes.rotation.flatten(0, 1)) == 0).all()
    assert (scenes.rotation == scenes.rotation[0, 0]).all()


@pytest.mark.parametrize("letter", "TCVL")
def test_a_factor_that_is_off_doesnt_vary_and_one_that_is_on_does(letter):
    on = compose("train", torch.arange(200), 1, Factors.parse("TCVL"))
    off = compose("train", torch.arange(200), 1, Factors.parse("TCVL".replace(letter, "-")))
    if letter == "T":
        assert torch.equal(off.surfaces.first, off.surfaces.second)
        assert torch.equal(off.backdrops.first, off.backdrops.second)
        assert not torch.equal(on.surfaces.first, on.surfaces.second)
    if letter == "C":
        spread = [_within_classes(scenes.surfaces.first, scenes.labels[:, 0]) for scenes in (off, on)]
        assert spread[0] < 0.8 * spread[1]
    if letter == "V":
        assert off.rotation.std(0).max() == 0
        assert on.rotation.std(0).max() > 0.2
    if letter == "L":
        assert off.light.std(0).max() < 1e-12
        assert on.light.std(0).max() > 0.5
        centre = torch.tensor([0.0, 0.0, on.layout.centre], dtype=torch.float64)
        torch.testing.assert_close((on.light - centre).norm(dim=1), torch.full((200,), LIGHT_DISTANCE).double())


def _within_classes(colours, labels):
    return float(torch.stack([colours[labels == label].var(0).sum() for label in range(10)]).mean())


def test_lights_angle_has_the_papers_distribution():
    scenes = compose("train", torch.arange(4000), 1, Factors.parse("---L"))
    centre = torch.tensor([0.0, 0.0, scenes.layout.centre], dtype=torch.float64)
    world = (scenes.light - centre) @ view() / LIGHT_DISTANCE
    assert world[:, 0].abs().max() < 1e-12
    # The mean of exp(i a), a normal with mean m and standard deviation s, is exp(i m - s^2 / 2).
    expected = math.exp(-2.0)
    assert abs(world[:, 2].mean() - expected * math.cos(-0.5)) < 0.04
    assert abs(world[:, 1].mean() - expected * math.sin(-0.5)) < 0.04


@pytest.mark.parametrize("label", range(10))
def test_shapes_vary_and_those_of_the_splits_are_disjoint(label):
    splits = {
        split: shapes(split, label, torch.arange(50)).axes.flatten(1) for split in ("train", "validation", "test")
    }
    for one, other in itertools.combinations(splits.values(), 2):
        assert torch.cdist(one, other).min() > 1e-6
    own = splits["train"]
    assert (torch.cdist(own, own) + torch.eye(50)).min() > 1e-6
    assert own.std(0).max() > 0.02


@pytest.mark.parametrize("label", range(10))
def test_objects_are_centred_with_a_longest_side_of_one(label):
    low, high = shapes("train", label, torch.arange(100)).box()
    torch.testing.assert_close((high - low).amax(1), torch.ones(100).double())
    torch.testing.assert_close(low + high, torch.zeros(100, 3).double())


def test_a_shape_serves_ten_objects_of_its_class():
    scenes = compose("train", torch.arange(200), 1, Factors.parse("----"))
    for group in groups(scenes):
        kinds = {tuple(row) for row in group.parts.present.int().tolist()}
        assert len(kinds) <= 2
        assert len(group.scene) == 20


def test_classes_are_the_papers_in_its_order():
    assert list(CLASSES) == [
        "airplane", "bench", "cabinet", "car", "chair", "lamp", "sofa", "table", "watercraft", "motorcycle",
    ]  # fmt: skip
