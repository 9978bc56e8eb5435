"""Delimited text as Excel, R, numpy and people write it: the same table, or one error with line and column."""

from __future__ import annotations

import csv
import io

import pytest

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.delimited import read
from labeleff.reporting.external.reading import Reading

TABLE = "arm,n,run,accuracy\nscratch,50,0,0.61\nscratch,100,0,0.70\nssl,50,0,0.70\nssl,100,0,0.76\n"
FIELDS = ("arm", "n", "run", "accuracy")
CELLS = [
    ("scratch", "50", "0", "0.61"),
    ("scratch", "100", "0", "0.70"),
    ("ssl", "50", "0", "0.70"),
    ("ssl", "100", "0", "0.76"),
]


def grid(text, **options):
    content = text if isinstance(text, bytes) else text.encode()
    return read(content, "runs.csv", Reading(**options))


def cells(found):
    return [row.cells for row in found.rows]


def lines(change):
    """TABLE with every line changed, by its number from 0."""
    return "".join(f"{change(at, line)}\n" for at, line in enumerate(TABLE.splitlines()))


def test_a_plain_table():
    found = grid(TABLE)
    assert (found.source, found.place, found.fields) == ("runs.csv", "line 1", FIELDS)
    assert cells(found) == CELLS
    assert [row.place for row in found.rows] == ["line 2", "line 3", "line 4", "line 5"]
    assert found.notes == ("fields are separated by comma",)


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("sep=;\n" + TABLE.replace(",", ";"), ()),
        ("\ufeffsep=,\r\n" + TABLE, ()),
        ('"sep=\t"\n' + TABLE.replace(",", "\t"), ()),
        ("# exported, 2026-01-01\n" + TABLE, ("1 comment line left out",)),
        (TABLE + '# it\'s 5" wide, "quoted" and unclosed: "\n#\n', ("2 comment lines left out",)),
        (lines(lambda _, line: line + ","), ()),
        (lines(lambda _, line: line + ",,"), ()),
        (lines(lambda at, line: line + ("," if at else "")), ()),
        (lines(lambda at, line: line + ("" if at else ",,")), ()),
        (lines(lambda at, line: line + ",," if at < 3 else line), ()),
        (lines(lambda _, line: line.replace(",", ",,", 1)), ()),
        (TABLE + ",,,\n,,\n\n , , ,\n", ("3 empty rows left out",)),
        ("\n \n" + TABLE.replace("\n", "\n\n"), ()),
        (TABLE.encode("utf-16"), ()),
        (("\ufeff" + TABLE.replace(",", "\t")).encode("utf-16-le"), ()),
        ("# arm,n,run,accuracy" + TABLE[18:], ()),
        ("#arm,n,run,accuracy" + TABLE[18:], ()),
    ],
)
def test_dialects(text, notes):
    found = grid(text)
    assert (found.fields, cells(found)) == (FIELDS, CELLS)
    assert found.notes[1:] == notes


def test_lines_are_counted_from_the_files_begin():
    found = grid("sep=;\n# comment\n\n" + TABLE.replace(",", ";"))
    assert (found.place, found.rows[0].place) == ("line 4", "line 5")
    with pytest.raises(
        RunsError, match=r"^runs\.csv, line 9, column 'run': found 2 fields, expected 4 as in the header"
    ):
        grid("sep=;\n# comment\n\n" + TABLE.replace(",", ";") + "ssl;200\n")


def test_a_mark_inside_a_cell_is_content():
    text = 'arm,note,n\nrun #1,#,50\n"#2",x,100\n"several\n# lines",x,100\n# put aside\n'
    assert [row[0] for row in cells(grid(text))] == ["run #1", "#2", "several\n# lines"]


@pytest.mark.parametrize("line", ["#1 model,50,0,0.61", "# ssl,200,0,0.80"])
def test_a_comment_that_may_be_a_row_is_refused(line):
    with pytest.raises(
        RunsError, match=r"^runs\.csv, line 6, column 'arm': found '# ?.* a comment or a row; delete it"
    ):
        grid(TABLE + line + "\n")


def test_a_header_of_numbers_is_never_taken_from_a_comment():
    with pytest.raises(RunsError, match=r"^runs\.csv, line 1, .*, expected a comment or a row"):
        grid("# method,50,100\nscratch,61.7,70.0\nssl,70.2,76.0\n")


@pytest.mark.parametrize("names", [["1", "2", "3", "4"], ["w", "x", "y", "z"]])
def test_rs_row_names(names):
    found = grid(lines(lambda at, line: f"{names[at - 1]},{line}" if at else line))
    assert found.fields == ("", *FIELDS)
    assert [row[0] for row in cells(found)] == names


def test_rs_row_names_before_whole_numbers():
    rows = [f"{at},a,{at % 7},0,{at}" for at in range(1, 11)]
    assert grid("\n".join(["arm,run,draw,seed", *rows])).fields == ("", "arm", "run", "draw", "seed")
    with pytest.raises(RunsError, match="write R's row names with a header"):
        grid("\n".join(["arm,run,draw,seed", *rows[:9]]))


