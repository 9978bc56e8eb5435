"""Files as the reference project writes them: what is read, what is kept, what is refused."""

import sys

import numpy as np
import pytest
import torch
from support import ray_marching, selfstudy_files

from labeleff.catalogue import lookup
from labeleff.errors import DataError, OptionError, StudyError, UnknownNameError
from labeleff.training.examples import Source, load_task
from labeleff.training.goals.classification import Classes
from labeleff.training.goals.depth import UNIT, Depth
from labeleff.training.goals.segmentation import PixelClasses


def load(kind, path, folder, **options):
    spec = lookup.complete("task", f"selfstudy/{kind}", {"path": str(path), **options})
    return load_task(spec, Source(folder, offline=True))


@pytest.fixture
def file(tmp_path):
    pytest.importorskip("h5py")
    return tmp_path / "lg_3222" / "data_8_lab.h5"


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(OptionError, match=r"pip install 'labeleff\[hdf5\]'"):
        load("classify", tmp_path / "x.h5", tmp_path)


def test_the_path_is_required():
    with pytest.raises(StudyError, match="'path'"):
        lookup.complete("task", "selfstudy/classify", {})


def test_splits_are_twelfths(file, tmp_path):
    levels = selfstudy_files.single(file, 36)
    task = load("classify", file, tmp_path)
    off = np.abs(task.train.images.numpy().astype(int) - levels[:30])
    assert off.max() <= 2
    assert (off == 0).mean() > 0.99
    assert np.abs(task.test.images.numpy().astype(int) - levels[33:]).max() <= 2
    assert task.train.labels.tolist() == [i % 10 for i in range(30)]
    assert task.test.labels.tolist() == [3, 4, 5]
    assert task.goal == Classes()
    assert task.provenance == "lg_3222/data_8_lab.h5, LAB, scored on test images"
    validation = load("classify", file, tmp_path, scored="validation")
    assert validation.test.labels.tolist() == [0, 1, 2]
    assert validation.provenance.endswith("scored on validation images")
    assert torch.equal(validation.train.images, task.train.images)


@pytest.mark.parametrize(("count", "most", "first", "last"), [(12, 5000, 11, 12), (48, 3, 44, 47), (31, 9, 27, 29)])
def test_at_most_a_twelfth_is_scored(file, tmp_path, count, most, first, last):
    """As the reference has it where the number of images isn't a multiple of 12, too."""
    selfstudy_files.single(file, count, side=4)
    task = load("classify", file, tmp_path, test=most)
    assert len(task.train) == count * 5 // 6
    assert task.test.labels.tolist() == [i % 10 for i in range(first, last)]


@pytest.mark.parametrize("name", ["data_8.h5", "mine_rgb.h5", "RGB-8.h5", "rgbd_lab.h5"])
def test_rgb_comes_back_exactly(file, tmp_path, name):
    path, said = file.with_name(name), "rgb" if name.startswith("rgbd") else "auto"
    levels = selfstudy_files.single(path, 12, colours="rgb")
    task = load("classify", path, tmp_path, colours=said)
    np.testing.assert_array_equal(task.train.images.numpy(), levels[:10])
    assert ", RGB," in task.provenance


def test_poses_are_bins_of_the_rotations(file, tmp_path):
    selfstudy_files.single(file, 240, side=4)
    import h5py

    with h5py.File(file) as opened:
        expected = [ray_marching.pose_bin(rotation) for rotation in opened["rot_mat"][:200]]
    task = load("pose", file, tmp_path)
    assert task.train.labels.tolist() == expected
    assert set(expected) == set(range(5))
    assert task.goal == Classes(mirror=(0, 3, 2, 1, 4))
    assert torch.equal(task.train.images, load("classify", file, tmp_path).train.images)


def test_masks_and_depths(file, tmp_path):
    levels, targets = selfstudy_files.scenes(file, 36)
    targets = targets.astype(int)
    masks, depths = load("segment", file, tmp_path), load("depth", file, tmp_path)
    assert np.abs(masks.train.images.numpy().astype(int) - levels[:30]).max() <= 2
    np.testing.assert_array_equal(masks.train.labels, targets[:30, 1])
    np.testing.assert_allclose(depths.train.labels.numpy() * UNIT, targets[:30, 2] / 100, atol=1e-9)
    np.testing.assert_array_equal(depths.test.labels, targets[33:, 2] * 50)
    assert (masks.train.labels.dtype, depths.train.labels.dtype) == (torch.uint8, torch.int16)
    assert (masks.goal, depths.goal) == (PixelClasses(grid=4), Depth(grid=4))
    assert (masks.classes[0], len(masks.classes)) == ("background", 11)
    assert torch.equal(masks.test.images, depths.test.images)


