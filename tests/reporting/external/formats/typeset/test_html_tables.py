"""Tables of HTML: what a reader sees in a cell, and no footnote that becomes a digit."""

from __future__ import annotations

import pandas as pd
import pytest

from labeleff.errors import RunsError, UnknownNameError
from labeleff.reporting.external.formats.typeset.html_tables import is_html, offers
from labeleff.reporting.external.reader import read_runs
from labeleff.reporting.external.reading import Reading, read_chosen

HEAD = "<tr><th>arm</th><th>n</th><th>acc</th></tr>\n"
PAPER = """<!DOCTYPE html>
<html><head><title>x | y</title><style>table { color: red }</style></head><body>
<table class="ltx_equation"><tr><td>U = n1 / n</td><td>(1)</td></tr></table>
<figure class="ltx_table" id="T1">
<figcaption><span>Table 1: </span>Error on <em>CIFAR-10</em></figcaption>
<table class="ltx_tabular">
<thead>
<tr><th rowspan="2">Method</th><th colspan="2">CIFAR-10</th></tr>
<tr><th><math alttext="40" class="ltx_Math"><semantics><mn>40</mn><annotation>40</annotation></semantics></math></th>
<th>250</th></tr>
</thead>
<tbody>
<tr><th>MixMatch <cite class="ltx_cite">[<a href="#b3">3</a>]</cite></th>
<td><math alttext="47.54\\pm 11.50"><mn>47.54</mn></math></td><td>11.05<sub>±0.86</sub></td></tr>
<tr><td>FixMatch<span class="ltx_note"><sup>1</sup><span>Our runs.</span></span></td>
<td><b>13.81</b> ± 3.37</td><td><span style="display: none">005</span>5.07<sup>2</sup> &plusmn; 0.65</td></tr>
</tbody>
</table>
</figure>
<table><caption>Costs</caption><tr><td>a</td><td>b</td></tr><tr><td>1</td><td>2</td></tr></table>
</body></html>
"""


def grid(text, sheet=None):
    return read_chosen("t.html", offers(text, "t.html"), sheet)


def shown(cell):
    """The cells of a row whose third one is written as `cell`."""
    return grid(f"<table>{HEAD}<tr><td>x</td><td>7</td><td>{cell}</td></tr></table>").rows[-1].cells[2]


def test_a_table_of_a_paper():
    found = grid(PAPER, sheet="1")
    assert found.fields == ("Method", "CIFAR-10_40", "CIFAR-10_250")
    assert [row.cells for row in found.rows] == [
        ("MixMatch", "47.54±11.50", "11.05±0.86"),
        ("FixMatch", "13.81±3.37", "5.07±0.65"),
    ]
    assert [row.place for row in found.rows] == ["line 13", "line 15"]
    assert found.notes == ("table '1' of 2 was read", "2 header rows were joined")


