"""Models in a folder like ShapeNet's: the scenes of `shapes` with other geometry."""

import os
import shutil

import numpy as np
import pytest
import torch
from support import shapenet_models

from labeleff.catalogue import lookup
from labeleff.errors import DataError, StudyError
from labeleff.plugins.tasks import shapenet
from labeleff.plugins.tasks.scenes.classes import CLASSES
from labeleff.plugins.tasks.sources import obj_meshes
from labeleff.training.examples import Source, load_task

FEW = {"train": 20, "test": 10, "size": 32}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    pytest.importorskip("trimesh")
    return shapenet_models.folder(tmp_path_factory.mktemp("ShapeNetCore.v2"))


def task(name, root, folder, **options):
    given = FEW | options if root is None else {"path": str(root), **FEW, **options}
    return load_task(lookup.complete("task", name, given), Source(folder, offline=True))


def test_synsets_are_of_the_papers_classes_in_its_order():
    assert list(shapenet.SYNSETS) == list(CLASSES)
    assert len(set(shapenet.SYNSETS.values())) == 10


def test_models_are_seen_where_solids_of_their_form_are(root, tmp_path, monkeypatch):
    shapenet_models.procedural(monkeypatch)
    options = {"train": 5, "test": 5, "size": 64}
    for kind, tolerance in (("segment", 0), ("depth", 2)):
        meshes = task(f"shapenet/{kind}", root, tmp_path, **options)
        solids = task(f"shapes/{kind}", None, tmp_path, **options)
        assert meshes.goal == solids.goal
        assert meshes.classes == solids.classes
        for split in ("train", "test"):
            mine, theirs = getattr(meshes, split), getattr(solids, split)
            off = (mine.labels.int() - theirs.labels.int()).abs()
            assert (off > tolerance).double().mean() < 1e-3
            assert (mine.labels != mine.labels.flatten()[0]).double().mean() > 0.2
            apart = (mine.images.int() - theirs.images).abs().amax(-1)
            assert (apart > 8).double().mean() < 2e-3


def test_classes_and_poses_are_those_of_shapes(root, tmp_path):
    for kind in ("classify", "pose"):
        mine, theirs = task(f"shapenet/{kind}", root, tmp_path), task(f"shapes/{kind}", None, tmp_path)
        assert torch.equal(mine.train.labels, theirs.train.labels)
        assert torch.equal(mine.test.labels, theirs.test.labels)
        assert mine.train.images.shape == theirs.train.images.shape
        assert not torch.equal(mine.train.images, theirs.train.images)
    assert mine.provenance == f"rendered from models in {root} by {obj_meshes.engine()}"
    assert torch.equal(mine.train.images, task("shapenet/classify", root, tmp_path).train.images)


@pytest.mark.parametrize("count", [12, 13, 25, 337])
def test_every_model_is_in_one_split(tmp_path, count):
    paths = [tmp_path / str(number) for number in range(count)]
    splits = [shapenet.split_of(paths, split) for split in ("train", "validation", "test")]
    assert [path for split in splits for path in split] == paths
    assert all(abs(len(split) - count * share / 12) < 1 for split, share in zip(splits, (10, 1, 1), strict=True))


def test_no_model_is_both_trained_and_tested_on(root, tmp_path, monkeypatch):
    read, used = obj_meshes.read, []

    def reading(path):
        used.append(path)
        return read(path)

    monkeypatch.setattr(obj_meshes, "read", reading)
    task("shapenet/classify", root, tmp_path, train=1000, test=50)
    names = [path.parts[-3] for path in used]
    for name in CLASSES:
        mine = [model for model in names if model.startswith(name)]
        assert len(mine) == 11
        assert len(set(mine)) == 11


