import numpy as np
import pytest
import torch

from labeleff.catalogue import lookup
from labeleff.errors import UnknownNameError
from labeleff.plugins.tasks.scenes.factors import Factors
from labeleff.plugins.tasks.scenes.render import render
from labeleff.training.examples import Source, load_task
from labeleff.training.goals.classification import Classes
from labeleff.training.goals.depth import Depth
from labeleff.training.goals.segmentation import PixelClasses

FEW = {"train": 50, "test": 30, "size": 32}


def task(name, tmp_path, **options):
    return load_task(lookup.complete("task", f"shapes/{name}", FEW | options), Source(tmp_path, offline=True))


def test_classes_and_poses_are_labels_of_the_same_images(tmp_path):
    classes, poses = task("classify", tmp_path), task("pose", tmp_path)
    assert torch.equal(classes.train.images, poses.train.images)
    found = render("train", torch.arange(50), 32, 1, Factors.parse("TCVL"))
    assert torch.equal(classes.train.images, found.images)
    assert torch.equal(classes.train.labels, found.classes[:, 0])
    assert torch.equal(poses.train.labels, found.poses[:, 0])
    assert torch.bincount(poses.train.labels).tolist() == [10] * 5
    assert poses.goal == Classes(mirror=(0, 3, 2, 1, 4))
    assert classes.goal == Classes()
    assert classes.provenance == "rendered"


def test_masks_and_depths_are_labels_of_the_same_scenes(tmp_path):
    masks, depths = task("segment", tmp_path), task("depth", tmp_path)
    assert torch.equal(masks.test.images, depths.test.images)
    found = render("test", torch.arange(30), 32, 4, Factors.parse("TCVL"), maps=True)
    assert torch.equal(masks.test.labels, found.masks)
    assert torch.equal(depths.test.labels, found.depths)
    assert masks.classes[0] == "background"
    assert len(masks.classes) == 11
    assert (masks.goal, depths.goal) == (PixelClasses(grid=4), Depth(grid=4))
    assert 0.3 < masks.chance < 0.8
    assert 0.2 < depths.chance < 0.7
    assert int(depths.test.labels.min()) > 0


def test_images_are_kept_and_another_number_of_them_is_another_file(tmp_path):
    first = task("classify", tmp_path)
    kept = sorted((tmp_path / "shapes").glob("*/images.npy"))
    assert len(kept) == 2
    again = task("classify", tmp_path)
    assert sorted((tmp_path / "shapes").glob("*/images.npy")) == kept
    assert first.fingerprint == again.fingerprint
    more = task("classify", tmp_path, train=60)
    assert torch.equal(more.train.images[:50], first.train.images)
    assert len(list((tmp_path / "shapes").glob("*/images.npy"))) == 3


def test_rendering_tells_its_progress(tmp_path):
    told = []
    source = Source(tmp_path, progress=lambda done, total, what: told.append((done, total, what)))
    load_task(lookup.complete("task", "shapes/classify", FEW), source)
    assert (50, 50, "rendering train images") in told
    assert (30, 30, "rendering test images") in told


def test_pose_needs_a_viewpoint_that_varies():
    with pytest.raises(UnknownNameError, match=r"factors of task 'shapes/pose' 'TC-L'"):
        lookup.complete("task", "shapes/pose", {"factors": "TC-L"})


@pytest.mark.parametrize(("name", "value"), [("factors", "TVCL"), ("size", 48), ("objects", 3)])
def test_what_cant_be_rendered_is_refused_before(name, value):
    with pytest.raises(UnknownNameError, match=str(value)):
        lookup.complete("task", "shapes/segment", {name: value})


def test_free_poses_have_the_first_bin_most_often(tmp_path):
    free = task("pose", tmp_path, train=1000, size=32, poses="free")
    assert np.bincount(free.train.labels.numpy(), minlength=5).argmax() == 0
