"""Parquet, Arrow and Feather: every cell as its file has it, lists as rows."""

from __future__ import annotations

import io
import sys

import pytest

from labeleff.errors import OptionError, RunsError
from labeleff.reporting.external.formats.columnar import read

pa = pytest.importorskip("pyarrow")
feather = pytest.importorskip("pyarrow.feather")
parquet = pytest.importorskip("pyarrow.parquet")


def as_parquet(columns) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), stream)
    return stream.getvalue()


def as_arrow(table, new) -> bytes:
    stream = io.BytesIO()
    with new(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue()


def as_feather(table) -> bytes:
    stream = io.BytesIO()
    feather.write_feather(table, stream)
    return stream.getvalue()


def cells(content):
    return [row.cells for row in read(content, "runs.parquet").rows]


def test_cells():
    columns = {
        "arm": ["None", None, " ä "],
        "n": [50, 100, None],
        "acc": pa.array([0.61, 50.0, float("nan")], pa.float32()),
        "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
        "ok": [True, None, False],
    }
    found = read(as_parquet(columns), "runs.parquet")
    assert found.fields == ("arm", "n", "acc", "kind", "ok")
    expected = [("None", "50", "0.61", "a", "true"), ("", "100", "50", "b", ""), ("ä", "", "nan", "a", "false")]
    assert [row.cells for row in found.rows] == expected
    assert [row.place for row in found.rows] == ["row 1", "row 2", "row 3"]


def test_every_kind_of_file():
    table = pa.table({"arm": ["a", "b"], "n": [5, 7]})
    contents = [
        as_parquet(table),
        as_feather(table),
        as_arrow(table, pa.ipc.new_file),
        as_arrow(table, pa.ipc.new_stream),
    ]
    assert [cells(content) for content in contents] == [[("a", "5"), ("b", "7")]] * 4


def test_a_column_of_lists_is_a_row_per_element():
    lists = pa.array([[9.0], [0.1, None], None, [0.3]], pa.list_(pa.float32())).slice(1)
    found = read(as_parquet({"n": [50, 100, 200], "acc": lists}), "runs.parquet")
    assert found.fields == ("n", "acc", "run")
    assert [row.cells for row in found.rows] == [("50", "0.1", "0"), ("50", "", "1"), ("200", "0.3", "0")]
    assert found.rows[1].place == "row 1, value 2"


def test_records_within_a_column_are_columns():
    assert read(as_parquet({"arm": ["a"], "test": [{"acc": 0.5, "loss": 1}]}), "r").fields == (
        "arm",
        "test.acc",
        "test.loss",
    )


def test_an_index_of_pandas():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"arm": ["a", "b"], "n": [5, 6]}, index=[3, 4])
    found = read(as_parquet(pa.Table.from_pandas(frame)), "r")
    assert (found.fields, found.rows[0].cells) == (("arm", "n", ""), ("a", "5", "3"))


def test_errors():
    with pytest.raises(RunsError, match=r"^r\.parquet: can't be read"):
        read(b"PAR1 and nothing else PAR1", "r.parquet")
    with pytest.raises(RunsError, match=r"column 'x': found list<.*, expected text, numbers, or lists of them"):
        read(as_parquet({"x": [[[1]]]}), "r.parquet")
    with pytest.raises(RunsError, match="found no row after the header"):
        read(as_parquet({"x": pa.array([], pa.int64())}), "r.parquet")


def test_without_pyarrow(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(OptionError, match=r"need pyarrow, which isn't installed; pip install 'labeleff\[tables\]'"):
        read(b"PAR1", "r.parquet")