def test_several_tables_are_told_by_line_and_caption():
    expected = (
        "found 2 tables, expected one; choose by --sheet: 1 .line 6, 'Table 1: Error on CIFAR-10'., 2 .line 20, 'Co"
    )
    with pytest.raises(RunsError, match=expected):
        grid(PAPER)
    with pytest.raises(UnknownNameError, match="--sheet of t"):
        grid(PAPER, sheet="3")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("61.7<sup>1</sup>", "61.7"),
        ("61.7<sup>*</sup>", "61.7"),
        ("61.7 <sup>[3]</sup>", "61.7"),
        ("61.7<sup>† </sup>", "61.7"),
        ("61.7²", "61.7"),
        ('61.7<sup class="reference">[<a href="#c">12</a>]</sup>', "61.7"),
        ("61.7<sup>±0.8</sup>", "61.7±0.8"),
        ("<p>61.7</p> <p>± 0.8</p>", "61.7±0.8"),
        ("61.7<br>(0.8)", "61.7 (0.8)"),
        ("<math><msup><mn>61.7</mn><mn>1</mn></msup></math>", "61.7"),
        ("<math><msup><mn>10</mn><mn>3</mn></msup></math>", "1000"),
        ("<math><munder><mn>61.7</mn><mrow><mo>±</mo><mn>0.8</mn></mrow></munder></math>", "61.7±0.8"),
        ('<math alttext="61.7{\\scriptstyle\\pm 0.8}\\hskip 1.0pt"></math>', "61.7±0.8"),
        ("61.7 <cite>[3]</cite>", "61.7"),
        ("<cite>Sohn et al. (<a>2020</a>)</cite>*", "Sohn et al. (2020)*"),
        ("– <cite>[3]</cite>", ""),
        ("<code>__init__</code>", "__init__"),
        ("10<sup>3</sup>", "1000"),
        ('<math alttext="\\mathbf{61.7}\\%"><mn>61.7</mn></math>', "61.7%"),
        ("<math><mn>61.7</mn><annotation>61.7</annotation></math>", "61.7"),
        ("<script>1</script>61.7<style>2</style><template>3</template>", "61.7"),
        ('<span hidden>0</span>61.7<span style="Display : None">9</span>', "61.7"),
        ("<table><tr><td>61.7</td></tr><tr><td>± 0.8</td></tr></table>", "61.7±0.8"),
        ("&minus;5", "−5"),
        ("a_b {c} $d ~e \\f 50%", "a_b {c} $d ~e \\f 50%"),
        ("a &lt; b &amp; c", "a < b & c"),
        ("<!-- 9 -->61.7&nbsp;", "61.7"),
        ("–", ""),
        ("<img src='x' alt='7'>", ""),
    ],
)
def test_what_a_cell_shows(written, text):
    assert shown(written) == text


def test_ends_that_are_left_out_and_letters_of_any_case():
    found = grid("<TABLE><TR><TH>arm<TH>acc<tr><td>a<td>6<sup>1.5<tr><td>b<td>5</TABLE>".replace("<sup>1.5", "1.5"))
    assert (found.fields, [row.cells for row in found.rows]) == (("arm", "acc"), [("a", "61.5"), ("b", "5")])


def test_cells_over_several_rows_and_rows_without_their_last_cells():
    rows = "<tr><td rowspan='2'>a</td><td>50</td><td>61</td></tr><tr><td>100</td><td>70</td></tr>"
    rows += "<tr><td>b</td><td>9</td></tr>"
    found = grid(f"<table>{HEAD}{rows}</table>")
    assert [row.cells for row in found.rows] == [("a", "50", "61"), ("a", "100", "70"), ("b", "9", "")]
    to_the_end = grid(f"<table>{HEAD}{rows.replace('2', '0', 1)}</table>".replace("<td>b</td>", ""))
    assert [row.cells[0] for row in to_the_end.rows] == ["a", "a", "a"]


def test_rows_of_one_line_are_told_apart():
    rows = "<tr><td>a</td><td>50</td><td>61</td></tr>" * 2
    assert [row.place for row in grid(f"<table>{HEAD}{rows}</table>").rows] == ["line 2, row 2", "line 2, row 3"]
    with pytest.raises(RunsError, match=r"^t.html, line 2, row 3, column 'acc': found '91' with a raised"):
        grid(f"<table>{HEAD}{rows[:-12]}91<sup>1</sup></table>")


def test_an_empty_header_row_counts_for_none():
    head = "<thead><tr><th></th><th></th></tr><tr><th>arm</th><th>acc</th></tr></thead>"
    found = grid(f"<table>{head}<tr><td>a</td><td>1</td></tr><tr><td>b</td><td>2</td></tr></table>")
    assert (found.fields, [row.cells for row in found.rows]) == (("arm", "acc"), [("a", "1"), ("b", "2")])


def test_sections_of_a_table():
    rows = "<tr><td colspan='3'>ImageNet</td></tr><tr><td>a</td><td>50</td><td>61</td></tr>"
    found = grid(f"<table>{HEAD}{rows}</table>")
    assert {place: heading.text for place, heading in found.sections.items()} == {"line 2, row 3": "ImageNet"}


