"""Names without a header: a column of words that tells rows apart is of tasks."""

from __future__ import annotations

import pytest
from support.grids import observed, values

from labeleff.errors import RunsError

ROWS = (("svhn", "a", "1", "2"), ("svhn", "b", "3", "4"), ("digits", "a", "5", "6"), ("digits", "b", "7", "8"))
FOUND = [(task, arm, n, 0, value) for task, arm, *cells in ROWS for n, value in zip((40, 400), cells, strict=True)]


def by_n(header: str = " | method | 40 | 400", *names: str) -> str:
    tops = names or [row[0] for row in ROWS]
    return "\n".join([header, *(" | ".join([top, *row[1:]]) for top, row in zip(tops, ROWS, strict=True))])


@pytest.mark.parametrize("names", [(), ("svhn", "", "digits", "")])
def test_they_are_tasks_and_that_is_said(names: tuple[str, ...]) -> None:
    found = observed(by_n(" | method | 40 | 400", *names))
    assert values(found) == FOUND
    assert "arm from 'method', task from column 1, which has no name" in found.notes


def test_in_the_other_shapes_too() -> None:
    rows = [f"{task} | {arm} | {n} | {value}" for task, arm, n, _, value in FOUND]
    assert values(observed("\n".join([" | method | n | acc", *rows]))) == FOUND
    by_arm = " | n | a | b\nsvhn | 40 | 1 | 3\nsvhn | 400 | 2 | 4\ndigits | 40 | 5 | 7\ndigits | 400 | 6 | 8"
    assert sorted(values(observed(by_arm))) == sorted(FOUND)


@pytest.mark.parametrize("names", [("0", "1", "2", "3"), ("1", "2", "1", "2"), ("w", "x", "y", "z"), ("run 1",) * 4])
def test_numbers_and_names_of_rows_are_none(names: tuple[str, ...]) -> None:
    found = observed(by_n(" | method | 40 | 400", *names))
    assert {row.task for row in found.rows} == {None}
    assert [row.run for row in found.rows] == [0, 0, 0, 0, 1, 1, 1, 1]


def test_names_of_runs_and_of_headings_are_none() -> None:
    assert {row.task for row in observed(by_n(" | method | 40 | 400", "run 1", "run 1", "run 2", "run 2")).rows} == {
        None
    }
    headed = " | method | 40 | 400\nsvhn | | |\n | a | 1 | 2\n | b | 3 | 4\ndigits | | |\n | a | 5 | 6\n | b | 7 | 8"
    assert {row.task for row in observed(headed).rows} == {None}


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (" | backbone | 40 | 400", ()),
        (" | method | 40 | 400", ("val", "val", "test", "test")),
        (" | method | svhn_40 | svhn_400", ()),
    ],
)
def test_what_may_be_something_else_is_asked_for(header: str, names: tuple[str, ...]) -> None:
    with pytest.raises(RunsError, match=r"line 1, column '1': found no name above '.*', which tell rows .* apart"):
        observed(by_n(header, *names))
