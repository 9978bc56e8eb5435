"""Images in a `.npz` file in MedMNIST's layout."""

from __future__ import annotations

import numpy as np
import pytest

from labeleff.catalogue import lookup
from labeleff.errors import DataError
from labeleff.training.examples import Source, load_task

RNG = np.random.default_rng(0)


def arrays(shape=(28, 28), dtype=np.uint8, column=True):
    parts = {}
    for split, count in (("train", 6), ("val", 3), ("test", 4)):
        images = RNG.integers(0, 200, (count, *shape)).astype(dtype)
        labels = np.arange(count) % 3 * 5
        parts |= {f"{split}_images": images, f"{split}_labels": labels[:, None] if column else labels}
    return parts


def load(path, parts, **options):
    np.savez_compressed(path / "mnist.npz", **parts)
    spec = lookup.complete("task", "npz/classify", {"path": "mnist.npz", **options})
    return load_task(spec, Source(path, offline=True, base=path))


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (28, 28, 3), (64, 64, 3), (224, 224)])
@pytest.mark.parametrize("column", [True, False])
def test_grey_and_colour_of_any_size(tmp_path, shape, column):
    parts = arrays(shape, column=column)
    task = load(tmp_path, parts, size=shape[0])
    expected = parts["train_images"].reshape(6, *shape[:2], -1)
    assert (task.train.images.numpy() == expected).all()
    assert task.train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert task.classes == ("0", "5", "10"), "sorted as numbers"
    assert task.facts["not read"] == {"in val_images": 3, "in val_labels": 3}
    assert "val_images (3, " in task.notes[0]


def test_deep_levels_are_scaled(tmp_path):
    parts = {name: array * 20 if "images" in name else array for name, array in arrays(dtype=np.uint16).items()}
    task = load(tmp_path, parts, size=28)
    assert task.facts["bits"] == 12
    np.testing.assert_allclose(task.test.images[..., 0], parts["test_images"] * (255 / 4095), atol=0.51)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train_labels": None},
            r"mnist.npz: found no train_labels, expected train_images, .*; there are train_images",
        ),
        ({"train_labels": np.zeros((6, 14), int)}, r"train_labels: found shape \(6, 14\), expected \(N,\) or \(N, 1\)"),
        ({"train_labels": np.zeros((6, 1))}, r"train_labels: found float64, expected integers"),
        ({"train_labels": np.zeros((6, 1), int)}, r"train_labels: found one class, expected at least two"),
        ({"train_labels": np.zeros(5, int)}, r"train_images: found shape \(6, 28, 28\) beside 5 labels"),
        ({"test_images": np.zeros((4, 8, 8, 5), np.uint8)}, r"test_images, image 0: found an array \(8, 8, 5\)"),
        ({"test_images": np.zeros((4, 28, 28, 28, 1))}, r"test_images: found shape \(4, 28, 28, 28, 1\)"),
        (
            {"test_images": np.full((4, 8, 8), 300.0)},
            r"image 0: found mode F with values from 300 to 300, expected 0 to",
        ),
        ({"test_images": np.array([[["a"]]] * 4)}, r"image 0: found <U1 of 1 channels, expected uint8"),
        (
            {"train_images": np.array([None] * 6)},
            r"mnist.npz: not a readable .npz file: Object arrays cannot be loaded",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path, changes, message):
    parts = {name: array for name, array in (arrays() | changes).items() if array is not None}
    with pytest.raises(DataError, match=message):
        load(tmp_path, parts)


def test_a_file_that_is_cut_short_or_missing_is_named(tmp_path):
    load(tmp_path, arrays())
    path, spec = tmp_path / "mnist.npz", lookup.complete("task", "npz/classify", {"path": "mnist.npz"})
    data = path.read_bytes()
    for end in (0, 30, len(data) - 60):
        path.write_bytes(data[:end])
        with pytest.raises(DataError, match=r"mnist.npz: not a readable .npz file"):
            load_task(spec, Source(tmp_path, base=tmp_path))
    path.unlink()
    with pytest.raises(DataError, match=r"mnist.npz: not a readable .npz file: .*No such file"):
        load_task(spec, Source(tmp_path, base=tmp_path))
