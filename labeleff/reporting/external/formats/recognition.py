"""Kinds of files, by their content before their names; of what can't be read, what to save it as."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Literal

from labeleff.errors import RunsError
from labeleff.reporting.external.csv_text import decode
from labeleff.reporting.external.formats import json_tables
from labeleff.reporting.external.formats.typeset import html_tables, latex_tables, markdown_tables

Kind = Literal["delimited", "workbook", "columnar", "markdown", "latex", "html", "json"]

TABLE = "save the table as CSV"
ARRAYS = "write its numbers to CSV: a file of this kind can run code when it is opened"

_COLUMNAR = (b"PAR1", b"ARROW1", b"FEA1", b"\xff\xff\xff\xff")
_OTHERS = (
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", "save it as .xlsx or CSV"),
    (b"\x93NUMPY", "a NumPy array", ARRAYS),
    (b"MATLAB 5.0", "a MATLAB file", "write its numbers to CSV"),
    (b"\x89HDF", "an HDF5 file", "write its numbers to CSV"),
    (b"SQLite format 3", "a SQLite database", "export its runs as CSV"),
    (b"RDX", "an R workspace", "write the data frame by write.csv"),
    (b"RDA", "an R workspace", "write the data frame by write.csv"),
    (b"%PDF", "a PDF", TABLE),
    (b"\x1f\x8b", "a compressed file (gzip; R's .rds is one too)", "unpack it, or write the data frame by write.csv"),
    (b"BZh", "a compressed file (bzip2)", "unpack it"),
    (b"\xfd7zXZ", "a compressed file (xz)", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "a compressed file (zstandard)", "unpack it"),
    (b"\x89PNG", "an image", TABLE),
    *((bytes([0x80, protocol]), "a pickle", ARRAYS) for protocol in range(2, 6)),
)
"""First bytes, what they mean, and the way out."""
_SUFFIXES = {
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".npy", ".npz"), ("a pickle", ARRAYS)),
    **dict.fromkeys((".rds", ".rda", ".rdata"), ("R's own format", "write the data frame by write.csv")),
    ".mat": ("a MATLAB file", "write its numbers to CSV"),
    ".xls": ("an old Excel workbook (.xls)", "save it as .xlsx or CSV"),
    ".ods": ("an OpenDocument sheet", "save it as .xlsx or CSV"),
}
"""Suffixes of files that may hold code, or have no sign of their own."""

_TEXTS = {".tex": "LaTeX", ".md": "Markdown", ".markdown": "Markdown", ".html": "HTML", ".htm": "HTML"}
"""Suffixes of texts in which a table is looked for, and what it is a table of."""


def kind_of(content: bytes, source: str) -> Kind:
    """Kind of a file. Raises RunsError, with the way out, for kinds that aren't read; nothing is ever unpickled."""
    if content.startswith(_COLUMNAR):
        return "columnar"
    if content.startswith(b"PK\x03\x04"):
        return _kind_of_archive(content, source)
    for begin, what, instead in _OTHERS:
        if content.startswith(begin):
            raise _refused(source, what, instead)
    if Path(source).suffix.lower() in _SUFFIXES:
        raise _refused(source, *_SUFFIXES[Path(source).suffix.lower()])
    return _kind_of_text(decode(content, source), source)


def _kind_of_archive(content: bytes, source: str) -> Kind:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise _refused(source, "a damaged archive", "save it again") from error
    if "xl/workbook.xml" in names:
        return "workbook"
    if "xl/workbook.bin" in names or "content.xml" in names:
        raise _refused(source, "a workbook that isn't .xlsx", "save it as .xlsx or CSV")
    if any(name.endswith((".npy", "data.pkl")) for name in names):
        raise _refused(source, "NumPy arrays or a pickle", ARRAYS)
    raise _refused(source, "a zip archive", "unpack it")


def _kind_of_text(text: str, source: str) -> Kind:
    suffix = Path(source).suffix.lower()
    if suffix in {".json", ".jsonl", ".ndjson"} or (json_tables.is_json(text) and suffix not in {".csv", ".tsv"}):
        return "json"
    if html_tables.is_html(text):
        return "html"
    if latex_tables.is_latex(text):
        return "latex"
    if markdown_tables.is_markdown(text):
        return "markdown"
    if html_tables.is_html(text, within=True) and suffix in _TEXTS:
        return "html"
    if suffix in _TEXTS or text.lstrip()[:9].lower().startswith(("<html", "<!doctype")):
        raise RunsError(f"{source}: found no table of {_TEXTS.get(suffix, 'HTML')}, expected one")
    return "delimited"


def _refused(source: str, what: str, instead: str) -> RunsError:
    return RunsError(
        f"{source}: found {what}, expected a table (CSV, xlsx, Parquet, JSON, Markdown, LaTeX, HTML); {instead}"
    )