def test_decimal_commas_that_split_numbers_arent_row_names():
    """Every row has one field too many in both, and an R table may not be made of the other."""
    for text in ("n,acc\n50,0,61\n100,0,70\n", "acc,n,arm\n0,61,50,a\n1,70,100,b\n"):
        with pytest.raises(RunsError, match=r"^runs\.csv, line 2, .*quote numbers with decimal commas"):
            grid(text)
    with pytest.raises(RunsError, match=r"^runs\.csv, line 2, column '5': found 5 fields.*point, not a comma"):
        grid(lines(lambda at, line: line.replace("0.", "0,") if at else line))


def test_decimal_commas_beside_semicolons_are_text():
    assert cells(grid("arm;0,5;1,0\nscratch;61,7;70,0\n")) == [("scratch", "61,7", "70,0")]
    assert cells(grid("arm\tn; m\na\t1; 2\n")) == [("a", "1; 2")]


def test_spaces():
    """R's write.table; several spaces are one."""
    text = '"arm" "n" "acc"\n"1" "from scratch" 50 0.61\n"2" "ssl" 100 0.7\n'
    found = grid(text)
    assert found.fields == ("", "arm", "n", "acc")
    assert cells(found) == [("1", "from scratch", "50", "0.61"), ("2", "ssl", "100", "0.7")]
    assert found.notes == ("fields are separated by spaces",)
    assert cells(grid("arm   n\na    50\nbcd  7\n")) == [("a", "50"), ("bcd", "7")]
    with pytest.raises(RunsError, match=r"^runs\.csv, line 2, column '3': found 3 fields, expected 2"):
        grid("arm n\nsim clr 50\n")
    assert grid("arm n\na b c 50\n").fields == ("arm n",)


def test_quotes():
    stream = io.StringIO(newline="")
    csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([FIELDS, ("a, b", "50", 'say "x"', " 0.6 ")])
    assert cells(grid(stream.getvalue())) == [("a, b", "50", 'say "x"', "0.6")]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "line 1, column 'arm': found an empty file"),
        ("# nothing\n", "line 1, column 'arm': found an empty file"),
        ("arm,n\n,\n", "line 2, column 'arm': found no row after the header"),
        (TABLE + "ssl,200,0,0.8,\n", "line 6, column '5': found 5 fields, expected 4 as in the header; quote fields"),
        (TABLE + "ssl,200\n", "line 6, column 'run': found 2 fields, expected 4 as in the header; a field is missing"),
        (
            TABLE + "ssl;200;0;0.8\n",
            "line 6, column 'n': found 1 field, expected 4 .*; the header is separated by comma",
        ),
        (TABLE + '"ssl,200,0,0.8\n', "line 6, column 1: found a field that can't be read"),
        ("sep=|\n" + TABLE, "line 1, character 5: found 'sep=|', expected sep= with comma, semicolon, tab"),
        (TABLE.encode() + b"\xe4", "line 6, character 1: found the byte 0xe4, which isn't UTF-8"),
        (TABLE.encode("utf-16")[:-1], "line 1, character 1: found UTF-16 that breaks off"),
    ],
)
def test_errors_have_their_place(text, error):
    with pytest.raises(RunsError, match=rf"^runs\.csv, {error.replace('|', '[|]')}"):
        grid(text)


def test_the_delimiter_that_is_given():
    assert grid("a,b;c\n1,2;3\n", delimiter=",").fields == ("a", "b;c")
    assert grid("sep=;\na,b;c\n1,2;3\n", delimiter=",").fields == ("a", "b;c")


def test_names_that_the_user_gave_tell_the_delimiter():
    assert grid("x;y,top1\n1;2,3\n", columns={"accuracy": "top1"}).fields == ("x;y", "top1")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("title", ["Experiment Q3\n\n", "\nExperiment Q3{3}\n{3}\n", '"Experiment Q3"\nof May\n'])
def test_a_title_above_the_header(title, delimiter):
    found = grid((title.replace("{3}", ",,,") + TABLE).replace(",", delimiter))
    assert (found.fields, cells(found)) == (FIELDS, CELLS)
    assert "above the header left out" in found.notes[1]


def test_a_title_is_no_way_around_a_commented_row():
    with pytest.raises(RunsError, match=r"^runs\.csv, line 6, column 'arm': found .* with"):
        grid("Experiment Q3\n" + lines(lambda at, line: "#" * (at == 4) + line))


def test_a_note_below_the_rows():
    found = grid(TABLE + "* best of 3\nNote: all on one GPU\n")
    assert cells(found) == [*CELLS, ("* best of 3", "", "", ""), ("Note: all on one GPU", "", "", "")]
    with pytest.raises(RunsError, match=r"^runs\.csv, line 6, column 'n': found 1 field"):
        grid(TABLE + "rotation\n")
