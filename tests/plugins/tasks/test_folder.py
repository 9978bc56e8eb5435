"""A user's own folder of images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from labeleff.catalogue.declaration import Spec
from labeleff.errors import DataError
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
    assert load(root).train.images[0, 0, 0].tolist() == [10, 20, 30]


def test_classes_must_agree_between_train_and_test(root):
    (root / "train" / "cat").rename(root / "train" / "dog")
    with pytest.raises(DataError, match=r"mine: classes differ: dog only in train; cat only in test; expected"):
        load(root)


def test_missing_and_empty_folders_are_named(root):
    (root / "test" / "cat" / "b.png").unlink()
    (root / "test" / "cat" / "a.PNG").unlink()
    with pytest.raises(DataError, match=r"test: found no images in class cat; expected PATH/train/CLASS"):
        load(root)
    (root / "train").rename(root / "training")
    with pytest.raises(DataError, match=r"mine/train: can't be listed: No such file or directory; expected PATH"):
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
    save(root / "train" / "ant" / "c.bmp", 0)
    with pytest.raises(DataError, match=r"c.bmp: found a .bmp image, expected .png, .jpg, .jpeg"):
        load(root)
