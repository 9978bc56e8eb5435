"""What weakens numbers measured on joined files, counted against a slow version."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labeleff.plugins.tasks.embedding_files.join import Joined
from labeleff.plugins.tasks.embedding_files.label_file import Labels
from labeleff.plugins.tasks.embedding_files.targets import Targets
from labeleff.plugins.tasks.embedding_files.train_test import Division
from labeleff.plugins.tasks.embedding_files.weak_points import repeats, weak_points

BOTH = Targets("classes", np.arange(10) % 2, ("even", "odd"))
"""Targets of ten items, of which two that follow each other have both classes."""


def joined(arrays, rows, group=None):
    count = len(next(iter(rows.values())))
    ids = np.array([f"i{k}" for k in range(count)])
    return Joined(ids, arrays, rows, Labels("labels.csv", ids, np.arange(count) % 2, group=group), ())


@given(st.integers(0, 2**32 - 1), st.integers(4, 20))
def test_items_with_equal_numbers_are_counted_by_side(seed, count):
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 3, (count + 3, 2)).astype(np.float32)
    rows = rng.permutation(count + 3)[:count]
    order = rng.permutation(count)
    division = Division(np.sort(order[: count // 2]), np.sort(order[count // 2 :]))
    found = repeats(joined({"a": array}, {"a": rows}), division)["a"].tolist()
    keys = [tuple(array[row]) for row in rows]
    train = division.train.tolist()
    assert [i for i in found if i in division.test] == [
        i for i in division.test.tolist() if keys[i] in [keys[j] for j in train]
    ]
    earlier = {i for i in train if keys[i] in [keys[j] for j in train if rows[j] < rows[i]]}
    assert {i for i in found if i in train} == earlier


def test_each_kind_is_said_with_its_count_and_encoders_of_the_same_items_together():
    array = np.arange(20.0, dtype=np.float32).reshape(10, 2)
    array[8], array[2] = array[0], array[1]
    other = array.copy()
    other[9] = other[4]
    group = np.array(list("aabbccddae"))
    items = joined({"x": array, "y": array, "z": other}, dict.fromkeys("xyz", np.arange(10)), group)
    division = Division(np.arange(8), np.array([8, 9]))
    grave, less, groups, again = weak_points(items, division, repeats(items, division), BOTH)
    kinds = "**Test items in training**: test items with the numbers of a training item in"
    assert grave.startswith(f"{kinds} z: 2 of 2 (100.0 %), 'i8', 'i9'. An arm")
    assert less.startswith(f"{kinds} x, y: 1 of 2 (50.0 %), 'i8'. An arm")
    assert groups.startswith(
        "**Groups on both sides**: test items of a group that training items are from: 1 of 2 (50.0 %), of groups 'a'."
    )
    assert again.startswith(
        "**Repeated training items**: training items with the numbers of an earlier one in x, y, z: 1 of 8 (12.5 %), "
    )


def test_nothing_is_said_of_items_that_differ():
    array = np.arange(20.0).reshape(10, 2)
    items = joined({"x": array}, {"x": np.arange(10)}, np.array(list("aaaaabbbbb")))
    division = Division(np.arange(5), np.arange(5, 10))
    assert weak_points(items, division, repeats(items, division), BOTH) == ()


def sides(kind, values, classes=("a", "b", "c", "d")):
    """Weak points of seven items, the last three for testing, that differ."""
    items = joined({"x": np.arange(14.0).reshape(7, 2)}, {"x": np.arange(7)})
    division = Division(np.arange(4), np.arange(4, 7))
    return weak_points(items, division, {}, Targets(kind, np.array(values), classes))


def test_classes_of_one_side_are_said_with_what_is_lost():
    """As of images: without a word a third of the test items would count as errors of every arm."""
    unlearned, untested = sides("classes", [0, 1, 0, 1, 2, 0, 0])
    assert unlearned == (
        "**Classes on one side**: 2 of 4 classes without a training item, which can't be learned: 'c', 'd', "
        "1 of 3 (33.3 %) of the test items. No accuracy can be over 66.7 %"
    )
    assert untested == "**Classes on one side**: 2 of 4 classes without a test item, which aren't tested: 'b', 'd'"
    assert sides("classes", [0, 1, 2, 3, 0, 1, 2])[0].startswith(
        "**Classes on one side**: 1 of 4 classes without a test"
    )
    assert sides("classes", [0, 1, 0, 1, 1, 0, 0], ("a", "b")) == ()


def test_labels_of_one_side_and_values_that_have_none():
    truths = [[1, 0], [1, 0], [0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]
    [unlearned] = sides("several", np.array(truths, bool), ("a", "b"))
    assert unlearned == (
        "**Classes on one side**: 1 of 2 labels without a training item, which can't be learned: 'b', "
        "2 of 3 (66.7 %) of the test items"
    )
    assert sides("real", [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5], ()) == ()
