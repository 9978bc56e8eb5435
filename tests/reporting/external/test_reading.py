"""One table of several."""

from __future__ import annotations

import pytest

from labeleff.errors import RunsError, UnknownNameError
from labeleff.reporting.external.grid import Grid
from labeleff.reporting.external.reading import Offer, choose, read_chosen


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


def offer(line, names=(), caption=""):
    return Offer(line, lambda: Grid("x", f"line {line}", (), (), ("own",)), names, caption)


def test_tables_are_numbered_by_line():
    grid = read_chosen("x", [offer(9), offer(3), offer(5)], "2")
    assert (grid.place, grid.notes) == ("line 5", ("table '2' of 3 was read", "own"))
    assert read_chosen("x", [offer(9)], None).notes == ("own",)


def test_tables_are_told_by_line_and_caption_or_else_by_their_first_row():
    offers = [offer(1, "ab", "one"), offer(1, "cd"), offer(1, "efghij"), offer(1), offer(2, "kl"), offer(2, "mn", "b")]
    told = (
        r"1 \(line 1, 'one'\), 2 \(line 1, first row 'c', 'd'\), 3 \(line 1, first row 'e', 'f', 'g', 'h', 'i'\), 4 \("
    )
    with pytest.raises(RunsError, match=rf"{told}line 1\), 5 \(line 2\), 6 \(line 2, 'b'\)$"):
        read_chosen("x", offers, None)
