"""Cells over several rows and columns, made plain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labeleff.reporting.external.formats.spans import Cell, SpannedRow, places, plain
from labeleff.reporting.external.grid import Heading


def table(*rows):
    return [
        SpannedRow(f"row {at}", tuple(Cell(each) if isinstance(each, str) else Cell(*each) for each in cells))
        for at, cells in enumerate(rows, start=1)
    ]


def cells(found):
    return [row.cells for row in found[0]]


def test_plain_rows_stay():
    assert plain(table(["a", "b"], ["1", "2"])) == plain(table(["a", "b"], ["1", "2"]), 1)
    assert cells(plain(table(["a", "b"], ["1", ""]))) == [("a", "b"), ("1", "")]


def test_a_cell_over_rows_fills_the_empty_ones_below_it_alone():
    found = plain(table(["a", "b"], [("x", 1, 2), "1"], ["", "2"], ["", "3"]))
    assert cells(found) == [("a", "b"), ("x", "1"), ("x", "2"), ("", "3")]


def test_three_header_rows():
    rows = table(
        [("m", 1, 3), ("c", 4, 1)], ["", ("x", 2, 1), ("y", 2, 1)], ["", "4", "5", "4", "5"], ["a", "1", "2", "3", "4"]
    )
    found, notes, _ = plain(rows)
    assert [row.cells for row in found] == [("m", "c_x_4", "c_x_5", "c_y_4", "c_y_5"), ("a", "1", "2", "3", "4")]
    assert (found[0].place, notes) == ("row 3", ["3 header rows were joined"])


def test_headings_belong_to_the_rows_below_them_and_titles_and_notes_to_none():
    head = [[("title", 2)], ["a", "b"], ["w", "0"], [("group", 2)], ["x", "1"]]
    found, notes, sections = plain(table(*head, ["group 2"], ["of two"], ["y", "2"], ["z", "3"], [("note", 2)]), 2)
    assert [row.cells for row in found] == [("a", "b"), ("w", "0"), ("x", "1"), ("y", "2"), ("z", "3")]
    assert notes == ["2 rows of one cell over the whole width left out (row 1: 'title')"]
    second = Heading("row 6", "group 2, of two")
    assert sections == {"row 5": Heading("row 4", "group"), "row 8": second, "row 9": second}


def test_a_first_cell_over_several_columns_beside_empty_ones_is_a_heading_or_a_title():
    rows = [[("title", 2), ""], ["a", "b", "c"], [("group", 2), ""], ["x", "1", "2"], [("y", 2), "3"]]
    found, notes, sections = plain(table(*rows))
    assert [row.cells for row in found] == [("a", "b", "c"), ("x", "1", "2"), ("y", "y", "3")]
    assert notes == ["1 row of one cell over the whole width left out (row 1: 'title')"]
    assert set(sections.values()) == {Heading("row 3", "group")}


def test_a_table_of_one_column_and_one_of_headers_alone():
    assert cells(plain(table(["a"], ["1"]))) == [("a",), ("1",)]
    assert cells(plain(table([("m", 1, 2), "b"], ["", "c"]))) == [("m", "b"), ("m", "c")]


def test_places_tell_rows_of_one_line_apart():
    assert places([3, 4, 4, 5]) == ["line 3", "line 4, row 2", "line 4, row 3", "line 5"]


AXES = [["", "method", "a", "b"], ["labels", "seed", "", ""], ["40", "11", "1", "2"], ["", "22", "3", "4"]]


def marked(rows, index):
    return [
        replace(row, cells=tuple(replace(cell, names=at < index) for at, cell in enumerate(row.cells))) for row in rows
    ]


@pytest.mark.parametrize("index", [0, 2])
def test_the_name_of_an_axis_of_columns_names_no_column(index):
    assert cells(plain(marked(table(*AXES), index), 2))[0] == ("labels", "seed", "a", "b")
    deeper = [["", "", ("acc", 2)], *AXES]
    assert cells(plain(marked(table(*deeper), index), 3))[0] == ("labels", "seed", "acc_a", "acc_b")


@pytest.mark.parametrize(
    ("index", "rows", "fields"),
    [
        (1, [["method", "a", "b"], ["labels", "", ""], ["40", "1", "2"]], ("labels", "a", "b")),
        (0, [["method", "a", "b"], ["labels", "", ""], ["40", "1", "2"]], ("method_labels", "a", "b")),
        (1, [["method", "a", "b"], ["", "top 1", ""], ["x", "1", "2"]], ("method", "a_top 1", "b")),
        (2, [["", "method", "a"], ["", "seed", ""], ["40", "1", "2"]], ("", "seed", "a")),
        (0, [["m", "params", "a"], ["of", "M", ""], ["x", "1", "2"]], ("m_of", "params_M", "a")),
    ],
)
def test_names_of_columns_in_several_rows(index, rows, fields):
    assert cells(plain(marked(table(*rows), index), 2))[0] == fields
