"""A user's own folder of images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import DataError, StudyError
from labeleff.training.examples import Source, load_task


def save(path, colour, size=(8, 8), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


@pytest.fixture
def root(tmp_path):
    for split in ("train", "test"):
        for name, colour in (("cat", (255, 0, 0)), ("ant", (0, 255, 0))):
            save(tmp_path / "mine" / split / name / "b.png", colour)
            save(tmp_path / "mine" / split / name / "a.PNG", (0, 0, 9))
    return tmp_path / "mine"


def load(root, size=8, **kwargs):
    spec = Spec(name="folder/classify", options={"path": str(root), "size": size})
    return load_task(spec, Source(root, offline=True, **kwargs))


def test_classes_and_images_come_in_the_order_of_names(root):
    (root / "train" / ".hidden").mkdir()
    (root / "train" / "cat" / "notes.txt").write_text("not an image")
    calls = []
    task = load(root, progress=lambda *call: calls.append(call))
    assert task.classes == ("ant", "cat")
    assert task.train.labels.tolist() == task.test.labels.tolist() == [0, 0, 1, 1]
    assert task.train.images[:, 0, 0].tolist() == [[0, 0, 9], [0, 255, 0], [0, 0, 9], [255, 0, 0]]
    assert [call[:2] for call in calls] == [(i, 8) for i in range(1, 9)]


def test_any_size_is_resized_and_cropped_to_the_middle(root):
    wide = np.zeros((20, 60, 3), dtype=np.uint8)
    wide[:, 20:40] = 200
    Image.fromarray(wide).save(root / "train" / "ant" / "a.PNG")
    image = load(root, size=10).train.images[0].numpy()
    assert image.shape == (10, 10, 3)
    assert (image[:, 2:8] == 200).all()
    assert load(root, size=32).train.images.shape == (4, 32, 32, 3)


@pytest.mark.parametrize(("mode", "colour"), [("L", 77), ("RGBA", (77, 77, 77, 128)), ("P", 3), ("1", 1), ("I;16", 9)])
def test_every_mode_becomes_rgb(root, mode, colour):
    save(root / "train" / "ant" / "a.PNG", colour, mode=mode)
    assert load(root).train.images.shape == (4, 8, 8, 3)


def test_a_palette_with_transparency_is_read_without_a_warning(root):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.save(root / "train" / "ant" / "a.PNG", transparency=b"\x00\x80")
    task = load(root)
    assert task.train.images[0, 0, 0].tolist() == [132, 137, 142]  # half of the colour, half of white
    assert (task.facts["transparent"], task.facts["background"]) == (1, "white")


def test_classes_must_agree_between_train_and_test(root):
    (root / "train" / "cat").rename(root / "train" / "dog")
    task = load(root)  # a class on one side is a weak point of the report
    assert task.classes == ("ant", "cat", "dog")
    assert (task.train.labels.tolist(), task.test.labels.tolist()) == ([0, 0, 2, 2], [0, 0, 1, 1])
    (root / "train" / "ant").rename(root / "train" / "bee")
    with pytest.raises(
        DataError, match=r"mine: found no class in both splits: bee, dog in train, ant, cat in test; exp"
    ):
        load(root)


def test_missing_and_empty_folders_are_named(root):
    (root / "test" / "cat" / "b.png").unlink()
    (root / "test" / "cat" / "a.PNG").unlink()
    with pytest.raises(DataError, match=r"test: found no images in class cat; expected PATH/train/CLASS"):
        load(root)
    (root / "train").rename(root / "training")
    with pytest.raises(
        DataError, match=r"mine/train: can't be listed: No such file or directory; found test, training there"
    ):
        load(root)
    (root / "train").mkdir()
    with pytest.raises(DataError, match=r"train: found no class folders"):
        load(root)


def test_one_class_is_not_a_task(root):
    for split in ("train", "test"):
        (root / split / "cat").rename(root / f"{split}-cat")
    with pytest.raises(DataError, match="found one class, ant, expected at least two"):
        load(root)


@pytest.mark.parametrize("cut", [0, 20, 50])
def test_an_unreadable_image_is_named(root, cut):
    path = root / "test" / "ant" / "b.png"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"test/ant/b.png: not a readable image: .*replace or remove it"):
        load(root)


def test_a_format_that_is_not_read_is_an_error_not_a_gap(root):
    (root / "train" / "ant" / "c.heic").write_bytes(b"ftypheic")
    with pytest.raises(DataError, match=r"c.heic: found a .heic image, expected .png, .jpg, .jpeg"):
        load(root)


def test_files_are_read_by_content_at_any_depth_and_the_rest_is_counted_and_named(root):
    save(root / "train" / "ant" / "deeper" / "c.png", (1, 2, 3))
    for name in ("d.jfif", "e.jpg"):
        save(root / "train" / "ant" / "x.jpg", (9, 9, 9))
        (root / "train" / "ant" / "x.jpg").rename(root / "train" / "ant" / name)
    save(root / "train" / "ant" / "f.pgm", 7, mode="L")
    save(root / "train" / "ant" / "g.tif", (7, 7, 7))
    (root / "train" / "ant" / "g.tif").rename(root / "train" / "ant" / "without")
    (root / "train" / "ant" / "._b.png").write_bytes(b"Mac")
    (root / "train" / "notes.txt").write_text("beside")
    (root / "train" / "cat" / "notes.txt").write_text("BMW, GIF and P5 are no pictures here")
    (root / "val" / "ant").mkdir(parents=True)
    save(root / "val" / "ant" / "a.png", 0, mode="L")
    task = load(root)
    names = ("a.PNG", "b.png", "d.jfif", "deeper/c.png", "e.jpg", "f.pgm", "without")
    assert task.ids == (*(f"train/ant/{name}" for name in names), "train/cat/a.PNG", "train/cat/b.png")
    assert task.facts["not read"] == {
        "hidden in train": 1,
        "no pictures in train": 1,
        "outside of class folders in train": 1,
        "in val": 1,
    }
    assert len(task.notes) == 3
    assert (
        "1 of 9 images are in folders inside of class folders and are read too, first train/ant/deeper/c.png"
        in (task.notes[0])
    )
    assert "1 file, hidden, first train/ant/._b.png" in task.notes[1]
    assert "not read: 1 file beside train and test" in task.notes[2]


@pytest.mark.parametrize("other", ["Cat", "c at", "ca\u0301t"])
def test_class_folders_that_differ_by_a_typing_error_are_named(root, other):
    name = {"ca\u0301t": "c\u00e1t"}.get(other, "cat")
    for split, new in (("train", name), ("test", other)):
        (root / split / "cat").rename(root / split / new)
    with pytest.raises(DataError, match=r"which differ only in case, spaces or Unicode composition; expected one name"):
        load(root)


def test_sixteen_bits_in_one_class_alone_are_scaled_like_the_others_and_noted(root):
    levels = np.full((8, 8), 200, np.uint16)
    for name in ("a.PNG", "b.png"):
        Image.fromarray(levels * 16).save(root / "train" / "ant" / name)
    task = load(root)
    assert (task.train.images[:2] == 199).all()  # 3200 of 4095
    assert task.facts["bits"] == 12
    assert task.facts["modes of some classes"] == {"I;16": ["ant"], "RGB": ["cat"]}


def test_relative_paths_are_below_the_studys_folder(root):
    spec = Spec(name="folder/classify", options={"path": root.name, "size": 8})
    assert len(load_task(spec, Source(root, offline=True, base=root.parent)).train) == 4
    assert spec.label == "folder/classify(size=8)"
    with pytest.raises(DataError, match=r"/nowhere/mine/train: can't be listed"):
        load_task(spec, Source(root, offline=True, base=root.parent / "nowhere"))


def flat(root, held_out, seed=0):
    spec = lookup.complete(
        "task", "folder/classify", {"path": str(root), "size": 8, "held_out": held_out, "seed": seed}
    )
    return load_task(spec, Source(root, offline=True))


def test_a_share_of_every_class_is_set_aside_where_there_are_no_splits(tmp_path):
    root = tmp_path / "flat"
    for name, count in (("ant", 20), ("cat", 5), ("dog", 2)):
        for number in range(count):
            save(root / name / f"{number}.png", (number * 9, len(name), count))
    (root / "labels.csv").write_text("x")
    task = flat(root, 0.2)
    assert np.bincount(task.train.labels).tolist() == [16, 4, 1]
    assert np.bincount(task.test.labels).tolist() == [4, 1, 1]
    rows = [tuple(image[0, 0].tolist()) for part in (task.train, task.test) for image in part.images]
    assert len({*rows}) == 27
    assert "6 of 27, 0.2 of each class, set aside for testing by seed 0" in task.provenance
    assert [note for note in task.notes if "not read" in note] == [
        f"{root}: not read: 1 file, outside of class folders, first labels.csv"
    ]
    assert flat(root, 0.2).fingerprint == task.fingerprint != flat(root, 0.2, seed=1).fingerprint
    with pytest.raises(DataError, match=r"or PATH/CLASS/\* with `held_out = 0.2` in the task"):
        load(root)
    with pytest.raises(StudyError, match=r"expected at most 0\.9"):
        flat(root, 1.0)
    save(root / "eel" / "0.png", (1, 1, 1))
    with pytest.raises(DataError, match="eel: found one image, expected two at least"):
        flat(root, 0.2)


def test_a_share_beside_splits_is_refused(root):
    with pytest.raises(DataError, match=r"found the folder 'train' and held_out = 0\.2; leave out one of them"):
        flat(root, 0.2)
