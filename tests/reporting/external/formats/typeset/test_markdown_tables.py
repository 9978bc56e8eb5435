"""Tables of Markdown: what a reader sees in a cell, and no footnote that becomes a digit."""

from __future__ import annotations

import pytest

from labeleff.errors import RunsError, UnknownNameError
from labeleff.reporting.external.formats.typeset.markdown_tables import is_markdown, offers
from labeleff.reporting.external.reading import read_chosen

TABLE = "| arm | n | acc |\n|:---|--:|:-:|\n| a | 50 | 61.7 |\n| b | 50 | 70.2 |\n"


def grid(text, sheet=None):
    return read_chosen("t.md", offers(text, "t.md"), sheet)


def shown(cell, name="x"):
    """The cells of a row whose third one is written as `cell`."""
    return grid(TABLE + f"| {name} | 7 | {cell} |\n").rows[-1].cells[2]


def test_a_table_within_text():
    found = grid("# Results | all\n\nAs follows.\n\n" + TABLE + "\nThe end | of it.\n")
    assert (found.source, found.place, found.fields) == ("t.md", "line 5", ("arm", "n", "acc"))
    assert [row.cells for row in found.rows] == [("a", "50", "61.7"), ("b", "50", "70.2")]
    assert [row.place for row in found.rows] == ["line 7", "line 8"]


@pytest.mark.parametrize("text", ["arm | n\n--- | ---\na | 5\n", "> | arm | n |\n> |---|---|\n> | a | 5 |\n"])
def test_tables_without_outer_pipes_and_within_quotes(text):
    assert grid(text).fields == ("arm", "n")
    assert grid(text).rows[0].cells == ("a", "5")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("**61.7**", "61.7"),
        ("**61.7 ± 0.8**", "61.7 ± 0.8"),
        ("**61.7** ± 0.8", "61.7 ± 0.8"),
        ("__61.7__", "61.7"),
        ("*61.7*", "61.7"),
        ("***61.7***", "61.7"),
        ("`61.7`", "61.7"),
        ("`__init__`", "__init__"),
        ("**`*x*`** `y_`", "*x* y_"),
        ("`[a](b)` `<sup>2</sup>` `$x$` `a&lt;b` `\\_`", "[a](b) <sup>2</sup> $x$ a&lt;b \\_"),
        ("`` a`_b_ ``", "a`_b_"),
        ("`a\\|b`", "a|b"),
        ("\\`*a*\\`", "`a`"),
        ("`61.7`<sup>2</sup> ± 0.8", "61.7 ± 0.8"),
        ("<b>61.7</b>", "61.7"),
        ("61.7 &plusmn; 0.8", "61.7 ± 0.8"),
        ("61.7&nbsp;", "61.7"),
        ("61.7<br>0.8", "61.7 0.8"),
        ("$61.7 \\pm 0.8$", "61.7±0.8"),
        ("$61.7_{\\pm 0.8}$", "61.7±0.8"),
        ("no_pretr_ft", "no_pretr_ft"),
        ("a\\_b\\|c\\*", "a_b|c*"),
        ("[SimCLR v2](https://x.y/z_1)", "SimCLR v2"),
        ("run #1", "run #1"),
        ("-", ""),
        ("—", ""),
        ("", ""),
        ("-5", "-5"),
    ],
)
def test_cells_are_what_a_reader_sees(written, text):
    assert shown(written) == text


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("85.3<sup>2</sup>", "85.3"),
        ("85.3²", "85.3"),
        ("85.3[^2]", "85.3"),
        ("85.3^2^", "85.3"),
        ("85.3 ± 0.4<sup>a</sup>", "85.3 ± 0.4"),
        ("85.3%<sup>†</sup>", "85.3%"),
        ("85.3†", "85.3"),
        ("85.3\\*", "85.3"),
        ("91*", "91"),
        ("91[^a]", "91"),
        ("10<sup>3</sup>", "1000"),
        ("5 × 10³", "5000"),
        ("10^-2^", "0.01"),
        ("61.7<sub>±0.8</sub>", "61.7±0.8"),
        ("SimCLR<sup>2</sup>", "SimCLR^2"),
        ("SimCLR†", "SimCLR†"),
        ("ResNet-50²", "ResNet-50^2"),
    ],
)
def test_footnotes_never_become_digits(written, text):
    assert shown(written) == text


@pytest.mark.parametrize(
    "written", ["91<sup>1</sup>", "91¹", "91[^1]", "$91^{1}$", "$85.3^{+1}_{-2}$", "85.3<sup>0.4</sup>"]
)
def test_a_raised_number_that_may_be_either_is_refused(written):
    with pytest.raises(RunsError, match=r"^t\.md, line 5, column 'acc': found '.*' with a raised"):
        shown(written)


def test_ragged_lines():
    with pytest.raises(RunsError, match=r"^t\.md, line 5, column 'acc': found 2 fields, expected 3"):
        grid(TABLE + "| c | 50 |\n")
    with pytest.raises(RunsError, match=r"^t\.md, line 5, column '4': found 4 fields, expected 3"):
        grid(TABLE + "| c | 50 | 1 | 2 |\n")


def test_footnotes_arent_part_of_names():
    rows = "| scratch[^1] | 7 | 1.5[^a] |\n| **SimCLR** [^2][^3] | 7 | n/a[^a] |\n| ResNet-50[^1] | 7 | —[^a] |\n"
    found = grid(TABLE.replace("| n |", "| n[^n] |") + rows + "[^1]: Trained | tuned.\n")
    assert found.fields == ("arm", "n", "acc")
    assert [row.cells for row in found.rows[2:]] == [
        ("scratch", "7", "1.5"),
        ("SimCLR", "7", "n/a"),
        ("ResNet-50", "7", ""),
    ]


def test_names_that_differ_by_a_footnote_alone_keep_it():
    rows = "| a[^1] | 1 | 2 | 3 |\n| a[^2] | 1 | 2 | 3 |\n| b[^2] | 1 | 2 | 3 |\n"
    found = grid(f"| n | x[^1] | x | y[^1] |\n|---|---|---|---|\n{rows}")
    assert found.fields == ("n", "x^1", "x", "y")
    assert [row.cells[0] for row in found.rows] == ["a^1", "a^2", "b"]


def test_a_row_of_dashes_is_no_heading():
    found = grid(TABLE + "| *c* | | |\n| d | — | - |\n| e | 1 | - |\n")
    assert [row.cells for row in found.rows[2:]] == [("c", "", ""), ("d", "—", "-"), ("e", "1", "")]


def test_several_tables():
    text = TABLE + "\nand\n\n" + TABLE.replace("61.7", "0")
    with pytest.raises(RunsError, match=r"^t\.md: found 2 tables, .* by --sheet: 1 \(line 1\), 2 \(line 8\)"):
        grid(text)
    assert grid(text, sheet="2").rows[0].cells == ("a", "50", "0")
    with pytest.raises(UnknownNameError, match=r"--sheet of t\.md '3'"):
        grid(text, sheet="3")


def test_what_is_markdown():
    assert is_markdown(TABLE)
    assert not is_markdown("a,b\n---,---\n")
    assert not is_markdown("a|b\n1|2\n")
    assert not is_markdown("a|b\n---\n1|2\n")
