"""Public data sets by name, from tiny made-up files in the places where torchvision looks."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
import scipy.io
from PIL import Image
from torchvision.datasets import CIFAR100, STL10, SVHN

from labeleff.catalogue import lookup
from labeleff.errors import DataError
from labeleff.training.examples import Source, load_task

RNG = np.random.default_rng(0)


def load(name, folder, **options):
    return load_task(lookup.complete("task", name, options), Source(folder, offline=True))


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return hashlib.md5(data).hexdigest()


def test_cifar100(tmp_path, monkeypatch):
    root, sums = tmp_path / "torchvision" / "cifar-100-python", {}
    pixels = RNG.integers(0, 255, (6, 3072), dtype=np.uint8)
    for name, rows, labels in (("train", pixels[:4], [0, 1, 1, 0]), ("test", pixels[4:], [1, 0])):
        sums[name] = put(root / name, pickle.dumps({"data": rows, "fine_labels": labels}))
    meta = put(root / "meta", pickle.dumps({"fine_label_names": ["apple", "bee"]}))
    monkeypatch.setattr(CIFAR100, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", {"filename": "meta", "key": "fine_label_names", "md5": meta})
    task = load("cifar100/classify", tmp_path)
    assert task.classes == ("apple", "bee")
    assert task.train.labels.tolist() == [0, 1, 1, 0]
    assert (task.test.images.numpy() == pixels[4:].reshape(2, 3, 32, 32).transpose(0, 2, 3, 1)).all()


def test_stl10_hands_its_unlabelled_images_to_pretexts(tmp_path, monkeypatch):
    root, sums = tmp_path / "torchvision" / "stl10_binary", {}
    for name, count in (("train", 3), ("test", 2), ("unlabeled", 5)):
        sums[f"{name}_X.bin"] = put(root / f"{name}_X.bin", bytes([count]) * (count * 3 * 96 * 96))
    for name, labels in (("train", (1, 2, 1)), ("test", (2, 1))):
        sums[f"{name}_y.bin"] = put(root / f"{name}_y.bin", bytes(labels))
    put(root / "class_names.txt", b"airplane\nbird\n")
    names = ("train_X.bin", "train_y.bin", "unlabeled_X.bin")
    monkeypatch.setattr(STL10, "train_list", [[name, sums[name]] for name in names])
    monkeypatch.setattr(STL10, "test_list", [[name, sums[name]] for name in ("test_X.bin", "test_y.bin")])
    task = load("stl10/classify", tmp_path)
    assert task.train.images.shape == (3, 32, 32, 3)
    assert task.unlabelled is not None
    assert task.pretext_images[:, 0, 0, 0].tolist() == [3, 3, 3, 5, 5, 5, 5, 5]
    assert (task.train.labels.tolist(), task.test.labels.tolist()) == ([0, 1, 0], [1, 0])


def test_svhn(tmp_path, monkeypatch):
    files = {}
    for split, labels in (("train", [10, 1, 9]), ("test", [2, 10])):
        path = tmp_path / "torchvision" / f"{split}_32x32.mat"
        path.parent.mkdir(exist_ok=True)
        images = RNG.integers(0, 255, (32, 32, 3, len(labels)), dtype=np.uint8)
        scipy.io.savemat(path, {"X": images, "y": np.array(labels, dtype=np.uint8)[:, None]})
        files[split] = ["", path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(SVHN, "split_list", files)
    task = load("svhn/classify", tmp_path)
    assert (task.train.labels.tolist(), task.test.labels.tolist()) == ([0, 1, 9], [2, 0])
    assert (task.test.images.numpy() == images.transpose(3, 0, 1, 2)).all()


def test_eurosat_tests_on_every_fifth_image_of_a_class(tmp_path):
    for name in ("Forest", "River"):
        folder = tmp_path / "torchvision" / "eurosat" / "2750" / name
        folder.mkdir(parents=True)
        for number in range(1, 8):
            Image.fromarray(np.full((64, 64, 3), number, np.uint8)).save(folder / f"{name}_{number}.png")
    task = load("eurosat/classify", tmp_path)
    assert task.train.images.shape == (12, 64, 64, 3)
    assert task.test.images[:, 0, 0, 0].tolist() == [5, 5]
    assert task.classes == ("Forest", "River")


@pytest.mark.parametrize("name", ["cifar100", "stl10", "svhn", "eurosat"])
def test_offline_nothing_is_fetched_and_the_remedy_is_named(name, tmp_path):
    with pytest.raises(DataError, match=r"can't be had, and offline nothing is fetched: .* Put torchvision's files"):
        load(f"{name}/classify", tmp_path)
    assert [*tmp_path.iterdir()] == []
