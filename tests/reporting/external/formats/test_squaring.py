"""Rows of any length made rectangular, or refused; dialects of delimited text are in test_delimited.py."""

from __future__ import annotations

import pytest

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.squaring import square
from labeleff.reporting.external.grid import Row


def rows(*cells):
    return [Row(f"item {at}", tuple(each)) for at, each in enumerate(cells, start=1)]


def test_a_nameless_column_with_values_stays():
    found = square("x", rows(["", "n", ""], ["a", "5", ""]), ["note"])
    assert (found.fields, found.rows[0].cells) == (("", "n"), ("a", "5"))
    assert (found.source, found.place, found.notes) == ("x", "item 1", ("note",))


def test_a_named_column_without_values_stays():
    assert square("x", rows(["arm", "tags"], ["a", ""])).fields == ("arm", "tags")


@pytest.mark.parametrize("corner", ["", "# labels"])
def test_datasets_at_the_first_of_their_label_counts(corner):
    table = rows(["", "c10", "", "svhn", ""], [corner, "40", "1k", "40", "full"], ["a", "1", "2", "3", "4"])
    found = square("x", table)
    assert found.fields == (corner, "c10_40", "c10_1k", "svhn_40", "svhn_full")
    assert (found.place, [row.cells for row in found.rows]) == ("item 2", [("a", "1", "2", "3", "4")])
    assert found.notes == ("2 header rows were joined",)


@pytest.mark.parametrize(
    "table",
    [
        [["", "acc", ""], ["a", "61", "62"], ["b", "63", "64"]],
        [["", "acc", "x"], ["", "61", "62"], ["b", "63", "64"]],
        [["", "", "x"], ["", "61", "62"], ["b", "63", "64"]],
        [["", "acc", ""], ["", "61", "best"], ["b", "63", "64"]],
    ],
)
def test_rows_that_are_no_header(table):
    assert len(square("x", rows(*table)).rows) == 2


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ([["a", "b"], ["1"]], r"x, item 2, column 'b': found 1 field, expected 2 as in the header"),
        ([["a", "b"], ["1", "2", "3"], ["1", "2"]], r"x, item 2, column '3': found 3 fields"),
        ([["a", "b"], ["1", "2", "3"], ["1", "5", "6"]], r"x, item 2, column '3': found 3 fields"),
        ([["a", ""], ["1"], ["1", "2", "3"]], r"x, item 2, column '2': found 1 field"),
        ([], "x: found no row with cells of its own"),
        ([["a", "b"]], "x, item 2, column 'a': found no row after the header"),
        ([["a", "b"], ["", ""]], "x, item 2, column 'a': found no row after the header"),
    ],
)
def test_errors(table, error):
    with pytest.raises(RunsError, match=f"^{error}"):
        square("x", rows(*table))


@pytest.mark.parametrize(
    "header", [["method", "n", "acc"], ["", "40", "250"], ["x", "40", "250"], ["Method", "easy", "hard"]]
)
def test_titles_above_a_header(header):
    found = square("x", rows(["Table 3", "", ""], ["", "", ""], ["of May", "", ""], header, ["a", "40", "0.5"]))
    assert (found.place, found.fields, len(found.rows)) == ("item 4", tuple(header), 1)
    assert found.notes == ("2 rows of one cell above the header left out (item 1: 'Table 3')",)


@pytest.mark.parametrize(
    "table",
    [
        [["Method", "", ""], ["a", "40", "0.5"], ["b", "40", "0.6"]],
        [["Method", "", ""], ["a", "40", "50"], ["b", "60", "70"]],
        [["acc"], ["1", "0.5"], ["2", "0.6"]],
        [["", "acc", ""], ["method", "n", "x"], ["a", "40", "0.6"]],
    ],
)
def test_a_header_with_a_single_name_is_no_title(table):
    assert len(square("x", rows(*table)).rows) == 2
