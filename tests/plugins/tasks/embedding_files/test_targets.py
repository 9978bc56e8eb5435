"""Labels as numbers: kinds that are told apart, the order of classes, and labels that are refused."""

import numpy as np
import pytest

from labeleff.errors import DataError, UnknownNameError
from labeleff.plugins.tasks.embedding_files.label_file import Labels
from labeleff.plugins.tasks.embedding_files.targets import read_targets


def read(values, kind=None, **more):
    values = np.array(values)
    return read_targets(Labels("labels.csv", values, np.array([f"i{i}" for i in range(len(values))]), **more), kind)


@pytest.mark.parametrize("values", [[10, 2, 1, 10], ["10", "2", "1", "10"], [10.0, 2.0, 1.0, 10.0]])
def test_numbers_keep_their_order(values):
    """Sorted as texts, 10 would come before 2."""
    found = read(values)
    assert (found.kind, found.classes) == ("classes", ("1", "2", "10"))
    assert found.values.tolist() == [2, 1, 0, 2]


def test_names_are_sorted_as_texts_and_truths_are_classes():
    assert read(["dog", "cat", "10", "9"]).classes == ("10", "9", "cat", "dog")
    assert read(["01", "1", "2"]).classes == ("01", "1", "2")
    found = read([True, False, True])
    assert (found.classes, found.values.tolist()) == (("false", "true"), [1, 0, 1])


def test_columns_and_lists_of_labels():
    for values in (
        [[1, 0], [1, 1], [0, 0]],
        [[True, False], [True, True], [False, False]],
        [["1", "0"], ["1", "1"], ["0", "0"]],
    ):
        found = read(values, names=("a", "b"))
        assert (found.kind, found.classes) == ("several", ("a", "b"))
        assert found.values.tolist() == [[True, False], [True, True], [False, False]]
    listed = read(["10|2", "", "2; 1", "10"], "several")
    assert listed.classes == ("1", "2", "10")
    assert listed.values.tolist() == [
        [False, True, True],
        [False, False, False],
        [True, True, False],
        [False, False, True],
    ]


def test_real_and_ordinal_targets():
    found = read([0.5, 1.0, -2.5])
    assert (found.kind, found.values.tolist(), found.classes) == ("real", [0.5, 1.0, -2.5], ())
    assert read(["0.5", "1e-3", "2"]).kind == "real"
    assert read([1, 2, 3], "real").values.tolist() == [1.0, 2.0, 3.0]
    grades = read(["3", "0", "10"], "ordinal")
    assert (grades.kind, grades.classes, grades.values.tolist()) == ("ordinal", ("0", "3", "10"), [1, 0, 2])
    strata = read(np.arange(100) / 7.0, "real").strata
    assert np.bincount(strata).tolist() == [10] * 10


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (["cat", "", "dog", ""], None, "no label for 2 of 4 items: 'i1', 'i3'"),
        ([1.0, np.nan, 2.0], None, "no label for 1 of 3 items: 'i1'"),
        (["cat", "NaN", "dog"], None, "no label for 1 of 3 items"),
        ([0, 1, -1, 1, -1], None, "2 labels -1 beside 0, which may mean no label"),
        ([7, 7, 7], None, "found one class, '7'"),
        (["cat|dog", "cat"], None, r"the label 'cat\|dog', which may be several labels"),
        (np.arange(150), None, "150 different numbers as labels of 150 items; say which kind"),
        ([0.5, 1.0], "classes", "item 'i0': found 0.5, expected whole numbers"),
        (["a", "b"], "ordinal", "the grade 'a', expected whole numbers"),
        (["1", "b"], "real", "item 'i1': found 'b', expected a number"),
        ([1.5, 1.5], None, "found one value, 1.5"),
        ([[0, 1], [2, 1]], None, "item 'i1', label 0: found 2, expected 0 or 1"),
        ([[0, 1], [1, 1]], "classes", "found 2 labels per item, expected one"),
        (["", ""], "several", "no label in any list"),
        ([1.0, 2.0], "several", "one number per item, expected lists"),
        (np.array([1 + 2j, 2]), None, "found complex128, expected texts or whole numbers"),
    ],
)
def test_labels_that_could_mean_something_else_are_refused(values, kind, message):
    with pytest.raises(DataError, match=rf"labels.csv.*{message}"):
        read(values, kind)


def test_minus_one_beside_one_is_a_class():
    assert read([-1, 1, 1]).classes == ("-1", "1")
    assert read([-1, 0, 1], "classes").classes == ("-1", "0", "1")


def test_unknown_kinds():
    with pytest.raises(UnknownNameError, match="did you mean 'classes'"):
        read([1, 2], "class")
