"""Rows as they are meant: of one metric, and names over blocks."""

from __future__ import annotations

import pytest
from support.grids import observed, values

from labeleff.errors import RunsError

TABLE = """
arm | n | metric | value
a | 10 | accuracy | 5
a | 10 | macro_f1 | 6
b | 10 | accuracy | 7
b | 10 | macro_f1 | 8
"""


def test_the_rows_of_one_metric() -> None:
    found = observed(TABLE, metric="macro_f1")
    assert values(found) == [("a", 10, 0, "6"), ("b", 10, 0, "8")]
    assert found.value_name == "macro_f1"
    assert "rows of other metrics left out: accuracy" in found.notes
    with pytest.raises(
        RunsError, match="column 'metric': found 'accuracy', 'macro_f1', expected one metric; give --metric"
    ):
        observed(TABLE)


def test_one_metric_is_named() -> None:
    found = observed("arm | n | metric | value\na | 10 | error | 5\nb | 10 | error | 6")
    assert found.value_name == "error"
    assert observed("arm | n | metric\na | 10 | 5").value_name == "metric"


def test_names_at_the_top_of_blocks_hold_below() -> None:
    found = observed(
        "data set | method | 40 | 400\nsvhn | a | 1 | 2\n | b | 3 | 4\ncifar | a | 5 | 6\n | b | 7 | 8\n | c | 9 | 9"
    )
    assert values(found)[2:4] == [("svhn", "b", 40, 0, "3"), ("svhn", "b", 400, 0, "4")]
    assert values(found)[-1] == ("cifar", "c", 400, 0, "9")
    assert "empty cells take the name above them in data set" in "; ".join(found.notes)


def test_label_counts_too() -> None:
    found = observed("n | method | acc\n40 | a | 0.1\n | b | 0.2\n400 | a | 0.3\n | b | 0.4")
    assert values(found) == [("a", 40, 0, "0.1"), ("b", 40, 0, "0.2"), ("a", 400, 0, "0.3"), ("b", 400, 0, "0.4")]


@pytest.mark.parametrize(
    "rows",
    [
        "a | 40 | 0.1\n | 400 | 0.2\nb | 40 | 0.3\nb | 400 | 0.4",
        "a | 40 | 0.1\na | 400 | 0.2\nb | 40 | 0.3\n | 400 | 0.4",
        " | 40 | 0.1\na | 400 | 0.2\n | 40 | 0.3\nb | 400 | 0.4",
    ],
)
def test_a_slip_is_an_error(rows: str) -> None:
    with pytest.raises(RunsError, match=r"column 'method': found an empty cell, .*; write it in every row"):
        observed(f"method | n | acc\n{rows}")
