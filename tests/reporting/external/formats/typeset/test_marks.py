"""Raised marks behind numbers and names; what they do within cells is in the tests of Markdown and LaTeX."""

from __future__ import annotations

import pytest

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.typeset.marks import attach, unmarked


def refuse(found, expected, hint):
    return RunsError(f"found {found}, expected {expected}; {hint}")


@pytest.mark.parametrize(
    ("base", "mark", "text"),
    [
        ("61.7", "±0.8", "61.7±0.8"),
        ("61.7", "+/- 0.8", "61.7±0.8"),
        ("61.7 ± 0.8", "2", "61.7 ± 0.8"),
        ("61.7 (0.8)", "a", "61.7 (0.8)"),
        ("61.7", "[2]", "61.7"),
        ("61", "(a, b)", "61"),
        ("1", "st", "1st"),
        ("10", "6", "1000000"),
        ("2.5 x 10", "3", "2500"),
        ("10", "-1", "0.1"),
        ("", "2", "^2"),
        ("v", "", "v"),
    ],
)
def test_marks(base, mark, text):
    assert attach(base, mark, refuse) == text


@pytest.mark.parametrize(("base", "mark"), [("91", "1"), ("2", "10"), ("85.3", "+1"), ("85.3", "0.4"), ("10", "99")])
def test_marks_that_are_refused(base, mark):
    with pytest.raises(RunsError, match="with a raised"):
        attach(base, mark, refuse)


def test_marks_at_the_end_of_cells():
    assert [unmarked(text, refuse) for text in ("85.3*", "85.3 †‡", "A*", "85.3²", "ours¹")] == [
        *("85.3", "85.3", "A*", "85.3", "ours^1"),
    ]
