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
    with pytest.raises(
        DataError, match=r"wide.csv: found the column '', which isn't an index, expected a name: 'id' if"
    ):
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


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("name", ["fold", "age"])
@pytest.mark.parametrize("pattern", ["f{}_l2", "dim_{}_layer_12"])
def test_the_number_that_differs_makes_the_pattern_wherever_it_is(tmp_path, ending, name, pattern):
    """The last number of all names was a constant, and real numbers beside them were taken for a dimension."""
    header = [pattern.format(i) for i in range(3)]
    path = _wide(tmp_path, ending, [*header, name], [[*row, i % 2 + 0.5] for i, row in enumerate(REAL)])
    with pytest.raises(DataError, match=f"found '{name}' beside the dimensions {header[0]} … {header[2]}, expected"):
        read_embeddings(path)
    grid = _wide(tmp_path, ending, ["p0_0", "p0_1", "p0_2", "p1_0", "p1_1", "p1_2"], [[*row, *row] for row in REAL])
    assert read_embeddings(grid).notes == (f"{grid}: 6 dimensions: p0_0 … p0_2, p1_0 … p1_2",)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("name", ["class", "fold", "Fold_1", "patient_id", "PatientId", "index", "cluster"])
@pytest.mark.parametrize("kind", [int, float])
def test_names_of_what_is_said_of_items_are_refused_whatever_their_numbers(tmp_path, ending, name, kind):
    rows = [[kind(i % 3), kind(i % 2), kind(5 - i)] for i in range(6)]
    with pytest.raises(
        DataError, match=f"found '{name}' beside the dimensions cat, dog, expected .*'wide.*:\\*' for all"
    ):
        read_embeddings(_wide(tmp_path, ending, ["cat", "dog", name], rows))
    with pytest.raises(DataError, match=f"found '{name}' beside no dimension, expected"):
        read_embeddings(_wide(tmp_path, ending, [name], [[i] for i in range(6)]))


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_whole_numbers_under_a_name_of_ids_are_ids_where_all_differ(tmp_path, ending):
    def read(numbers, array=None):
        rows = [[*row, number] for row, number in zip(REAL, numbers, strict=True)]
        return read_embeddings(_wide(tmp_path, ending, ["f0", "f1", "f2", "image_id"], rows), array)

    found = read([5, 4, 3, 2, 1, 0])
    assert found.ids.tolist() == ["5", "4", "3", "2", "1", "0"]
    assert found.notes[0].endswith("3 dimensions: f0 … f2")
    assert found.notes[1].endswith("its column 'image_id' is taken for the ids")
    assert read([5, 4, 3, 2, 1, 0], "*").features.shape == (6, 4)
    for others in ([0, 0, 1, 1, 2, 2], [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]):
        with pytest.raises(DataError, match="found 'image_id' beside the dimensions f0 … f2"):
            read(others)


def test_numbered_names_of_what_is_said_of_items_are_dimensions_where_they_are_most(tmp_path):
    """Distances from centres and probabilities of classes are features too, but not beside others."""
    path = _wide(tmp_path, ".csv", ["cluster_0", "cluster_1", "cluster_2"], REAL)
    assert read_embeddings(path).features.shape == (6, 3)
    path = _wide(tmp_path, ".csv", ["f0", "f1", "f2", "f3", "class_0", "class_1"], [[*row, *row] for row in REAL])
    with pytest.raises(DataError, match="found 'class_0', 'class_1' beside the dimensions f0 … f3"):
        read_embeddings(path)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_the_largest_family_is_of_dimensions_whatever_its_numbers(tmp_path, ending):
    """Quantised features were blamed for the one real column beside them."""
    whole = [[int(4 * one) for one in row] for row in REAL]
    path = _wide(tmp_path, ending, ["d0", "d1", "d2", "scale"], [[*row, 0.5 + i] for i, row in enumerate(whole)])
    with pytest.raises(DataError, match="found 'scale' beside the dimensions d0 … d2, expected"):
        read_embeddings(path)
    tags = [[i % 2, i // 3, int(i == 4), *row, 1.5 + i] for i, row in enumerate(REAL)]
    with pytest.raises(DataError, match="found 't0', 't1', 't2' beside the dimensions d0 … d3, expected"):
        read_embeddings(_wide(tmp_path, ending, ["t0", "t1", "t2", "d0", "d1", "d2", "d3"], tags))


def test_a_dead_dimension_of_counts_says_nothing_of_the_others(tmp_path):
    path = _wide(tmp_path, ".csv", ["the", "of", "cat"], [[i, 5 - i, 0] for i in range(6)])
    assert read_embeddings(path).features.shape == (6, 3)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_pattern_says_which_columns_are_dimensions(tmp_path, ending):
    header = ["", "m_0", "m_1", "m_2", "zcr", "fold"]
    path = _wide(tmp_path, ending, header, [[i, *row, i / 4, i % 2] for i, row in enumerate(REAL)])
    with pytest.raises(DataError, match=r": 'wide.*:m_\[0-9\]\*' for those or 'wide.*:\*' for all"):
        read_embeddings(path)
    found = read_embeddings(path, "m_[0-9]*")
    np.testing.assert_array_equal(found.features, REAL)
    assert found.notes == (
        f"{path}: 3 dimensions: m_0 … m_2",
        f"{path}: the column '' left out as an index",
        f"{path}: left out, as their names aren't like 'm_[0-9]*': zcr, fold",
    )
    everything = read_embeddings(path, "*")
    assert everything.notes[0] == f"{path}: 5 dimensions: m_0 … m_2, zcr, fold"
    assert everything.features.shape == (6, 5)
    with pytest.raises(DataError, match=r"found the columns m_0 … m_2, zcr, fold, expected names like 'q\*'"):
        read_embeddings(path, "q*")


def test_a_file_read_with_two_patterns_has_two_places_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("labeleff.plugins.tasks.embedding_files.columns.HELD", 0)
    path = _wide(tmp_path, ".parquet", ["a0", "a1", "b0"], REAL)
    assert [read_embeddings(path, p).features.shape[1] for p in ("*", "a*", "b*", "*")] == [3, 2, 1, 3]
