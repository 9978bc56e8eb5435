"""Odd rows, and training rows in the test set, against slow versions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeleff.plugins.tasks.embedding_files import row_findings
from labeleff.plugins.tasks.embedding_files.row_findings import block, look, met_again, row_hashes


@given(
    st.lists(
        st.lists(st.sampled_from([0.0, -0.0, 1.0, np.nan, np.inf]), min_size=3, max_size=3), min_size=1, max_size=9
    ),
    st.sampled_from([np.float16, np.float32, np.float64]),
    st.integers(1, 4),
)
def test_findings_are_those_of_a_slow_version(rows, dtype, rows_per_block):
    array = np.array(rows, dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_findings, "NUMBERS", 3 * rows_per_block)
        found = look(array, "x")
    keys = [tuple(repr(abs(float(v))) for v in row) for row in array]
    assert found.nan.tolist() == [i for i, row in enumerate(array) if any(v != v for v in row)]
    assert found.infinite.tolist() == [i for i, row in enumerate(array) if any(abs(v) == np.inf for v in row)]
    assert found.repeated.tolist() == [i for i, key in enumerate(keys) if key in keys[:i]]
    assert found.constant.tolist() == [i for i, row in enumerate(array) if all(v == row[0] for v in row)]
    assert found.not_finite.tolist() == [i for i, row in enumerate(array) if not np.isfinite(row).all()]
    train, test = np.arange(len(array) // 2), np.arange(len(array) // 2, len(array))
    slow = [i for i in test.tolist() if keys[i] in [keys[j] for j in train]]
    assert met_again(array, train, test).tolist() == slow


def test_equal_hashes_are_checked_by_the_numbers(monkeypatch):
    monkeypatch.setattr(row_findings, "row_hashes", lambda features: np.zeros(len(features), np.int64))
    array = np.array([[0, 1], [2, 3], [0, 1], [4, 5]])
    assert look(array, "x").repeated.tolist() == [2]
    assert met_again(array, np.array([0, 1]), np.array([2, 3])).tolist() == [2]


def test_hashes_differ_between_rows_that_differ_in_one_bit():
    rng = np.random.default_rng(0)
    array = rng.normal(size=(20_000, 4)).astype(np.float16)
    assert len(np.unique(row_hashes(array))) == len(np.unique(array, axis=0))
    small = np.array([[a, b] for a in range(200) for b in range(200)], np.int16)
    assert len(np.unique(row_hashes(small))) == len(small)


def test_doubles_beyond_float32_are_infinite_and_norms_of_float16_are_not():
    assert look(np.array([[1e300, 0.0], [1.0, 2.0]]), "x").infinite.tolist() == [0]
    large = np.full((1, 64), 6e4, np.float16)
    assert np.isfinite(np.linalg.norm(block(large, slice(None)), axis=1)).all()
    assert block(large, slice(None)).dtype == np.float32


def test_mapped_rows_are_the_same_after_their_pages_are_dropped(tmp_path):
    array = np.arange(4000.0).reshape(1000, 4)
    np.save(tmp_path / "x.npy", array)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for _ in range(2):
        assert look(mapped, "x").constant.tolist() == []
        assert (mapped == array).all()


def test_findings_are_said_with_counts_and_ids():
    array = np.array([[1.0, 1.0], [np.nan, 1.0], [1.0, 1.0], [np.inf, 2.0], [3.0, 4.0]])
    sentences = look(array, "clip.npy").sentences(np.array(list("abcde")))
    assert sentences == [
        "clip.npy: 1 of 5 rows with NaN: 'b'",
        "clip.npy: 1 of 5 rows with infinite numbers: 'd'",
        "clip.npy: 1 of 5 rows equal to an earlier row: 'c'",
        "clip.npy: 2 of 5 rows of one number throughout: 'a', 'c'",
    ]