def test_the_order_of_models_is_that_of_a_hash_of_their_names(root, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    first, second = (shapenet._models(place, "lamp") for place in (root, copy))
    assert [path.relative_to(root) for path in first] == [path.relative_to(copy) for path in second]
    assert first != sorted(first)


def test_what_was_rendered_is_kept_until_a_model_changes(root, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    first = task("shapenet/classify", copy, tmp_path)

    def forbidden(path):
        raise AssertionError(path)

    with monkeypatch.context() as patch:
        patch.setattr(obj_meshes, "read", forbidden)
        assert task("shapenet/classify", copy, tmp_path).fingerprint == first.fingerprint
    for path in copy.glob("*/*/models/*.obj"):
        shutil.copy(root / shapenet.SYNSETS["lamp"] / "lamp000" / shapenet.FILE, path)
    assert task("shapenet/classify", copy, tmp_path).fingerprint != first.fingerprint
    os.utime(shapenet._models(copy, "sofa")[-1], (1, 1))
    assert len(list((tmp_path / "shapenet").glob("*/images.npy"))) == 4
    task("shapenet/classify", copy, tmp_path)
    assert len(list((tmp_path / "shapenet").glob("*/images.npy"))) == 5


def test_rendering_tells_its_progress(root, tmp_path):
    told = []
    spec = lookup.complete("task", "shapenet/classify", {"path": str(root), **FEW})
    load_task(spec, Source(tmp_path, progress=lambda *call: told.append(call)))
    assert (20, 20, "rendering train images") in told


def test_without_embree_the_slow_tracer_shows_the_same(root, tmp_path, monkeypatch):
    trimesh = pytest.importorskip("trimesh")
    pytest.importorskip("rtree")
    pytest.importorskip("embreex")
    options = {"train": 2, "test": 1, "objects": 1}
    quick = task("shapenet/segment", root, tmp_path, **options)
    monkeypatch.setattr(trimesh.ray, "has_embree", False)
    slow = task("shapenet/segment", root, tmp_path, **options)
    assert slow.provenance.endswith("by trimesh's own slow tracer, without embree")
    assert (slow.train.labels != quick.train.labels).double().mean() < 2e-3
    assert ((slow.train.images.int() - quick.train.images).abs().amax(-1) > 8).double().mean() < 5e-3


@pytest.fixture
def broken(tmp_path, root):
    """A copy to break: its models are links."""
    copy = tmp_path / "copy"
    shutil.copytree(root, copy, copy_function=os.link)
    return copy


def test_a_folder_that_isnt_there(tmp_path):
    pytest.importorskip("trimesh")
    with pytest.raises(DataError, match=r"nowhere: found no folder 02691156 \(airplane\), 02828884 \(bench\), "):
        task("shapenet/classify", tmp_path / "nowhere", tmp_path)


def test_missing_classes_are_named(broken, tmp_path):
    shutil.rmtree(broken / "03636649")
    shutil.rmtree(broken / "03790512")
    with pytest.raises(DataError, match=r"found no folder 03636649 \(lamp\), 03790512 \(motorcycle\); expected Shape"):
        task("shapenet/classify", broken, tmp_path)


def test_an_empty_class(broken, tmp_path):
    shutil.rmtree(broken / "03636649")
    (broken / "03636649").mkdir()
    with pytest.raises(
        DataError, match=r"03636649: found 0 models in 0 folders, expected .* at least 12 models \(lamp"
    ):
        task("shapenet/classify", broken, tmp_path)


def test_too_few_models_for_disjoint_splits(broken, tmp_path):
    shutil.rmtree(broken / "03636649" / "lamp003")
    with pytest.raises(DataError, match="found 11 models in 11 folders"):
        task("shapenet/classify", broken, tmp_path)


def test_folders_without_a_model_are_passed_over_and_said(broken, tmp_path, caplog):
    (broken / "03636649" / "empty" / "models").mkdir(parents=True)
    (broken / "03636649" / ".hidden").mkdir()
    task("shapenet/classify", broken, tmp_path)
    assert "03636649: 1 of 13 folders have no models/model_normalized.obj and are passed over" in caplog.text


def test_a_broken_model_is_named_and_nothing_is_kept(broken, tmp_path):
    path = shapenet._models(broken, "lamp")[0]
    path.unlink()
    path.write_text("v 0 0 0\nf 1 2 3\n")
    with pytest.raises(DataError, match=rf"{path}: not a readable OBJ file.*; replace or remove it"):
        task("shapenet/classify", broken, tmp_path)
    assert not list((tmp_path / "shapenet").glob("*/*.npy"))


def test_the_path_is_required():
    with pytest.raises(StudyError, match="'path'"):
        lookup.complete("task", "shapenet/depth", {})


def test_every_image_shows_something(root, tmp_path):
    found = task("shapenet/segment", root, tmp_path, objects=1)
    assert ((found.train.labels > 0).sum((1, 2)) > 20).all()
    assert np.unique(found.train.labels).tolist() == list(range(11))
