"""Files of every kind, several at once, and a speed."""

from __future__ import annotations

import hashlib
import io
import time
from pathlib import Path

import pytest

from labeleff.errors import OptionError, RunsError
from labeleff.reporting.external.formats.files import parse_grid, read_grids, short_names
from labeleff.reporting.external.reading import Reading

TABLES = {
    "a.csv": "arm,n\nx,50\n",
    "a.txt": "sep=;\narm;n\nx;50\n",
    "a.md": "| arm | n |\n|---|---|\n| x | 50 |\n",
    "a.tex": "\\begin{tabular}{ll} arm & n \\\\ x & 50 \\end{tabular}",
    "a.html": "<table><tr><td>arm<td>n<tr><td>x<td>50</table>",
    "a.json": '[{"arm": "x", "n": 50}]',
    "a.jsonl": '{"arm": "x", "n": 50}\n',
}


@pytest.mark.parametrize("name", TABLES)
def test_every_kind_of_text(tmp_path, name):
    path = tmp_path / name
    path.write_text(TABLES[name])
    (found,) = read_grids([path], Reading())
    assert (found.source, found.fields, found.rows[0].cells) == (str(path), ("arm", "n"), ("x", "50"))
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.arm, found.origin) == (None, None)


PAGE = "<table>\n<tr><td>arm</td><td>n</td></tr>\n<tr><td>y</td><td>7</td></tr>\n</table>\n"


@pytest.mark.parametrize(
    "begin", ["", "# x\n", "<h1 align='center'>x</h1>\n", "`<table>`, `<script>` or ``<style>``\n"]
)
def test_a_text_with_tables_of_several_kinds(begin):
    text = f"{begin}\n{TABLES['a.md']}\n{PAGE}\n{TABLES['a.tex']}"
    at = 2 + begin.count("\n")
    with pytest.raises(RunsError, match=rf"found 3 tables.*: 1 .line {at}., 2 .line {at + 4}., 3 .line {at + 9}.$"):
        parse_grid(text.encode(), "README.md", Reading())
    found = [parse_grid(text.encode(), "README.md", Reading(sheet=sheet)) for sheet in "123"]
    assert [grid.rows[0].cells for grid in found] == [("x", "50"), ("y", "7"), ("x", "50")]
    assert found[1].notes == ("table '2' of 3 was read",)


def test_what_isnt_a_table_of_its_own():
    within = PAGE.replace("<td>7", f"<td>7\n\n{TABLES['a.md']}")
    whole = f"<!DOCTYPE html>\n<html>{PAGE}<pre>\n{TABLES['a.md']}</pre></html>"
    for text in (within, whole, f"{PAGE}`<table>`"):
        assert parse_grid(text.encode(), "x.html", Reading()).rows[0].cells[0] == "y"
    markdown = f"`<table>` and <table>\n\n{TABLES['a.md']}"
    assert parse_grid(markdown.encode(), "x.md", Reading()).rows[0].cells == ("x", "50")


def test_a_workbook_and_a_parquet_file():
    openpyxl, pa = pytest.importorskip("openpyxl"), pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    book, streams = openpyxl.Workbook(), (io.BytesIO(), io.BytesIO())
    book.active.append(["arm", "n"])
    book.active.append(["x", 50])
    book.save(streams[0])
    parquet.write_table(pa.table({"arm": ["x"], "n": [50]}), streams[1])
    for stream in streams:
        found = parse_grid(stream.getvalue(), "x", Reading())
        assert (found.fields, found.rows[0].cells) == (("arm", "n"), ("x", "50"))


def test_several_files_are_kept_apart_by_name(tmp_path):
    for name in ("ours.csv", "theirs.csv"):
        (tmp_path / name).write_text("n,acc\n50,0.5\n")
    found = read_grids([tmp_path / "ours.csv", tmp_path / "theirs.csv"], Reading())
    assert [(grid.arm, grid.origin) for grid in found] == [("ours", "ours"), ("theirs", "theirs")]
    with pytest.raises(OptionError, match="found a file twice"):
        read_grids([tmp_path / "ours.csv", tmp_path / "ours.csv"], Reading())


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a.csv", "b.csv"], ["a", "b"]),
        (["x/a.csv", "y/a.csv"], ["x/a", "y/a"]),
        (["x/1/a.csv", "y/1/a.csv"], ["x/1/a", "y/1/a"]),
        (["a.csv", "a.json"], ["a.csv", "a.json"]),
        (["v1.5.csv", "v1.6.csv"], ["v1.5", "v1.6"]),
    ],
)
def test_short_names(paths, names):
    assert short_names([Path(path) for path in paths]) == names


def test_paths_and_options_that_cant_be_used(tmp_path):
    with pytest.raises(OptionError, match="found no file"):
        read_grids([], Reading())
    with pytest.raises(RunsError, match=r"none\.csv: can't be read: No such file"):
        read_grids([tmp_path / "none.csv"], Reading())
    with pytest.raises(RunsError, match="found a folder, expected a file"):
        read_grids([tmp_path], Reading())
    with pytest.raises(OptionError, match=r"--sheet: x\.csv has one table alone"):
        parse_grid(b"a,b\n1,2\n", "x.csv", Reading(sheet="1"))


def test_a_long_file_takes_little_more_than_the_parser():
    """About 0.3 s for 100,000 rows; the bound leaves room for a busy machine."""
    lines = (f"arm{at % 50},{at % 20},{at},0.{at % 10000:04}" for at in range(100_000))
    content = ("arm,n,run,accuracy\n" + "\n".join(lines)).encode()
    begin = time.process_time()
    assert len(parse_grid(content, "x.csv", Reading()).rows) == 100_000
    assert time.process_time() - begin < 2
