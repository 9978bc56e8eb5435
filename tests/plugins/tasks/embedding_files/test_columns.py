"""Dimensions among a table's columns of numbers: those that are none are refused by name or left out, never taken."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from labeleff.errors import DataError
from labeleff.plugins.tasks.embedding_files.embedding_reader import read_embeddings


def _wide(tmp_path, ending, header, rows):
    """Write a table of one column per dimension as text or as Parquet."""
    path = tmp_path / f"wide{ending}"
    if ending == ".csv":
        path.write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n")
    else:
        columns = zip(header, zip(*rows, strict=True), strict=True)
        pyarrow.parquet.write_table(pa.table({name: pa.array(values) for name, values in columns}), path)
    return path


REAL = [[0.5 * i, 1.25 - i, 3.5 + i * i] for i in range(6)]
"""Six rows of three real numbers."""


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("name", ["class", "fold", "index", "dim_norm"])
def test_a_number_beside_numbered_dimensions_is_refused_by_name(tmp_path, ending, name):
    """Rows sorted by class would leak their labels by their index, and a class its own."""
    stray = [i / 4 if name == "dim_norm" else i // 2 for i in range(6)]
    rows = [[*row, value] for row, value in zip(REAL, stray, strict=True)]
    path = _wide(tmp_path, ending, ["f0", "f1", "f2", name], rows)
    with pytest.raises(
        DataError, match=rf"wide{ending}.*: found '{name}' beside the dimensions f0 … f2, expected .*drop"
    ):
        read_embeddings(path)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_whole_numbers_beside_real_ones_are_refused_where_names_have_no_pattern(tmp_path, ending):
    rows = [[*row, i % 3] for i, row in enumerate(REAL)]
    with pytest.raises(DataError, match=r"found 'class' beside the dimensions height, weight, width, expected"):
        read_embeddings(_wide(tmp_path, ending, ["height", "weight", "width", "class"], rows))
    real = [[*row, float(last)] for *row, last in rows]
    found = read_embeddings(_wide(tmp_path, ending, ["height", "weight", "width", "rings"], real))
    np.testing.assert_array_equal(found.features, real)
    assert found.notes == (f"{tmp_path / f'wide{ending}'}: 4 dimensions: height, weight, width, rings",)
    counts = read_embeddings(_wide(tmp_path, ending, ["a", "b"], [[i, 5 - i] for i in range(6)]))
    assert counts.features.tolist() == [[i, 5 - i] for i in range(6)]


def test_a_number_that_all_rows_of_a_table_share_may_be_written_without_a_point(tmp_path):
    """A dimension that is never active is 0 in the tables of some programs."""
    path = _wide(tmp_path, ".csv", ["height", "weight", "width", "depth"], [[*row, 0] for row in REAL])
    assert read_embeddings(path).features.shape == (6, 4)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("name", ["", "Unnamed: 0", "Unnamed: 0.1"])
def test_the_index_that_pandas_writes_is_left_out_and_said(tmp_path, ending, name):
    path = _wide(tmp_path, ending, [name, "f0", "f1", "f2"], [[i, *row] for i, row in enumerate(REAL)])
    found = read_embeddings(path)
    np.testing.assert_array_equal(found.features, REAL)
    assert found.notes == (f"{path}: 3 dimensions: f0 … f2", f"{path}: the column {name!r} left out as an index")


def test_names_in_a_column_without_a_name_are_refused(tmp_path):
    path = _wide(tmp_path, ".csv", ["", "f0", "f1", "f2"], [[f"i{i}", *row] for i, row in enumerate(REAL)])
    with pytest.raises(DataError, match=r"line 1: found the column '', which isn't an index, expected a name: 'id' if"):
        read_embeddings(path)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (["0", "1", "2"], "0 … 2"),
        (["dim_1", "dim_2", "dim_3"], "dim_1 … dim_3"),
        (["emb_0007", "emb_0003", "emb_0100"], "emb_0007 … emb_0100"),
        (["x[0]", "x[1]", "norm"], "x[0], x[1], norm"),
        (["clip_0", "dino_0", "dino_1"], "clip_0, dino_0, dino_1"),
    ],
)
def test_names_of_dimensions_are_said(tmp_path, header, said):
    found = read_embeddings(_wide(tmp_path, ".parquet", header, REAL))
    assert found.notes == (f"{tmp_path / 'wide.parquet'}: 3 dimensions: {said}",)


def test_several_families_of_dimensions_and_many_names(tmp_path):
    both = [[*row, *row] for row in REAL]
    found = read_embeddings(_wide(tmp_path, ".parquet", ["a0", "a1", "a2", "b0", "b1", "b2"], both))
    assert found.notes[0].endswith("6 dimensions: a0 … a2, b0 … b2")
    found = read_embeddings(_wide(tmp_path, ".parquet", list("abcdef"), both))
    assert found.notes[0].endswith("6 dimensions: a, b, c, d, …, f")
    folds = [[*row, i % 2, i % 3] for i, row in enumerate(REAL)]
    with pytest.raises(DataError, match=r"found 'fold1', 'fold2' beside the dimensions a0 … a2"):
        read_embeddings(_wide(tmp_path, ".parquet", ["a0", "a1", "a2", "fold1", "fold2"], folds))