def test_a_pixel_without_depth_isnt_counted(file, tmp_path):
    _, targets = selfstudy_files.scenes(file)
    targets[:, 2, :8] = 0
    selfstudy_files.scenes(file, targets=targets)
    task = load("depth", file, tmp_path)
    assert not task.goal.counted(task.train.labels)[:, :8].any()
    assert task.goal.counted(task.train.labels)[:, 8:].all()


def test_what_is_converted_is_kept_until_the_file_changes(file, tmp_path):
    selfstudy_files.single(file)
    told = []
    source = Source(tmp_path, progress=lambda *call: told.append(call))
    spec = lookup.complete("task", "selfstudy/classify", {"path": str(file)})
    first = load_task(spec, source)
    assert (20, 20, "converting train images") in told
    assert (2, 2, "converting test classes") in told
    told.clear()
    assert load_task(spec, source).fingerprint == first.fingerprint
    assert not told
    load("pose", file, tmp_path)
    assert len(list((tmp_path / "selfstudy").glob("*/images.npy"))) == 2
    selfstudy_files.single(file, targets=np.full(24, 7))
    assert load_task(spec, source).train.labels.tolist() == [7] * 20


def test_blocks_give_what_the_whole_gives(file, tmp_path, monkeypatch):
    selfstudy_files.scenes(file)
    whole = load("segment", file, tmp_path / "whole")
    monkeypatch.setattr("labeleff.plugins.tasks.selfstudy.PIXELS", 3 * 32**2)
    assert load("segment", file, tmp_path / "blocks").fingerprint == whole.fingerprint


def zeros(array, image):
    changed = array.copy()
    changed[image] = 0
    return changed


def placed(array, place, value):
    changed = array.copy()
    changed[place] = value
    return changed


DATA = selfstudy_files.normalised(selfstudy_files.lab(selfstudy_files.images(24, 8)), selfstudy_files.LAB)
EYES = np.tile(np.eye(3), (24, 1, 1))
SINGLE = {
    "no data": ({"data": None}, r"no dataset 'data' among rot_mat, targets, expected 'data' of float16 \(any, 3, any"),
    "no targets": ({"targets": None}, r"no dataset 'targets' among data, rot_mat"),
    "float32": ({"data": DATA.astype(np.float32)}, r"data: found float32 \(24, 3, 8, 8\), expected float16"),
    "channels last": ({"data": DATA.transpose(0, 2, 3, 1)}, r"found float16 \(24, 8, 8, 3\)"),
    "flat": ({"data": DATA.reshape(24, -1)}, r"found float16 \(24, 192\)"),
    "not square": ({"data": DATA[..., :6]}, r"found float16 \(24, 3, 8, 6\), expected float16 \(24, 3, 8, 8\)"),
    "no pixel": ({"data": DATA[:, :, :0, :0]}, "images of 0 pixels"),
    "few": ({"data": DATA[:11], "targets": np.zeros(11, int)}, "found 11 images, expected at least 12"),
    "scalar": ({"data": np.float16(1)}, r"found float16 \(\)"),
    "text": ({"data": "here"}, "data: found object"),
    "nan": ({"data": placed(DATA, (5, 1, 2, 3), np.nan)}, "data, image 5: found a number that isn't finite"),
    "infinite": ({"data": placed(DATA, (19, 0, 0, 0), np.inf)}, "data, image 19: found a number that isn't finite"),
    "unfinished": ({"data": zeros(DATA, 7)}, "data, image 7: found nothing but 0"),
    "out of range": ({"data": placed(DATA, (3, 0, 0, 0), 40)}, r"data, image 3: found the colour \(735\.2, .*'rgb'"),
    "unfinished test": ({"data": zeros(DATA, 23)}, "data, image 23: found nothing but 0"),
    "labels of others": ({"targets": np.zeros(23, int)}, r"targets: found int64 \(23\), expected int64 \(24\)"),
    "int32": ({"targets": np.zeros(24, np.int32)}, r"targets: found int32 \(24\), expected int64"),
    "class 10": ({"targets": placed(np.zeros(24, int), 4, 10)}, r"targets, image 4: found class 10, expected 0\.\.9"),
    "class -1": ({"targets": placed(np.zeros(24, int), 22, -1)}, r"targets, image 22: found class -1"),
    "a group": ({"data": None, "data/x": DATA}, "no dataset 'data' among data, "),
}
POSE = {
    "no rotations": ({"rot_mat": None}, "no dataset 'rot_mat' among data, targets"),
    "rotations of scenes": ({"rot_mat": np.tile(np.eye(3), (24, 4, 1, 1))}, r"\(24, 4, 3, 3\), expected float64 \(24"),
    "stretched": ({"rot_mat": placed(EYES, 2, 2 * np.eye(3))}, "rot_mat, image 2: found .* a rotation matrix"),
    "mirrored": ({"rot_mat": placed(EYES, 2, np.diag([1, 1, -1]))}, "rot_mat, image 2: found"),
    "no number": (
        {"rot_mat": placed(EYES, (2, 1, 1), np.nan)},
        r"rot_mat, image 2: found .*nan.*, expected a rotation",
    ),
    "unfinished rotations": ({"rot_mat": zeros(EYES, 2)}, "rot_mat, image 2: found"),
    "one pose": ({"rot_mat": EYES}, "found one pose in all training images"),
}
TARGETS = np.full((24, 3, 32, 32), 9, np.uint8)
SCENES = {
    "class 11": ("segment", placed(TARGETS, (3, 1, 0, 0), 11), r"targets, image 3: found class 11, expected classes 0"),
    "unfinished masks": ("segment", zeros(TARGETS, 3), "targets, image 3: found nothing but 0"),
    "no depth": ("depth", placed(TARGETS, (3, 2), 0), "targets, image 3: found no depth over 0"),
    "other size": ("depth", TARGETS[..., :16], r"found uint8 \(24, 3, 32, 16\)"),
    "16 bits": ("depth", TARGETS.astype(np.uint16), "found uint16"),
    "one channel": ("segment", TARGETS[:, :1], r"found uint8 \(24, 1, 32, 32\)"),
    "single objects": ("segment", np.zeros(24, int), r"targets: found int64 \(24\), expected uint8 \(24, 3, 32, 32\)"),
}


