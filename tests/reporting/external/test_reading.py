"""One table of several."""

from __future__ import annotations

import pytest

from labeleff.errors import RunsError, UnknownNameError
from labeleff.reporting.external.reading import choose


def test_the_only_one_and_one_that_is_named():
    assert choose("x", "sheet", {"a": ""}, None) == ("a", [])
    assert choose("x", "sheet", {"a": ""}, "a") == ("a", [])
    assert choose("x", "sheet", {"a": "", "b": ""}, "b") == ("b", ["sheet 'b' of 2 was read"])


@pytest.mark.parametrize(
    ("known", "wanted", "error", "text"),
    [
        ({}, None, RunsError, "x: found no sheet with cells, expected one"),
        ({"a": "", "b": "line 2"}, None, RunsError, r"x: found 2 sheets, .*: 'a', b \(line 2\)"),
        ({"a": ""}, "c", UnknownNameError, "unknown --sheet of x 'c'"),
    ],
)
def test_errors(known, wanted, error, text):
    with pytest.raises(error, match=text):
        choose("x", "sheet", known, wanted)
