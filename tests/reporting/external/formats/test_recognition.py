"""Kinds of files by their content; nothing is ever unpickled."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.recognition import kind_of

MARKDOWN = b"| a | b |\n|---|---|\n| 1 | 2 |\n"
LATEX = b"\\begin{tabular}{l} a \\\\ b \\end{tabular}"


class Trap:
    def __reduce__(self):
        return pytest.fail, ("was unpickled",)


def archive(*names) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name in names:
            made.writestr(name, "x")
    return stream.getvalue()


def array(*objects) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array(objects, dtype=object), allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (b"a,b\n1,2\n", "x", "delimited"),
        (b"a,b\n1,2\n", "x.xlsx", "delimited"),
        (b"{a},b\n1,2\n", "x.csv", "delimited"),
        (b"", "x", "delimited"),
        (archive("xl/workbook.xml"), "x.csv", "workbook"),
        (b"PAR1...", "x.csv", "columnar"),
        (b"ARROW1..", "x.feather", "columnar"),
        (b'{"a": 1}', "x.txt", "json"),
        (b"[x]", "x.json", "json"),
        (b"{x", "x.jsonl", "json"),
        (MARKDOWN, "x.txt", "markdown"),
        (b"<h1>x</h1>\n\n" + MARKDOWN, "README.md", "markdown"),
        (LATEX, "x", "latex"),
    ],
)
def test_kinds(content, name, kind):
    assert kind_of(content, name) == kind


@pytest.mark.parametrize(
    ("content", "name", "error"),
    [
        (
            pickle.dumps(Trap()),
            "x.csv",
            "found a pickle, .*; write its numbers to CSV: a file of this kind can run code",
        ),
        (pickle.dumps(Trap(), protocol=0), "x.pkl", "found a pickle, "),
        (array(Trap()), "x.npy", "found a NumPy array, "),
        (b"1,2", "x.joblib", "found a pickle, "),
        (archive("a/data.pkl"), "x.pt", "found NumPy arrays or a pickle, "),
        (archive("a.npy"), "x.npz", "found NumPy arrays or a pickle, "),
        (archive("content.xml"), "x.ods", r"found a workbook that isn't \.xlsx, .*; save it as \.xlsx or CSV"),
        (archive("a.csv"), "x.zip", "found a zip archive, .*; unpack it"),
        (b"PK\x03\x04", "x.xlsx", "found a damaged archive"),
        (b"\xd0\xcf\x11\xe0", "x", r"found an old Excel workbook \(\.xls\), .*; save it as \.xlsx or CSV"),
        (b"\x1f\x8b", "x.rds", "found a compressed file"),
        (b"A\n3\n", "x.rds", "found R's own format, .*; write the data frame by write.csv"),
        (b"MATLAB 5.0", "x.mat", "found a MATLAB file"),
        (b"SQLite format 3\0", "mlflow.db", "found a SQLite database, .*; export its runs as CSV"),
        (b"%PDF-1.5", "x.pdf", "found a PDF, .*; save the table as CSV"),
        (b"<!DOCTYPE html><p>", "x", "found no table of HTML, expected one"),
        (b"arm", "x.htm", "found no table of HTML, expected one"),
        (b"\\section{x}", "x.tex", "found no table of LaTeX, expected one"),
        (b"# Results", "x.md", "found no table of Markdown, expected one"),
        (b"\xe4", "x.csv", "found the byte 0xe4"),
    ],
)
def test_what_isnt_read_says_what_to_do(content, name, error):
    with pytest.raises(RunsError, match=rf"^{name}(, line 1, character 1)?: {error}"):
        kind_of(content, name)
