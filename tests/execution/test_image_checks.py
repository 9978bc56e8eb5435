"""Leaks, copies, equal images and absent classes, counted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labeleff.catalogue.declaration import Spec
from labeleff.errors import PluginError
from labeleff.execution.image_checks import image_facts
from labeleff.training import examples
from labeleff.training.examples import Examples, Source, Task, load_task


def images(*levels, channels=3):
    """One image of 4 x 4 per level, each of one colour."""
    array = np.array(levels, dtype=np.uint8)[:, None, None, None]
    return torch.from_numpy(np.broadcast_to(array, (len(levels), 4, 4, channels)).copy())


def task(train, test, train_labels, test_labels, classes=("a", "b", "c")):
    parts = [Examples(images(*of), torch.tensor(labels)) for of, labels in ((train, train_labels), (test, test_labels))]
    return Task("t/classify", *parts, classes, "made")


def test_counts_against_a_slow_version():
    rng = np.random.default_rng(0)
    train, test = rng.integers(0, 30, 40), rng.integers(0, 60, 30)
    made = task(train, test, rng.integers(0, 3, 40).tolist(), rng.integers(0, 3, 30).tolist())
    drawn = [np.arange(10), np.arange(20)]
    checks = image_facts(made, drawn)["checks"]
    labels = {}
    for level, label in zip((*train, *test), (*made.train.labels, *made.test.labels), strict=True):
        labels.setdefault(level, set()).add(int(label))
    assert checks == {
        "test images in training": sum(level in train for level in test),
        "copies in training": 40 - len({*train}),
        "copies in test": 30 - len({*test}),
        "copies among labelled": max(len(of) - len({*train[of]}) for of in drawn),
        "equal images of different classes": sum(len(of) > 1 for of in labels.values()),
    }


def test_equal_splits_absent_classes_and_grey_are_noted():
    facts = image_facts(task([7, 7, 7], [1, 2], [0, 1, 1], [0, 2]))
    assert facts["all images equal"] == ["training"]
    assert facts["classes without training images"] == ["c"]
    assert facts["classes without test images"] == ["b"]
    assert facts["grey"]


def test_grey_images_of_a_plugin_become_rgb_and_other_channels_are_refused(monkeypatch):
    made = {}
    for channels in (1, 2):
        part = Examples(images(1, 2, channels=channels), torch.tensor([0, 1]))
        made[channels] = Task("mine/classify", part, part, ("a", "b"), "made", unlabelled=images(3, channels=channels))
    monkeypatch.setattr(examples.lookup, "options", lambda *_: {})
    monkeypatch.setattr(examples.lookup, "find", lambda *_: examples.lookup._ENTRIES["task"]["toy/classify"])
    monkeypatch.setattr(examples.lookup, "resolve", lambda *_: lambda *_: made[1])
    loaded = load_task(Spec(name="mine/classify"), Source(None))
    assert loaded.train.images.tolist() == images(1, 2).tolist()
    assert loaded.pretext_images.shape == (3, 4, 4, 3)
    monkeypatch.setattr(examples.lookup, "resolve", lambda *_: lambda *_: made[2])
    with pytest.raises(PluginError, match=r"task mine/classify: found images of 2 channels, expected 3, or 1 for grey"):
        load_task(Spec(name="mine/classify"), Source(None))
