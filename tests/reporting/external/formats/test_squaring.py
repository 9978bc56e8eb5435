"""Rows of any length made rectangular, or refused; dialects of delimited text are in test_delimited.py."""

from __future__ import annotations

import pytest

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.squaring import square
from labeleff.reporting.external.grid import Row


def rows(*cells):
    return [Row(f"item {at}", tuple(each)) for at, each in enumerate(cells, start=1)]


def test_a_nameless_column_with_values_stays():
    found = square("x", rows(["", "n", ""], ["a", "5", ""]), ["note"], sha256="ff")
    assert (found.fields, found.rows[0].cells) == (("", "n"), ("a", "5"))
    assert (found.source, found.place, found.notes, found.sha256) == ("x", "item 1", ("note",), "ff")


def test_a_named_column_without_values_stays():
    assert square("x", rows(["arm", "tags"], ["a", ""])).fields == ("arm", "tags")


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
