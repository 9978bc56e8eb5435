"""Tables of LaTeX: rows, rules, cells over columns and rows, and lines of errors."""

from __future__ import annotations

import pytest

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.typeset.latex_tables import is_latex, offers
from labeleff.reporting.external.grid import Heading
from labeleff.reporting.external.reading import read_chosen

PAPER = r"""
\begin{table}[t] % \begin{tabular}{c} in a comment
\centering
\begin{tabular}{@{}l|cc|cc@{}}
\toprule
\multirow{2}{*}{Method} & \multicolumn{2}{c|}{CIFAR-10} & \multicolumn{2}{c}{\textbf{SVHN}} \\
\cmidrule(lr){2-3} \cmidrule(lr){4-5}
 & 40 & 250 & 40 & 1\,000 \\ \midrule
\multicolumn{5}{l}{\textit{Without labels}} \\
\rowcolor[gray]{0.9} Supervised & 61.7$\pm$0.8
   & 70.0 $\pm$ 0.8 & -- & 75.9 \\[2pt]
\textbf{Ours}~\cite[p.~1]{us} & \textbf{70.2}{\scriptsize $\pm$ 0.8} & $76.0_{\pm 0.8}$ & \phantom{0}5.0\%
   & 80.1$^\dagger$ \\
\bottomrule
\end{tabular}
\end{table}
"""


def grid(text, sheet=None):
    return read_chosen("t.tex", offers(text, "t.tex"), sheet)


def test_a_table_of_a_paper():
    found = grid(PAPER)
    assert found.fields == ("Method", "CIFAR-10_40", "CIFAR-10_250", "SVHN_40", "SVHN_1000")
    assert [row.cells for row in found.rows] == [
        ("Supervised", "61.7±0.8", "70.0±0.8", "", "75.9"),
        ("Ours", "70.2±0.8", "76.0±0.8", "5.0%", "80.1"),
    ]
    assert (found.place, [row.place for row in found.rows]) == ("line 8", ["line 10", "line 12"])
    assert found.notes == ("2 header rows were joined",)
    assert found.sections == dict.fromkeys(["line 10", "line 12"], Heading("line 9", "Without labels"))


def test_a_row_of_dashes_is_no_heading():
    found = grid(r"\begin{tabular}{lcc} arm & 40 & 250 \\ \emph{x} & & \\ y & -- & $-$ \\ z & 1 & --- \\ \end{tabular}")
    assert [row.cells for row in found.rows] == [("x", "", ""), ("y", "–", "-"), ("z", "1", "")]


@pytest.mark.parametrize(
    "rows",
    [
        r"a & n \\ \hline x & 5 \\ y & 6",
        r"\hline a & n \\ \hline x & 5 \\ \hline y & 6 \\ \hline",
        r"a & n \\ x & 5 \tabularnewline y & 6 \\*",
        r"a & n \\ \midrule \multirow{1}{*}{x} & 5 \\ \addlinespace[2pt] y & 6 \\ \noalign{\vskip 1pt}",
        "a&n\\\\\r\nx&5\\\\\r\ny&6\\\\\r\n",
    ],
)
@pytest.mark.parametrize("name", ["tabular}[t]{ll", "tabular*}{\\textwidth}{ll", "tabularx}{5cm}{lX", "longtable}{ll"])
def test_rules_and_ends_of_rows(rows, name):
    found = grid(rf"\begin{{{name}}} {rows} \end{{{name.partition('}')[0]}}}")
    assert found.fields == ("a", "n")
    assert [row.cells for row in found.rows] == [("x", "5"), ("y", "6")]


def test_a_dataset_above_label_counts_with_a_rule_between():
    header = r"Data & \multicolumn{2}{c}{C10} \\ \midrule \# Label & 40 & 250 \\ \midrule"
    found = grid(rf"\begin{{tabular}}{{lcc}} {header} a & 1 & 2 \\ \end{{tabular}}")
    assert found.fields == ("Data_# Label", "C10_40", "C10_250")
    assert found.rows[0].cells == ("a", "1", "2")


def test_an_arm_over_several_rows():
    text = r"\begin{tabular}{lcc} arm & run & v \\ \multirow{2}{*}{a} & 0 & 1 \\ & 1 & 2 \\ b & 0 & 3 \end{tabular}"
    assert [row.cells[0] for row in grid(text).rows] == ["a", "a", "b"]


def test_rows_of_one_line_are_told_apart():
    found = grid("\\begin{tabular}{lc} arm & v \\\\ a & 1.5 \\\\\n b & 2.5 \\\\ \\end{tabular}")
    assert (found.place, [row.place for row in found.rows]) == ("line 1, row 1", ["line 1, row 2", "line 2"])


def test_a_row_that_is_named_by_a_citation():
    rows = r"a & 40 & 1.5 \\ & 250 & 2.5 \\ \citet{b19} & 40 & 3.5 \\ & 250 & 4.5~\cite{c} \\"
    found = grid(rf"\begin{{tabular}}{{lcc}} arm & n & v \\ {rows} \end{{tabular}}")
    assert [row.cells[0] for row in found.rows] == ["a", "", "b19", ""]
    assert found.rows[-1].cells[2] == "4.5"


def test_groups_with_rules_between_arent_headers():
    text = r"\begin{tabular}{lc} arm & v \\ a & 1.5 \\ \midrule b & 2.5 \\ \end{tabular}"
    assert [row.cells for row in grid(text).rows] == [("a", "1.5"), ("b", "2.5")]


def test_errors_have_line_and_column():
    begin = "\\begin{tabular}{ll}\na & n \\\\\nx & 5 \\\\\n"
    with pytest.raises(RunsError, match=r"^t\.tex, line 4, column 'n': found the macro \\best, .*; replace \\best by"):
        grid(begin + "y & \\best{6} \\end{tabular}")
    with pytest.raises(RunsError, match=r"^t\.tex, line 4, column '3': found 3 fields, expected 2"):
        grid(begin + "y & 6 & 7 \\\\ \\end{tabular}")
    with pytest.raises(RunsError, match=r"found the macro \\begin\{tabular\}"):
        grid(begin + "y & \\begin{tabular}{l}6\\\\7\\end{tabular} \\end{tabular}")
    with pytest.raises(RunsError, match=r"^t\.tex, line 1: found a table without rows"):
        grid("\\begin{tabular}{ll} \\hline \\end{tabular}")
    with pytest.raises(RunsError, match=r"^t\.tex, line 1: found a table without rows"):
        grid("\\begin{tabular}{ll} & \\\\ -- & \\\\ \\end{tabular}")
    with pytest.raises(RunsError, match=r"^t\.tex: found no table with cells"):
        grid("\\begin{tabular}{ll} a & b")


def test_several_tables():
    text = PAPER + PAPER.replace("61.7", "1.0")
    with pytest.raises(RunsError, match=r"^t\.tex: found 2 tables, .*: 1 \(line 4\), 2 \(line 20\)"):
        grid(text)
    assert grid(text, sheet="2").rows[0].cells[1] == "1.0±0.8"


def test_what_is_latex():
    assert is_latex(PAPER)
    assert not is_latex("\\begin{table} nothing \\end{table}")
    assert not is_latex("\\end{tabular} \\begin{tabular}")
