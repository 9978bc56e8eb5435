"""Noisy labels: how many, which, nested over rates, and read from tables."""

import hashlib
import itertools

import numpy as np
import pytest

from labeleff.errors import ConditionError, DataError
from labeleff.execution.given_labels.noisy_labels import flipped, read_labels
from labeleff.study.label_conditions import Noise

LABELS = np.arange(6000) % 10
CLASSES = [f"class {k}" for k in range(4)]


def noisy(rate, kind="uniform", draw=0, labels=LABELS, task="toy/classify"):
    return flipped(labels, 10, Noise(kind=kind, rate=rate), task, draw)


@pytest.mark.parametrize("kind", ["uniform", "pairs"])
def test_the_share_of_wrong_labels_is_the_rate(kind):
    for rate in (0.1, 0.4, 0.9):
        wrong = (noisy(rate, kind) != LABELS).mean()
        assert abs(wrong - rate) < 4 * np.sqrt(rate * (1 - rate) / len(LABELS))
    assert (noisy(1.0, kind) != LABELS).all()
    assert (noisy(0.0, kind) == LABELS).all()


@pytest.mark.parametrize("kind", ["uniform", "pairs"])
def test_what_is_wrong_at_a_low_rate_is_wrong_in_the_same_way_at_a_higher_one(kind):
    for low, high in itertools.pairwise([0.05, 0.2, 0.4, 0.8]):
        few, many = noisy(low, kind), noisy(high, kind)
        wrong = few != LABELS
        assert (many[wrong] == few[wrong]).all()


def test_other_classes_are_equally_likely_and_pairs_go_to_the_next():
    given = noisy(0.9)
    steps = np.bincount((given - LABELS)[given != LABELS] % 10, minlength=10)
    expected = steps.sum() / 9
    assert steps[0] == 0
    assert ((steps[1:] - expected) ** 2 / expected).sum() < 26.1, "chi-square, 8 degrees of freedom, p = 0.001"
    pairs = noisy(0.9, "pairs")
    assert set(((pairs - LABELS) % 10)[pairs != LABELS].tolist()) == {1}


def test_noise_is_that_of_the_task_and_the_draw():
    assert (noisy(0.4) == noisy(0.4)).all()
    assert (noisy(0.4) != noisy(0.4, draw=1)).any()
    assert (noisy(0.4) != noisy(0.4, task="other/classify")).any()


def test_a_single_class_has_no_wrong_label():
    with pytest.raises(DataError, match="found 1 class, expected two or more"):
        flipped(np.zeros(3, int), 1, Noise(rate=0.2), "toy/classify", 0)


def read(tmp_path, text, count=4, ids=None, column=None):
    path = tmp_path / "noisy.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    noise = Noise(kind="file", file="noisy.csv", column=column, sha256=digest)
    return read_labels(path, noise, CLASSES, count, ids).tolist()


@pytest.mark.parametrize(
    ("text", "ids", "column"),
    [
        ("0\n3\n1\n2\n", None, None),
        ("class 0\nclass 3\nclass 1\nclass 2\n", None, None),
        ("noisy\n0\n3\n1\n2\n", None, None),
        ("index,noisy\n3,2\n0,0\n2,1\n1,3\n", None, None),
        ("index,noisy\n3,2\n0,0\n2,1\n1,3\n", ["a", "b", "c", "d"], None),
        ("id\tnoisy\nd\tclass 2\na\tclass 0\nc\tclass 1\nb\tclass 3\n", ["a", "b", "c", "d"], None),
        ("true,worse\n0,0\n0,3\n0,1\n0,2\n", None, "worse"),
        ("\ufeff0\r\n3\r\n1\r\n2\r\n", None, None),
    ],
)
def test_tables_by_position_and_by_id(tmp_path, text, ids, column):
    assert read(tmp_path, text, ids=ids, column=column) == [0, 3, 1, 2]


@pytest.mark.parametrize(
    ("text", "ids", "found"),
    [
        ("0\n1\n", None, "found 2 labels, expected 4, one per training example"),
        ("0\n1\n4\n2\n", None, "line 3: found the label '4', expected a class .* or its number from 0 to 3"),
        ("0\n1\n-1\n2\n", None, "line 3: found the label '-1'"),
        ("0\n1.0\n3\n2\n", None, "line 2: found the label '1.0'"),
        ("", None, "found no row"),
        ("index,noisy\n0,1\n1,1\n1,2\n2,0\n", None, "line 4: found '1' again"),
        ("index,noisy\n0,1\n1,1\n2,2\n", None, "found no label of 1 of 4 examples, such as '3'"),
        ("id,noisy\nx,1\n", ["a", "b", "c", "d"], "line 2: found 'x', expected an id like 'a'"),
        ("one,two\n0,1\n", None, "found the columns one, two, expected column ="),
        ("index\n0\n", None, "found"),
        ("index,noisy\n0,1,2\n", None, "line 2: found 3 fields, expected 2"),
        (b"\x80\x02}q\x00", None, "isn't UTF-8"),
    ],
)
def test_what_is_wrong_in_a_table_is_said_with_its_line(tmp_path, text, ids, found):
    with pytest.raises(DataError, match=found):
        read(tmp_path, text, ids=ids)


def test_a_column_that_isnt_there_is_named(tmp_path):
    with pytest.raises(DataError, match="found no column 'c', or several, expected one of a, b"):
        read(tmp_path, "a,b\n0,1\n", column="c")


def test_a_table_that_changed_after_the_study_was_loaded_is_refused(tmp_path):
    path = tmp_path / "noisy.csv"
    path.write_text("0\n1\n")
    with pytest.raises(ConditionError, match="have changed since the study was loaded"):
        read_labels(path, Noise(kind="file", file="noisy.csv", sha256="0" * 64), CLASSES, 2, None)
