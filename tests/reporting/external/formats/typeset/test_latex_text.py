"""What cells of LaTeX show."""

from __future__ import annotations

import pytest

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.spans import Cell
from labeleff.reporting.external.formats.typeset.latex_text import cell


def refuse(found, expected, hint):
    return RunsError(f"found {found}, expected {expected}; {hint}")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (r"61.7$\pm$0.8", "61.7±0.8"),
        (r"$61.7 \pm 0.8$", "61.7±0.8"),
        (r"$\mathbf{61.7}_{\pm 0.8}$", "61.7±0.8"),
        (r"61.7\textsubscript{$\pm$0.8}", "61.7±0.8"),
        (r"{\bf 61.7}", "61.7"),
        (r"\textbf{61.7}\,\%", "61.7%"),
        (r"\textcolor{red!50}{61.7}", "61.7"),
        (r"\cellcolor[HTML]{EEEEEE}{61.7}", "61.7"),
        (r"\makecell[l]{Sim\\CLR}", "Sim CLR"),
        (r"\phantom{0}9.1", "9.1"),
        (r"61.7$^{\dagger}$", "61.7"),
        (r"61.7\footnote{see 2}", "61.7"),
        (r"61.7\tnote{a}", "61.7"),
        (r"61.7$^2$", "61.7"),
        (r"$10^3$", "1000"),
        (r"$5 \times 10^{4}$", "50000"),
        (r"5{,}000", "5,000"),
        (r"5\,000", "5000"),
        (r"1\textsuperscript{st}", "1st"),
        (r"no\_pretr\_ft", "no_pretr_ft"),
        (r"a_b^c", "a_b^c"),
        (r"$\Pi$-Model", "Π-Model"),
        (r"$L_2$", "L_2"),
        (r"SimCLR$^*$~\citep{x}", "SimCLR*"),
        (r"\citet{b19}", "b19"),
        (r"(\cite[see][p.~3]{b_19,c})$^{\dagger}$", "(b_19,c)†"),
        (r"\textcite*{b19}$^1$", "b19^1"),
        (r"91~\citep{b19}", "91"),
        (r"--~\cite{b19}", "–"),
        (r"$61.7{\scriptstyle\pm 0.8}$", "61.7±0.8"),
        (r"$61.7\scriptscriptstyle\pm 0.8$", "61.7±0.8"),
        (r"$61.7\hskip 1.0pt\pm\kern-.5em 0.8\mkern 3mu plus 1fil minus 2mu\%$", "61.7±0.8%"),
        (r"61.7\hskip\tabcolsep(0.8)", "61.7 (0.8)"),
        (r"\mathop{\overline{61.7}}\limits", "61.7"),
        (r"R\&D \#1 \$5", "R&D #1 $5"),
        (r"\underline{61.7} {\small[60.9, 62.5]}", "61.7 [60.9, 62.5]"),
        (r"\small [60.9, 62.5]", "[60.9, 62.5]"),
        (r"61.7 $\left( 0.8 \right)$", "61.7 ( 0.8 )"),
        (r"Acc.\ $\uparrow$", "Acc. ↑"),
        ("---", "—"),
        ("$-$", "-"),
        ("$-$0.5", "-0.5"),
        ("-0.5", "-0.5"),
    ],
)
def test_cells(written, text):
    assert cell(written, refuse) == Cell(text)


def test_spans():
    assert cell(r"\multicolumn{3}{c|}{\multirow{2}{*}{CIFAR \textbf{10}}}", refuse) == Cell("CIFAR 10", 3, 2)
    assert cell(r"\multirow[t]{2}{2cm}{x}", refuse) == Cell("x", 1, 2)


@pytest.mark.parametrize(
    ("written", "error"),
    [
        (r"\best{61.7}", r"found the macro \\best, "),
        (r"\begin{itemize}", r"found the macro \\begin\{itemize\}, "),
        (r"$61.7_{0.8}$", "with a lowered '0.8'"),
        (r"$61^2$", "with a raised '2', a footnote or a power"),
        (r"$61.7^{+0.5}_{-0.4}$", r"with a raised or lowered '\+0.5'"),
        (r"\multirow{-2}{*}{x}", r"found \\multirow over '-2'"),
        ("x \\", "a backslash at the end"),
    ],
)
def test_whatever_isnt_understood_is_an_error(written, error):
    with pytest.raises(RunsError, match=error):
        cell(written, refuse)
