"""Pages of HTML: where tables, rows and cells begin and end, what isn't seen, and formulas that are there twice."""

from __future__ import annotations

import pytest

from labeleff.reporting.external.formats.typeset.html_pages import tables


def texts(page):
    """Texts of the cells of a page's only table."""
    [table] = tables(page)
    return [[cell.text for cell in row.cells] for row in table.rows]


def shown(written):
    """What the last cell of a table shows."""
    return texts(f"<table><tr><td>a<td>b<tr><td>c<td>{written}</table>")[-1][-1]


def test_ends_that_are_left_out():
    page = "<table><caption>x<thead><tr><th>a<th>b<tbody><tr><td><b>c<td>d<td>e</table>"
    assert texts(page) == [["a", "b"], ["c", "d", "e"]]
    [table] = tables(page)
    assert table.caption.text == "x"
    assert [row.header for row in table.rows] == [True, False]
    assert texts("<table><td>a<td>b<tr><td>c<td>d</table>") == [["a", "b"], ["c", "d"]]


def test_ends_of_what_never_began_end_no_cell():
    assert shown("1</div></section>2</sup></caption>3") == "123"


@pytest.mark.parametrize(
    "page",
    [
        "<table><tr><td></td><td> </td></tr><tr><td></td><td><img src='x' alt='7'></td></tr></table>",
        "<table><tr><td>a</td><td>b</td></tr></table>",
        "<table><tr><td>a</td></tr><tr><td>b</td></tr></table>",
        "<table hidden><tr><td>a<td>b<tr><td>c<td>d</table>",
        "<p><span class='ltx_td'>a</span><td>b</td></p>",
        "`<table>`",
    ],
)
def test_what_is_no_table_of_results(page):
    assert tables(page) == []


def test_a_table_without_its_end():
    [table] = tables("<table><tr><td>a<td>b<tr><td>c<td>d")
    assert (table.line, table.end, table.rows[1].cells[1].text) == (1, None, "d")


def spanned(*rows):
    """A table of spans, as LaTeXML writes those within paragraphs."""
    cells = ["".join(f'<span class="ltx_td {cell}</span>' for cell in row) for row in rows]
    return f'<span class="ltx_tabular">{"".join(f"""<span class="ltx_tr">{row}</span>""" for row in cells)}</span>'


def test_tables_of_spans():
    inner = spanned(['">top'], ['">1'])
    page = spanned(['ltx_th ltx_rowspan ltx_rowspan_2">a', f'ltx_colspan ltx_colspan_3"><span>{inner}</span>'], ['">1'])
    [table] = tables(f"<figure><figcaption>x</figcaption><p>\n{page}</p></figure>")
    assert (table.line, table.end, table.caption.text) == (2, 2, "x")
    a, b, c = [cell for row in table.rows for cell in row.cells]
    assert (a.text, a.header, a.rows, a.columns) == ("a", True, 2, 1)
    assert (b.text, b.header, b.rows, b.columns) == ("top 1", False, 1, 3)
    assert c.text == "1"


def test_captions_of_figures_and_tables():
    table = "<table><tr><td>a<td>b<tr><td>c<td>d</table>"
    page = f"<figure>{table}{table.replace('<tr>', '<caption>own</caption><tr>', 1)}<figcaption>of both</figcaption>"
    page += (
        f"</figure><div class='ltx_table'>{table}<div class='ltx_caption'>x <math alttext='10\\%'></math></div></div>"
    )
    assert [table.caption.text for table in tables(page)] == ["of both", "own", "x $10\\%$"]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('<span style="visibility: hidden">1</span>2', "2"),
        ('<span class="ltx_phantom">1</span>2', "2"),
        ('<span style="color: Transparent; font-size: 2px">1</span>2', "2"),
        ('<span style="opacity:0.0">1</span><span style="opacity:0.5;font-size:0.8em">2</span>', "2"),
        ('<span class="sr-only">1</span><svg><title>1</title></svg>2', "2"),
        ('<i style="background-color:transparent">2</i>', "2"),
        ('2<sup class="reference"><a>[1]</a></sup><a class="footnote-reference brackets">1</a>', "2"),
        ('<a class="reference external" href="x">2</a>', "2"),
    ],
)
def test_what_isnt_seen(written, text):
    assert shown(written) == text


