"""Workbooks as Excel writes them: percent, dates, formulas, merged cells, several sheets."""

from __future__ import annotations

import datetime
import io
import re
import sys
import zipfile

import pytest

from labeleff.errors import OptionError, RunsError, UnknownNameError
from labeleff.reporting.external.formats.workbooks import read
from labeleff.reporting.external.reading import Reading

openpyxl = pytest.importorskip("openpyxl")


def book(*rows, title="Results"):
    made = openpyxl.Workbook()
    made.active.title = title
    for row in rows:
        made.active.append(row)
    return made


def saved(made) -> bytes:
    stream = io.BytesIO()
    made.save(stream)
    return stream.getvalue()


def grid(made, **options):
    return read(made if isinstance(made, bytes) else saved(made), "runs.xlsx", Reading(**options))


def with_values(content: bytes, values: dict[str, str]) -> bytes:
    """A workbook whose formulas have values, as Excel saves them; openpyxl can't write those."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                for cell, value in values.items():
                    formula = rf'(<c r="{cell}"[^>]*>\s*<f>[^<]*</f>\s*)(?:<v\s*/>|<v></v>)'
                    data = re.sub(formula.encode(), rb"\1<v>" + value.encode() + b"</v>", data)
            new.writestr(name, data)
    return stream.getvalue()


def cells(found):
    return [row.cells for row in found.rows]


def test_a_plain_sheet():
    found = grid(book(["arm", "n", "acc", "ok"], [" scratch ", 50, 0.617, True], ["None", 100.0, 0.125, None]))
    assert (found.source, found.place) == ("runs.xlsx", "sheet 'Results', row 1")
    assert cells(found) == [("scratch", "50", "0.617", "TRUE"), ("None", "100", "0.125", "")]
    assert found.rows[1].place == "sheet 'Results', row 3"
    assert found.notes == ()


def test_cells_and_headers_in_percent():
    made = book(["arm", 0.01, 0.1], ["a", 0.853, 0.07], ["b", 1, 0.61234])
    for row in made.active.iter_rows(min_col=2):
        for cell in row:
            cell.number_format = "0.0%"
    found = grid(made)
    assert found.fields == ("arm", "1%", "10%")
    assert cells(found) == [("a", "85.3%", "7%"), ("b", "100%", "61.234%")]


@pytest.mark.parametrize("shown_as", ['0.0"%"', "0.0\\%"])
def test_a_percent_sign_that_is_text_behind_the_number(shown_as):
    made = book(["arm", "acc"], ["a", 85.3], ["b", 90])
    for row in (2, 3):
        made.active[f"B{row}"].number_format = shown_as
    assert cells(grid(made)) == [("a", "85.3%"), ("b", "90%")]


def test_percent_signs_that_are_formats_or_texts():
    """Formats leave the stored number as it is; a spread beside it is stored on the same scale."""
    made = book(["arm", "10%", "acc", "std"], ["a", 1, 0.853, 0.007], ["b", 2, 0.9, 0.01])
    made.active["C2"].number_format = "0.0%"
    assert grid(made).stored
    made.active["C3"].number_format = '0.0"%"'
    assert not grid(made).stored
    assert not grid(book(["arm", "acc"], ["a", "85.3%"], ["b", 90])).stored


def test_a_table_that_begins_somewhere_below_a_title():
    made = book([], ["", "Table 1: all runs"], [], ["", "arm", "", "n"], ["", "a", "", 5], [], ["", "b", "", 7], [None])
    made.active.merge_cells("B2:D2")
    found = grid(made)
    assert (found.place, found.fields) == ("sheet 'Results', row 4", ("arm", "n"))
    assert cells(found) == [("a", "5"), ("b", "7")]
    assert found.notes == (
        "1 row of one cell over the whole width left out (sheet 'Results', row 2: 'Table 1: all runs')",
    )


def test_a_merged_arm_goes_to_all_its_rows_and_a_merged_dataset_to_its_label_counts():
    made = book(
        ["method", "", "cifar10", ""], ["", "", 40, 250], ["a", 0, 0.1, 0.2], ["", 1, 0.3, 0.4], ["b", 0, 0.5, 0.6]
    )
    for span in ("C1:D1", "A1:A2", "A3:A4"):
        made.active.merge_cells(span)
    found = grid(made)
    assert found.fields == ("method", "", "cifar10_40", "cifar10_250")
    assert cells(found) == [("a", "0", "0.1", "0.2"), ("a", "1", "0.3", "0.4"), ("b", "0", "0.5", "0.6")]
    assert (found.place, found.notes) == ("sheet 'Results', row 2", ("2 header rows were joined",))


def test_dates_that_excel_made():
    fine = book(["arm", "made"], ["a", datetime.date(2026, 1, 10)], ["b", datetime.datetime(2026, 1, 11)])
    assert cells(grid(fine))[0] == ("a", "2026-01-10 00:00:00")
    with pytest.raises(
        RunsError, match=r"^runs\.xlsx, sheet 'Results', row 3, column 'n': found the date 2026-10-01 .* B3"
    ):
        grid(book(["arm", "n"], ["a", 50], ["b", datetime.date(2026, 10, 1)]))
    with pytest.raises(RunsError, match="row 1, column '2026-10-01 00:00:00': found the date"):
        grid(book(["arm", datetime.date(2026, 10, 1)], ["a", 50]))


def test_formulas():
    made = book(["arm", "n", "acc"], ["a", 50, "=1-0.383"], ["a", "=B2*2", 0.7])
    with pytest.raises(RunsError, match=r"^runs\.xlsx, sheet 'Results', cell C2: found a formula without a value"):
        grid(made)
    made.active["C2"].number_format = "0%"
    found = grid(with_values(saved(made), {"C2": "0.617", "B3": "100"}))
    assert cells(found) == [("a", "50", "61.7%"), ("a", "100", "0.7")]
    assert found.notes == ("2 formulas by the value that was last computed",)


def test_a_text_that_looks_like_a_formula_is_text():
    made = book(["arm", "n"], ["x", 50])
    made.active["A2"].value = "=1+1"
    made.active["A2"].data_type = "s"
    assert cells(grid(made)) == [("=1+1", "50")]


def test_sheets():
    made = book(["arm", "n"], ["a", 5])
    made.create_sheet("Empty")
    hidden = made.create_sheet("Old")
    hidden.append(["x"])
    hidden.append(["y"])
    hidden.sheet_state = "hidden"
    assert cells(grid(made)) == [("a", "5")]
    assert cells(grid(made, sheet="Old")) == [("y",)]
    hidden.sheet_state = "visible"
    with pytest.raises(
        RunsError, match=r"^runs\.xlsx: found 2 sheets, expected one; choose by --sheet: 'Results', 'Old'"
    ):
        grid(made)
    assert grid(made, sheet="Results").notes == ("sheet 'Results' of 2 was read",)
    with pytest.raises(UnknownNameError, match="did you mean 'Results'"):
        grid(made, sheet="Result")


def test_a_sheet_whose_written_range_is_too_small():
    content = saved(book(["arm", "n"], ["a", 5], ["b", 6]))
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'<dimension ref="A1:B3"', b'<dimension ref="A1"'))
    assert cells(grid(stream.getvalue())) == [("a", "5"), ("b", "6")]


def test_what_isnt_a_workbook():
    with pytest.raises(RunsError, match=r"^runs\.xlsx: found no sheet with cells"):
        grid(book())
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("xl/workbook.xml", "<not closed")
    with pytest.raises(RunsError, match=r"^runs\.xlsx: found a damaged workbook"):
        grid(stream.getvalue())


def test_without_openpyxl(monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(OptionError, match=r"need openpyxl, which isn't installed; pip install 'labeleff\[tables\]'"):
        grid(b"PK")


def test_a_title_that_isnt_merged():
    found = grid(book(["Experiment Q3"], [], ["arm", "n", "acc"], ["a", 5, 0.5], ["b", 5, 0.6]))
    assert (found.place, found.fields, len(found.rows)) == ("sheet 'Results', row 3", ("arm", "n", "acc"), 2)
    assert found.notes == ("1 row of one cell above the header left out (sheet 'Results', row 1: 'Experiment Q3')",)
