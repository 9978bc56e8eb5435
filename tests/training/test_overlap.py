"""Tasks with their near-duplicates counted or left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.photographs import mirrored, photographs, shifted

from labeleff.catalogue import lookup
from labeleff.errors import DataError, UnknownNameError
from labeleff.training.examples import Examples, StoredFeatures, Task
from labeleff.training.overlap import counted, handled


def examples(inputs):
    return Examples(torch.from_numpy(inputs), torch.arange(len(inputs)) % 2)


def images():
    """A task of 40 training images; of 9 test images one equals, one mirrors and two nearly are a training image."""
    train = photographs(40)
    test = np.concatenate([photographs(5, seed=9), train[:1], mirrored(train[1:2]), shifted(train[2:4])])
    return Task("t/classify", examples(train), examples(test), ("a", "b"), "made")


def test_counting_changes_facts_and_notes_alone():
    task = images()
    told = counted(task, {"near_duplicates": "count"})
    assert told.facts == {"near-duplicates": {"found": 4, "of": 9, "equal": 1, "mirrored": 1, "left out": False}}
    assert told.notes == ("t/classify: 4 of 9 test images (44.4%) have a near-duplicate among the training pool",)
    assert told.fingerprint == task.fingerprint
    assert counted(task, {}) is task
    assert handled(task, {"near_duplicates": "count"}) is task


def test_dropping_leaves_the_training_pool_and_the_other_test_images_with_their_labels():
    task = images()
    rest = handled(task, {"near_duplicates": "drop"})
    assert rest.train is task.train
    assert torch.equal(rest.test.inputs, task.test.inputs[:5])
    assert torch.equal(rest.test.labels, task.test.labels[:5])
    assert rest.facts["near-duplicates"]["left out"] is True
    assert rest.notes[0].endswith("among the training pool, and are left out of the test split")
    assert rest.fingerprint != task.fingerprint
    assert counted(rest, {"near_duplicates": "drop"}) is rest


def test_where_no_test_image_would_be_left_the_error_says_so():
    train = photographs(4)
    task = Task("t/classify", examples(train), examples(train), ("a", "b"), "made")
    with pytest.raises(DataError, match="all 4 test examples have a near-duplicate among the training examples"):
        handled(task, {"near_duplicates": "drop"})


def test_items_count_where_every_encoder_has_near_features():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(60, 16)).astype(np.float16)
    second = rng.normal(size=(60, 16)).astype(np.float32)
    first[50:55] = first[:5] * np.float16(1.01)
    second[52:58] = second[2:8]
    rows = np.arange(60)
    features = {name: StoredFeatures(of, rows, "0") for name, of in (("one", first), ("two", second))}
    parts = (examples(rows[:50, None]), examples(rows[50:, None]))
    task = Task("t/items", *parts, ("a", "b"), "made", features=features)
    rest = handled(task, {"near_duplicates": "drop"})
    assert rest.test.inputs[:, 0].tolist() == [50, 51, 55, 56, 57, 58, 59]
    assert rest.facts["near-duplicates"] == {"found": 3, "of": 10, "cosine": 0.99, "left out": True}
    assert "3 of 10 test items" in rest.notes[0]


def test_counting_names_nothing_and_dropping_does():
    plain = lookup.complete("task", "cifar10/classify", {})
    count, drop = (lookup.complete("task", plain.name, {"near_duplicates": how}) for how in ("count", "drop"))
    assert plain.options == lookup.complete("task", plain.name, {"near_duplicates": "off"}).options == {}
    assert count.label == plain.label == "cifar10/classify"
    assert count.identity == plain.identity == {}
    assert drop.label == "cifar10/classify(near_duplicates=drop)"
    with pytest.raises(UnknownNameError, match="near_duplicates of task"):
        lookup.complete("task", plain.name, {"near_duplicates": "yes"})