def test_a_table_that_lays_out_others_is_none():
    inner = f"<table>{HEAD}<tr><td>x</td><td>7</td><td>61</td></tr></table>"
    found = grid(f"<table><tr><td>menu</td><td>{inner}</td></tr><tr><td>end</td><td>9</td></tr></table>")
    assert [row.cells for row in found.rows] == [("x", "7", "61")]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (f"<table>{HEAD}<tr><td>x</td>", "line 1: found a table without its end, expected </table>"),
        ("<table><tr><td>x</td></tr></table>", "found no table with cells, expected one"),
        ("<table><tr><td></td><td></td></tr><tr><td></td><td></td></tr></table>", "found no table with cells"),
        (
            "<table><tr><td>–</td><td>–</td></tr><tr><td>–</td><td>–</td></tr></table>",
            "line 1: found a table without ro",
        ),
        (
            f"<table>{HEAD}<tr><td>x</td><td>7</td><td>91<sup>2</sup></td></tr></table>",
            "line 2, column 'acc': found '91' wi",
        ),
        (
            f"<table>{HEAD}<tr><td>x</td><td>7</td><td>91<sub>2</sub></td></tr></table>",
            "line 2, column 'acc': found '91' wi",
        ),
        (
            f'<table>{HEAD}<tr><td>x</td><td>7</td><td><math alttext="\\odd{{1}}"></math></td></tr></table>',
            r"line 2, column 'acc': found the macro \\odd",
        ),
    ],
)
def test_errors(text, error):
    with pytest.raises(RunsError, match=f"^t.html(: |, ){error}"):
        grid(text)


def test_tables_of_one_line_are_told_by_caption_or_first_row():
    tables = [f"<table><tr><td>{name}</td><td>x</td></tr><tr><td>b</td><td>2</td></tr></table>" for name in "abc"]
    page = "<figure>{}<figcaption>With <math alttext='10\\%'></math> \\x</figcaption></figure>{}{}".format(*tables)
    told = r"1 \(line 1, 'With 10% \\\\x'\), 2 \(line 1, first row 'b', 'x'\), 3 \(line 1, first row 'c', 'x'\)$"
    with pytest.raises(RunsError, match=told):
        grid(page)
    with pytest.raises(RunsError, match=r"1 \(line 1, 'With 10\^2\+odd z x'\)"):
        grid(page.replace("10\\%", "10^{2}+\\odd z"))


@pytest.mark.parametrize(
    ("text", "whole", "within"),
    [
        ("\n<table>", True, True),
        ("<html><TABLE class='x'>", True, True),
        ("# Results\n<table>", False, True),
        ("<tableau>", False, False),
        ('<p><span class="ltx_x ltx_tabular y">', True, True),
        ('<p class="z ltx_tabulary">', False, False),
    ],
)
def test_pages_are_told(text, whole, within):
    assert (is_html(text), is_html(text, within=True)) == (whole, within)


def test_what_pandas_writes_is_read_as_its_csv_is(tmp_path):
    frame = pd.DataFrame(
        {"arm": ["scratch", "scratch", "a", "a"], "n": [50, 100, 50, 100], "accuracy": [0.4, 0.5, 0.45, 0.6]}
    )
    pages = {"x.csv": frame.to_csv(index=False), "x.html": frame.to_html(index=False), "y.html": frame.to_html()}
    for name, text in pages.items():
        (tmp_path / name).write_text(text)
    csv, html, indexed = (read_runs([tmp_path / name], Reading()).groups for name in pages)
    assert csv == html == indexed


@pytest.mark.parametrize("index", [["n"], ["n", "seed"]])
def test_a_pivot_of_pandas_is_read_as_its_csv_is(tmp_path, index):
    rows = [
        {"arm": arm, "n": n, "seed": seed, "accuracy": value + n / 1000 + seed / 100}
        for arm, value in (("scratch", 0.4), ("a", 0.5))
        for n in (50, 100)
        for seed in (11, 22)
    ]
    frame = pd.DataFrame(rows).pivot_table(index=index, columns="arm", values="accuracy")
    (tmp_path / "x.csv").write_text(frame.to_csv(float_format="%.3f"))
    (tmp_path / "x.html").write_text(frame.to_html(float_format="%.3f"))
    csv, html = (read_runs([tmp_path / name], Reading()).groups for name in ("x.csv", "x.html"))
    assert csv == html
    assert [arm for _, arm in html] == ["a", "scratch"]
