"""Mutated folders of images: each is read as it should be, or gives one clear error before anything is trained.

`LABELEFF_FOLDERS` sets the number of folders (200 unless told).
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from labeleff.catalogue.declaration import Spec
from labeleff.errors import DataError
from labeleff.execution.image_checks import image_facts
from labeleff.training.examples import Source, load_task

FOLDERS = int(os.environ.get("LABELEFF_FOLDERS", "200"))
SIDE = 12


def shape(label, number):
    """Grey levels of one picture: class 0 is bright on the left, class 1 on the right; `number` makes it differ."""
    levels = np.full((SIDE, SIDE), 40, np.uint8)
    levels[:, label * SIDE // 2 : (label + 1) * SIDE // 2] = 200
    levels[number % SIDE, 0] += 1 + number
    return levels


def save_mode(levels, path, mode):
    """Save grey levels in another mode, with the same content."""
    image = Image.fromarray(levels)
    if mode == "12bit":
        image = Image.fromarray(levels.astype(np.uint16) * 16)
    elif mode == "16bit":
        image = Image.fromarray(levels.astype(np.uint16) * 257)
    elif mode == "float":
        image, path = Image.fromarray(levels.astype(np.float32) / 255), path.with_suffix(".tif")
    elif mode == "alpha":
        image = image.convert("RGBA")
    elif mode == "palette":
        image = image.convert("P")
    elif mode == "cmyk":
        image, path = image.convert("RGB").convert("CMYK"), path.with_suffix(".tif")
    else:
        image = image.convert(mode)
    image.save(path)


def made(root):
    for split, count in (("train", 4), ("test", 2)):
        for label in range(2):
            folder = root / split / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(shape(label, number + 10 * (split == "test"))).save(folder / f"{number}.png")


def one(root, chance):
    return chance.choice(sorted(root.rglob("*.png")))


def remade(root, chance, modes, all_of_one=True):
    """Save one picture, or all of a class, in another mode."""
    mode = chance.choice(modes)
    paths = sorted(root.rglob("class0/*.png")) if all_of_one else [one(root, chance)]
    for path in paths:
        levels = np.asarray(Image.open(path).convert("L")).copy()
        path.unlink()
        save_mode(levels, path, mode)


def mode_of_one_class(root, chance):
    remade(root, chance, ["12bit", "alpha", "palette", "cmyk", "RGB", "LA"])
    return "right"


def mode_of_one_picture(root, chance):
    remade(root, chance, ["float", "alpha", "palette", "cmyk", "RGB", "LA"], all_of_one=False)
    return "right"


def deeper(root, chance):
    path = one(root, chance)
    folder = path.parent / chance.choice(["batch 2", "a/b/c", "\u00e9t\u00e9"])
    folder.mkdir(parents=True)
    shutil.move(path, folder / path.name)
    return "right"


def suffix(root, chance):
    path = one(root, chance)
    path.rename(path.with_suffix(chance.choice([".jfif", ".PNG", ".tif", ".dat", ".jpg", ".weird", ""])))
    return "right"


def junk(root, chance):
    path = one(root, chance)
    name = chance.choice([".DS_Store", "Thumbs.db", "._0.png", "notes.txt", "labels.csv", "empty"])
    (path.parent / name).write_bytes(b"" if name == "empty" else b"not an image")
    return "noted"


def size(root, chance):
    path = one(root, chance)
    image, factor = Image.open(path), chance.choice([2, 3, 10])
    image.resize((SIDE * factor, SIDE * factor), Image.Resampling.NEAREST).save(path)
    return "right"


def turned(root, chance):
    path, exif = one(root, chance), Image.Exif()
    exif[0x0112] = 3
    Image.open(path).transpose(Image.Transpose.ROTATE_180).save(path, exif=exif)
    return "right"


def cut(root, chance):
    path = one(root, chance)
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data) - 20)])
    return "error"


def other_name(root, chance):
    folder = root / "test" / "class0"
    folder.rename(folder.with_name(chance.choice(["Class0", "class 0", "class0 ", "CLASS0", "\uff43lass0"])))
    return "error"


def unreadable(root, chance):
    path = one(root, chance)
    path.rename(path.with_suffix(chance.choice([".heic", ".dcm", ".npy", ".svg"])))
    return "error"


def frames(root, chance):
    path = one(root, chance)
    image = Image.open(path).convert("L")
    other = image.point(lambda level: 255 - level)
    image.save(path.with_suffix(chance.choice([".gif", ".tif"])), save_all=True, append_images=[other])
    return "error"


def emptied(root, chance):
    folder = root / chance.choice(["train", "test"]) / "class1"
    shutil.rmtree(folder)
    if chance.random() < 0.5:
        folder.mkdir()
        return "error"
    return "one side" if folder.parent.name == "test" else "error"


def split_lost(root, chance):
    (root / "test").rename(root / chance.choice(["Test", "valid", "tests"]))
    return "error"


def leak(root, chance):
    path = chance.choice(sorted((root / "test").rglob("*.png")))
    copy = root / "train" / path.parent.name / "copied.png"
    if chance.random() < 0.5:
        shutil.copy(path, copy)
        return "leak of bytes"
    Image.open(path).save(copy, compress_level=chance.choice([0, 1]))
    return "leak of pixels"


def wrong_levels(root, chance):
    path = one(root, chance)
    levels = np.asarray(Image.open(path).convert("L"), dtype=np.float32) * chance.choice([2, -1, np.nan])
    path.unlink()
    Image.fromarray(levels).save(path.with_suffix(".tif"))
    return "error"


MUTATIONS = (
    *(mode_of_one_class, mode_of_one_picture, deeper, suffix, junk, size, turned, cut, other_name, unreadable),
    *(frames, emptied, split_lost, leak, wrong_levels),
)


@pytest.mark.parametrize("seed", range(FOLDERS))
def test_each_folder_is_right_or_one_clear_error(tmp_path, seed):
    chance, root = random.Random(seed), tmp_path / "mine"
    made(root)
    mutation = MUTATIONS[seed % len(MUTATIONS)]
    expected = mutation(root, chance)
    spec = Spec(name="folder/classify", options={"path": str(root), "size": SIDE})
    source = Source(tmp_path, offline=True)
    if expected == "error":
        with pytest.raises(DataError) as caught:
            load_task(spec, source)
        assert str(root) in str(caught.value)
        assert any(word in str(caught.value) for word in ("expected", "replace or remove"))
        return
    task = load_task(spec, source)
    checked(task, expected)


def checked(task, expected):
    """Check that every picture shows its class at its place and level, and that what is odd is noted."""
    counts = Counter(task.train.labels.tolist())
    assert counts == ({0: 4, 1: 4} if "leak" not in expected else counts)
    for part in (task.train, task.test):
        halves = part.images.float().reshape(-1, SIDE, 2, SIDE // 2, 3).mean(dim=(1, 3, 4))
        assert halves.argmax(1).tolist() == part.labels.tolist()
        assert abs(halves.max(1).values - 200).max() < 5
        assert abs(halves.min(1).values - 40).max() < 5
    facts = image_facts(task)
    assert facts["checks"]["test images in training"] == ("leak" in expected)
    assert task.facts["test files in training"] == (expected == "leak of bytes")
    assert bool(task.facts.get("not read")) == (expected == "noted")
    assert (facts.get("classes without test images") == ["class1"]) == (expected == "one side")