def test_cells_that_arent_seen_keep_their_places_where_they_have_one():
    assert texts("<table><tr><td>a<td style='visibility:hidden'>1<td>b<tr><td hidden>1<td>c</table>") == [
        ["a", "", "b"],
        ["c"],
    ]


MATHML = "<math><semantics><mn>10</mn>{}</semantics></math>"
DRAWN = '<span class="MathJax"><nobr><span class="mn">10</span><span class="mn">2</span></nobr>{}</span>'
SCRIPT = '<script type="math/tex">10^2</script>'
ASSISTIVE = '<mjx-container><mjx-math aria-hidden="true">10</mjx-math><mjx-assistive-mml>{}</mjx-assistive-mml>'


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (MATHML.format('<annotation encoding="application/x-tex">10^2%\n\\pm 1</annotation>'), "$10^2\\pm 1$"),
        (MATHML.format('<annotation-xml encoding="MathML-Content"><cn>10</cn></annotation-xml>'), "10"),
        ('<math alttext="5\\%"><mn>5</mn><annotation encoding="TeX">6</annotation></math>', "$5\\%$"),
        ("<math><msup><mn>10</mn><mrow><mn>2</mn></mrow></msup></math>", r"10\textsuperscript{2}"),
        ("<math>\n<msub>\n<mi>a</mi>\n<mn>2</mn>\n</msub>\n</math>", r"a\textsubscript{2}"),
        ("<math><msubsup><mi>a</mi><mn>2</mn><mn>3</mn></msubsup></math>", r"a\textsubscript{2}\textsuperscript{3}"),
        ("<math><munder><mn>61</mn><mo>_</mo></munder></math>", "61"),
        ("<math><munder><mn>61</mn><mrow><mo>±</mo><mn>2</mn></mrow></munder></math>", r"61\textsubscript{±2}"),
        ("<math><mphantom><mn>1</mn></mphantom><mn>2</mn></math>", "2"),
        ("<math><mfrac><mn>1</mn><mn>2</mn></mfrac><msqrt><mn>4</mn></msqrt></math>", r"\frac{1}{2}\sqrt{4}"),
        ("<math><mfenced><mn>1</mn><mn>2</mn></mfenced></math>", "(1,2)"),
        (
            f'<span class="katex"><span>{MATHML.format("")}</span><span class="katex-html">10</span></span>'
            f'<span class="katex"><span>{MATHML.format("")}</span><span class="katex-html">10</span></span>',
            "1010",
        ),
        (MATHML.format("") + '<span aria-hidden="true">10</span>', "10"),
        ('<span aria-hidden="true">10</span>%', "10\\%"),
        (ASSISTIVE.format(MATHML.format("")) + "</mjx-container> x", "10 x"),
        (DRAWN.format("") + "\n" + SCRIPT, "$10^2$"),
        (DRAWN.format(f'<span class="MJX_Assistive_MathML">{MATHML.format("")}</span>') + SCRIPT + SCRIPT, "10$10^2$"),
        (f"a {SCRIPT}", "a $10^2$"),
        ("<script>1</script>", ""),
        ('<span class="base">61<span class="msupsub">1</span></span>', r"61\textsuperscript{1}"),
        ('<span class="mfrac">21</span>', r"\frac{21}"),
        ('<img class="mwe-math-fallback-image-inline" alt="{\\displaystyle 5}"><img alt="6">', r"${\displaystyle 5}$"),
        ('61<span style="vertical-align: super">1</span>', r"61\textsuperscript{1}"),
        ("<cite>a <i>b</i></cite>", r"\cite{a b}"),
        ("a\u2062b", "ab"),
    ],
)
def test_formulas_and_citations(written, text):
    assert shown(written) == text
