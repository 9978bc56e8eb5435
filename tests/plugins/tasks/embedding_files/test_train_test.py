"""Divisions into training and test items."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeleff.errors import DataError, OptionError
from labeleff.plugins.tasks.embedding_files.label_file import Labels
from labeleff.plugins.tasks.embedding_files.targets import Targets
from labeleff.plugins.tasks.embedding_files.train_test import fold_division, folds, own_division, seeded_division


def labels(split=None, group=None):
    count = len(split if split is not None else group)
    return Labels(
        "labels.csv", np.zeros(count, int), None, *(None if a is None else np.array(a) for a in (split, group))
    )


def test_own_splits():
    found = own_division(labels(["train", "Test", "dev", "training", "test"]))
    assert (found.train.tolist(), found.test.tolist()) == ([0, 3], [1, 4])
    assert found.notes == ("labels.csv: 1 items of the validation split left out",)
    shared = own_division(labels(["train", "test", "test", "train"], ["p1", "p1", "p2", "p3"]))
    assert shared.notes == ("labels.csv: 1 groups on both sides, with 1 test items: 'p1'",)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ([True, False, True], "found splits of bool, expected the words"),
        ([0, 1, 0], "found splits of int64"),
        (["train", "holdout"], "found the split 'holdout', expected 'train' and 'test'"),
        (["train", ""], "found the split ''"),
        (["train", "train"], "found 2 training and 0 test items"),
    ],
)
def test_splits_that_do_not_say_which_side(split, message):
    """A mask of truths is read as the positions 1 and 0 elsewhere."""
    with pytest.raises(DataError, match=rf"labels.csv: {message}"):
        own_division(labels(split))


def test_errors_and_notes_name_the_file_of_split_and_group():
    group = ["p1", "p1", "p2", "p2", "p3", "p3"]
    said = replace(labels(["train", "holdout", *["test"] * 4], group), split_source="a.npz", group_source="b.npz")
    with pytest.raises(DataError, match=r"^a.npz: found the split 'holdout'"):
        own_division(said)
    used, both = own_division(replace(said, split=np.array(["train", "test"] * 3))).notes
    assert used == "a.npz: its split is used"
    assert both.startswith("b.npz: 3 groups on")
    with pytest.raises(OptionError, match=r"^b.npz: found 3 groups"):
        folds(Targets("classes", np.array([0, 1] * 3), ("a", "b")), 4, 0, said)


@given(st.integers(2, 60), st.integers(2, 6), st.integers(0, 9), st.integers(0, 99))
def test_folds_are_stratified_and_level(count, classes, seed, data_seed):
    values = np.random.default_rng(data_seed).integers(0, classes, count)
    k = min(5, count)
    numbers = folds(Targets("classes", values, tuple("abcdef"[:classes])), k, seed)
    sizes = np.bincount(numbers, minlength=k)
    assert sizes.max() - sizes.min() <= 1
    for c in range(classes):
        per_fold = np.bincount(numbers[values == c], minlength=k)
        assert per_fold.max() - per_fold.min() <= 2
    assert (numbers == folds(Targets("classes", values, ()), k, seed)).all()


@given(st.integers(2, 50), st.data())
def test_seeded_divisions_are_of_the_size_asked_for(count, data):
    test = data.draw(st.integers(1, count - 1))
    rng = np.random.default_rng(count)
    for targets in (
        Targets("classes", rng.integers(0, 3, count), tuple("abc")),
        Targets("real", rng.normal(size=count)),
        Targets("several", rng.random((count, 3)) < 0.4, tuple("abc")),
    ):
        found = seeded_division(targets, test, 0)
        assert len(found.test) == test
        assert sorted([*found.train, *found.test]) == list(range(count))
    assert fold_division(np.array([0, 1, 0, 2]), 0).test.tolist() == [0, 2]


def test_no_group_is_on_both_sides():
    group = np.repeat([f"patient {i}" for i in range(25)], 4)
    targets = Targets("classes", np.arange(100) % 3, tuple("abc"))
    for seed in range(10):
        found = seeded_division(targets, 20, seed, labels(group=group))
        assert not set(group[found.train]) & set(group[found.test])
        assert 17 <= len(found.test) <= 23
    numbers = folds(targets, 5, 0, labels(group=group))
    assert np.bincount(numbers).tolist() == [20] * 5
    assert all(len({*numbers[group == one]}) == 1 for one in group)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: seeded_division(t, 0, 0), "found 0 test items of 6, expected from 1 to 5"),
        (lambda t: seeded_division(t, 6, 0), "found 6 test items"),
        (lambda t: folds(t, 1, 0), "found 1 folds of 6 items"),
        (lambda t: folds(t, 7, 0), "found 7 folds"),
        (lambda t: folds(t, 3, 0, labels(group=["a", "a", "a", "b", "b", "b"])), "found 2 groups, expected at least"),
    ],
)
def test_divisions_that_cannot_be(call, message):
    with pytest.raises(OptionError, match=message):
        call(Targets("classes", np.array([0, 1] * 3), ("a", "b")))
