"""Records with nested values and lists."""

from __future__ import annotations

import pytest

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.nesting import flat, records_grid


def test_names_are_joined_by_dots():
    assert flat({"a": {"b": {"c": "1"}, "d": "2"}, "e": ["3"]}) == {"a.b.c": "1", "a.d": "2", "e": ["3"]}


def test_a_name_that_a_record_lacks_is_an_empty_cell():
    found = records_grid("x", [("one", {"a": "1"}), ("two", {"b": " 2 "})], ["note"], "arm")
    assert found.fields == ("a", "b")
    assert [row.cells for row in found.rows] == [("1", ""), ("", "2")]
    assert (found.notes, found.arm) == (("note",), "arm")


def test_the_number_of_an_element_has_a_name_of_its_own():
    assert records_grid("x", [("one", {"run": "7", "acc": ["1", "2"]})]).fields == ("run", "acc", "repeat")
    assert records_grid("x", [("one", {"n": ["1", "2"], "acc": ["1", "2"]})]).fields == ("n", "acc")


@pytest.mark.parametrize(
    ("record", "error"),
    [
        ({"a": ["1"], "b": ["1", "2"]}, r"x, one: found lists of different lengths \(1 in 'a' and 2 in 'b'\)"),
        ({"a": [["1"]]}, "x, one, column 'a': found a list of lists or records"),
        ({"a": []}, "x, the names.*found no row after the header"),
    ],
)
def test_errors(record, error):
    with pytest.raises(RunsError, match=f"^{error}"):
        records_grid("x", [("one", record)])