@pytest.mark.parametrize("name", [*SINGLE, *POSE])
def test_malformed_files_of_single_objects(file, tmp_path, name):
    changes, said = (SINGLE | POSE)[name]
    selfstudy_files.single(file, **changes)
    with pytest.raises(DataError, match=said) as caught:
        load("pose" if name in POSE else "classify", file, tmp_path)
    assert str(caught.value).startswith(f"{file}")
    assert not list(tmp_path.glob("selfstudy/.*.unfinished"))


@pytest.mark.parametrize("name", SCENES)
def test_malformed_files_of_scenes(file, tmp_path, name):
    kind, targets, said = SCENES[name]
    selfstudy_files.scenes(file, targets=targets)
    with pytest.raises(DataError, match=said):
        load(kind, file, tmp_path)


def test_scenes_need_a_side_that_the_grid_divides(file, tmp_path):
    selfstudy_files.scenes(file, side=20)
    with pytest.raises(DataError, match="images of 20 pixels a side, expected a multiple of 8"):
        load("depth", file, tmp_path)


@pytest.mark.parametrize(("said", "found"), [("lab", "rgb"), ("rgb", "lab")])
def test_the_wrong_colours_are_told(file, tmp_path, said, found):
    selfstudy_files.single(file, colours=found)
    with pytest.raises(DataError, match=rf"image \d+: found .*colours = '{found}'"):
        load("classify", file, tmp_path, colours=said)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", b"\x89HDF\r\n\x1a\n", bytes(5000)])
def test_other_files_are_refused(file, tmp_path, content):
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(DataError, match=f"found {len(content):,} bytes, expected a whole HDF5 file"):
        load("classify", file, tmp_path)


def test_a_missing_file_and_a_folder_are_refused(file, tmp_path):
    with pytest.raises(DataError, match="not there"):
        load("classify", file, tmp_path)
    file.mkdir(parents=True)
    with pytest.raises(DataError, match="found a folder"):
        load("classify", file, tmp_path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_refused(file, tmp_path, share):
    selfstudy_files.single(file)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=r"data_8_lab\.h5: found .* bytes, expected a whole HDF5 file"):
        load("classify", file, tmp_path)


def test_a_chunk_that_cant_be_unpacked_is_refused(file, tmp_path):
    import h5py

    selfstudy_files.single(file, data=None)
    with h5py.File(file, "a") as opened:
        opened.create_dataset("data", data=DATA, chunks=(4, 3, 8, 8), compression="gzip", shuffle=True)
        at = opened["data"].id.get_chunk_info(3).byte_offset
    content = bytearray(file.read_bytes())
    content[at : at + 40] = bytes(40)
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"data_8_lab\.h5, data: can't be read: .*is the file whole"):
        load("classify", file, tmp_path)


@pytest.mark.parametrize(("option", "value"), [("colours", "hsv"), ("scored", "train")])
def test_unknown_choices_are_refused(option, value):
    with pytest.raises(UnknownNameError, match=value):
        lookup.complete("task", "selfstudy/classify", {"path": "x", option: value})
