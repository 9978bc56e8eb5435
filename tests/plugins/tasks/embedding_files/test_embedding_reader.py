"""Embeddings in every format: the same rows from each, and a clear error for what is damaged or doesn't match."""

from __future__ import annotations

import re
import zipfile

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from safetensors.torch import save_file

from labeleff.errors import DataError
from labeleff.plugins.tasks.embedding_files import columns
from labeleff.plugins.tasks.embedding_files.embedding_reader import FORMATS, read_embeddings

ENDINGS = (".npy", ".npz", ".parquet", ".arrow", ".feather", ".h5", ".safetensors", ".pt", ".csv")
RNG = np.random.default_rng(0)
ROWS, DIM = 30, 5
HALF = RNG.normal(size=(ROWS, DIM)).astype(np.float16)
LABELS = RNG.integers(0, 3, ROWS)
IDS = np.array([f"item {i}.jpg" for i in range(ROWS)])


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_gives_the_same_rows_and_float16_stays(saved, ending):
    found = read_embeddings(saved(f"clip{ending}", HALF, ids=IDS, labels=LABELS))
    assert found.features.dtype == (np.float32 if ending == ".csv" else np.float16)
    np.testing.assert_array_equal(found.features, HALF)
    np.testing.assert_array_equal(found.labels.astype(int), LABELS)
    if ending != ".safetensors":  # it holds no texts
        np.testing.assert_array_equal(found.ids, IDS)


@pytest.mark.parametrize("ending", [".npz", ".parquet", ".arrow", ".pt"])
def test_what_is_streamed_and_large_is_mapped_from_the_cache(saved, ending, monkeypatch):
    monkeypatch.setattr(columns, "HELD", 0)
    path = saved(f"clip{ending}", HALF)
    for _ in range(2):
        found = read_embeddings(path)
        np.testing.assert_array_equal(found.features, HALF)
    assert ending == ".pt" or isinstance(found.features.base, np.memmap) or isinstance(found.features, np.memmap)
    changed = read_embeddings(saved(f"clip{ending}", -HALF[:-1]))
    np.testing.assert_array_equal(changed.features, -HALF[:-1])


def test_npz_is_decompressed_once(saved, monkeypatch):
    path, opened = saved("clip.npz", HALF), []
    monkeypatch.setattr(columns, "HELD", 0)
    read_embeddings(path)
    whole = zipfile.ZipExtFile.read
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda file, n=-1: opened.append(n) or whole(file, n))
    rows = read_embeddings(path).features
    header_alone = len(opened)
    for i in range(ROWS):
        assert (rows[i] == HALF[i]).all()
    assert len(opened) == header_alone
    assert sum(opened) < 1000


def test_a_folder_and_a_manifest_of_items(tmp_path):
    for i, row in enumerate(HALF):
        path = tmp_path / "items" / f"part{i % 2}" / f"{i}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, row if i % 2 else row[None])
    found = read_embeddings(tmp_path / "items")
    order = sorted(range(ROWS), key=lambda i: f"part{i % 2}/{i}.npy")
    assert found.ids.tolist() == [f"part{i % 2}/{i}" for i in order]
    np.testing.assert_array_equal(found.features, HALF[order])
    lines = [f"part{i % 2}/{i}.npy,{LABELS[i]},{'train' if i < 20 else 'test'}" for i in range(ROWS)]
    (tmp_path / "items" / "manifest.csv").write_text("embeddings,target,split\n" + "\n".join(lines))
    for path in (tmp_path / "items", tmp_path / "items" / "manifest.csv"):
        listed = read_embeddings(path)
        np.testing.assert_array_equal(listed.features, HALF)
        assert listed.labels.tolist() == [str(label) for label in LABELS]
        assert listed.split.tolist() == ["train"] * 20 + ["test"] * 10


@pytest.mark.parametrize("fixed", [True, False])
def test_slices_of_arrow_lists_are_read_as_they_are(tmp_path, fixed):
    """`values` of a slice has the rows before it, and those of empty slots."""
    kind = pa.list_(pa.float32(), DIM) if fixed else pa.list_(pa.float32())
    column = pa.array(HALF.astype(np.float32).tolist(), kind)
    table = pa.table({"embedding": column}).slice(4, 11)
    with pa.ipc.new_stream(tmp_path / "part.arrow", table.schema) as writer:
        writer.write_table(table)
    np.testing.assert_array_equal(read_embeddings(tmp_path / "part.arrow").features, HALF[4:15])


@pytest.mark.parametrize("write", ["parquet", "arrow"])
def test_empty_lists_numbers_and_lengths_are_named_with_their_row(tmp_path, write):
    rows = HALF.astype(np.float32).tolist()
    cases = {
        r"row 9: found 2 empty values": [None if i in (9, 12) else row for i, row in enumerate(rows)],
        r"row 9: found an empty number": [[*row[:4], None] if i == 9 else row for i, row in enumerate(rows)],
        r"row 9: found 4 numbers, expected 5": [row[:4] if i == 9 else row for i, row in enumerate(rows)],
    }
    for message, values in cases.items():
        table = pa.table({"embedding": pa.array(values, pa.list_(pa.float32()))})
        path = tmp_path / f"clip.{write}"
        if write == "parquet":
            pyarrow.parquet.write_table(table, path)
        else:
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table)
        with pytest.raises(DataError, match=rf"clip.{write}, column 'embedding', {message}"):
            read_embeddings(path)


def test_columns_of_numbers_beside_each_other_without_the_index_of_pandas(tmp_path):
    table = {f"f{i}": HALF[:, i].astype(np.float32) for i in range(DIM)} | {"id": IDS, "__index_level_0__": LABELS}
    pyarrow.parquet.write_table(
        pa.table({name: pa.array(v.tolist()) for name, v in table.items()}), tmp_path / "w.parquet"
    )
    found = read_embeddings(tmp_path / "w.parquet")
    np.testing.assert_array_equal(found.features, HALF)
    assert found.ids.tolist() == IDS.tolist()


def test_strided_and_bfloat16_tensors_keep_their_numbers(tmp_path):
    x = torch.from_numpy(HALF.astype(np.float32))
    torch.save(x[::2], tmp_path / "strided.pt")
    torch.save(x.T.contiguous().T, tmp_path / "transposed.pt")
    save_file({"features": x.bfloat16()}, tmp_path / "bf.safetensors")
    torch.save(x, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    np.testing.assert_array_equal(read_embeddings(tmp_path / "strided.pt").features, x[::2])
    np.testing.assert_array_equal(read_embeddings(tmp_path / "transposed.pt").features, x)
    np.testing.assert_array_equal(read_embeddings(tmp_path / "old.pt").features, x)
    halved = read_embeddings(tmp_path / "bf.safetensors").features
    assert halved.dtype == np.float32
    np.testing.assert_array_equal(halved, x.bfloat16().float())


def test_columns_first_and_big_endian_arrays_keep_their_numbers(tmp_path):
    for name, array in {"f": np.asfortranarray(HALF), "b": HALF.astype(">f4")}.items():
        np.save(tmp_path / f"{name}.npy", array)
        np.savez(tmp_path / f"{name}.npz", features=array)
        for ending in ("npy", "npz"):
            np.testing.assert_array_equal(read_embeddings(tmp_path / f"{name}.{ending}").features, HALF)


def test_hdf5_in_pieces_is_read_and_in_one_piece_is_mapped(tmp_path):
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["features"] = HALF
    with h5py.File(tmp_path / "pieces.h5", "w") as file:
        file.create_dataset("features", data=HALF, chunks=(4, DIM), compression="gzip")
        file.create_dataset("ids", data=IDS.tolist())
    assert isinstance(read_embeddings(tmp_path / "one.h5").features, np.memmap)
    found = read_embeddings(tmp_path / "pieces.h5")
    np.testing.assert_array_equal(found.features, HALF)
    assert found.ids.tolist() == IDS.tolist()


def test_arrays_are_guessed_or_named(tmp_path):
    np.savez(tmp_path / "a.npz", image=HALF, y=LABELS)
    np.savez(tmp_path / "b.npz", image=HALF, text=-HALF, label=LABELS[:, None])
    guessed = read_embeddings(tmp_path / "a.npz")
    np.testing.assert_array_equal(guessed.features, HALF)
    with pytest.raises(DataError, match=r"found the arrays 'image' float16 .*, 'text' .*name the array"):
        read_embeddings(tmp_path / "b.npz")
    named = read_embeddings(tmp_path / "b.npz", "text")
    np.testing.assert_array_equal(named.features, -HALF)
    np.testing.assert_array_equal(named.labels, LABELS)
    with pytest.raises(DataError, match="expected 'dino' among them"):
        read_embeddings(tmp_path / "b.npz", "dino")


class Marks:
    """Leaves a mark when it is unpickled."""

    made = False

    def __reduce__(self):
        return (setattr, (Marks, "made", True))


def test_nothing_is_unpickled(tmp_path):
    objects = np.array([Marks(), Marks()], dtype=object)
    np.save(tmp_path / "o.npy", objects)
    np.savez(tmp_path / "o.npz", features=HALF, ids=objects)
    torch.save({"features": Marks()}, tmp_path / "o.pt")
    for name, way_out in (("o.npy", "numpy.stack"), ("o.npz", "dtype=str"), ("o.pt", "torch.save")):
        with pytest.raises(DataError, match=rf"{name}.*Python objects.*{way_out}"):
            read_embeddings(tmp_path / name)
    assert not Marks.made


def test_unwritable_cache_folders_lose_nothing(saved, monkeypatch, tmp_path):
    monkeypatch.setattr(columns, "HELD", 0)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LABELEFF_CACHE", str(tmp_path / "file"))
    np.testing.assert_array_equal(read_embeddings(saved("clip.npz", HALF)).features, HALF)


def _truncated(content, share):
    return content[: int(len(content) * share)]


def _zeroed(content, share):
    start = int(len(content) * share)
    return content[:start] + bytes(min(64, len(content) - start)) + content[start + 64 :]


CUTS = [(_truncated, share) for share in (0, 0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)]
HEADS = [(_zeroed, 0.0)]
CHECKED = [(_zeroed, share) for share in (0.1, 0.2, 0.4, 0.6)]
"""Damage in the middle, which formats with checksums notice."""


@pytest.mark.parametrize("ending", ENDINGS)
def test_damaged_files_are_refused_by_name(saved, ending):
    """135 cut files, 9 without their beginning, 4 with other bytes in the middle."""
    path = saved("clip.npy", HALF) if ending == ".npy" else saved(f"clip{ending}", HALF, labels=LABELS)
    content = path.read_bytes()
    for damage, share in CUTS + HEADS + (CHECKED if ending == ".npz" else []):
        path.write_bytes(damage(content, share))
        if ending == ".csv" and share not in {0, 0.02} and damage is _truncated:
            path.write_bytes(path.read_bytes().rpartition(b",")[0])
        with pytest.raises(DataError, match=re.escape(str(path))) as caught:
            read_embeddings(path)
        assert "expected" in str(caught.value)
        assert "\n" not in str(caught.value)


def _mismatches():
    """Columns that don't fit each other, and what the error has to name."""
    long = np.concatenate([LABELS, LABELS])
    yield {"labels": long}, r"'labels': found 60 rows, expected 30"
    yield {"labels": LABELS[:-1]}, r"'labels': found 29 rows, expected 30"
    yield {"ids": IDS[:-2]}, r"'ids': found 28 rows"
    yield {"ids": np.array(["a"] * ROWS)}, r"found 1 ids more than once, such as 'a' in rows 0 and 1"
    yield {"ids": np.array(["", *IDS[1:]])}, r"found 1 empty ids, first in row 0"
    yield {"split": np.array(["train"] * 3)}, r"'split': found 3 rows"
    yield {"labels": LABELS, "y": LABELS}, r"found 'labels', 'y', which could each be the labels"
    yield {"ids": IDS, "filename": IDS}, r"could each be the ids"
    yield {"group": np.zeros((ROWS, 2))}, r"'group': found shape \(30, 2\)"


@pytest.mark.parametrize("ending", [".npz", ".h5"])
@pytest.mark.parametrize(("columns_beside", "message"), list(_mismatches()))
def test_columns_that_do_not_fit_are_refused(saved, ending, columns_beside, message):
    with pytest.raises(DataError, match=rf"clip{ending}.*{message}"):
        read_embeddings(saved(f"clip{ending}", HALF, **columns_beside))


@pytest.mark.parametrize("ending", [".npy", ".npz", ".h5", ".pt", ".safetensors"])
@pytest.mark.parametrize(
    ("features", "message"),
    [
        (HALF[:, 0], r"found shape \(30,\), expected \(N, dim\)"),
        (HALF[:, None], r"found shape \(30, 1, 5\), expected \(N, dim\)"),
        (HALF[:0], r"found shape \(0, 5\), expected at least one row"),
        (HALF[:, :0], r"found shape \(30, 0\)"),
        (HALF > 0, r"found bool, expected numbers"),
        (HALF.astype(np.complex64), r"found complex64, expected numbers"),
    ],
)
def test_arrays_that_are_no_embeddings_are_refused(saved, ending, features, message):
    with pytest.raises(DataError, match=rf"clip{ending}, 'features': {message}"):
        read_embeddings(saved(f"clip{ending}", features))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found 0 rows"),
        (b"id,a\n", "found 1 rows"),
        (b"id,a,a\n1,2,3\n", "found the column 'a' twice"),
        (b"1,2\n3,4\n", "found the number '1' in the header"),
        (b"id,a\nx,1\ny\n", "line 3: found 1 fields, expected 2"),
        (b"id,a\nx,1\ny,1.5.2\n", "line 3, column 'a': found '1.5.2', expected a number"),
        (b'id,a\n"x,1\n', "line 2, column 1: found a field"),
        (b"id,a\nx,1\n\xff,2\n", "line 3, character 1: found the byte 0xff"),
        (b"id,label\nx,1\n", "expected columns of numbers too"),
        (b"id,a\nx,1\nx,2\n", "found 1 ids more than once"),
        (b"id,filename,a\nx,x,1\n", "could each be the ids"),
    ],
)
def test_tables_are_refused_by_line(tmp_path, content, message):
    (tmp_path / "clip.csv").write_bytes(content)
    with pytest.raises(DataError, match=rf"clip.csv.*{re.escape(message)}"):
        read_embeddings(tmp_path / "clip.csv")


def test_files_that_are_not_there_or_of_another_kind(tmp_path):
    for ending in FORMATS:
        with pytest.raises(DataError, match=rf"clip{ending}: (not there|can't be read)"):
            read_embeddings(tmp_path / f"clip{ending}")
    (tmp_path / "clip.npyy").write_text("")
    with pytest.raises(DataError, match=r"unknown ending '.npyy'; did you mean '.npy'"):
        read_embeddings(tmp_path / "clip.npyy")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: found no file ending in .npy"):
        read_embeddings(tmp_path / "empty")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("embeddings,target\nmissing.npy,1", "line 2, column 'embeddings': found 'missing.npy'"),
        ("embeddings,target\n,1", "line 2, column 'embeddings': found ''"),
        ("file,target\na.npy,1", "expected 'embeddings' too"),
        ("embeddings,target\na.npy,1\nb.npy,1", r"b.npy: found float16 \(4,\), expected float16 \(5,\)"),
        ("embeddings,target\na.npy,1\na.npy,2", "found 1 ids more than once"),
        ("embeddings\nc.npy", r"c.npy: found shape \(2, 5\), expected the embedding of one item"),
    ],
)
def test_manifests_are_refused_by_line(tmp_path, lines, message):
    for name, row in {"a": HALF[0], "b": HALF[1, :4], "c": HALF[:2]}.items():
        np.save(tmp_path / f"{name}.npy", row)
    (tmp_path / "manifest.csv").write_text(lines)
    with pytest.raises(DataError, match=message):
        read_embeddings(tmp_path / "manifest.csv")


def test_datasets_in_groups_of_hdf5(tmp_path):
    path, rows = tmp_path / "h.h5", np.arange(12.0).reshape(6, 2)
    with h5py.File(path, "w") as file:
        for name, features in (("data", rows), ("more", rows + 1)):
            group = file.create_group(name)
            group["features"], group["labels"] = features, np.arange(6) % 2
            group["image"] = np.array([f"{name}{i}".encode() for i in range(6)])
    found = read_embeddings(path, "data/features")
    assert found.features.tolist() == rows.tolist()
    assert found.labels.tolist() == [0, 1] * 3
    assert found.ids.tolist()[0] == "data0"
    assert read_embeddings(path, "/more/features").features.tolist() == (rows + 1).tolist()
    for array, where in ((None, "at the top of the file"), ("date/features", "in the group 'date'")):
        with pytest.raises(DataError, match=rf"{where}, expected one of .*'h.h5:GROUP/NAME': 'data/features' float64"):
            read_embeddings(path, array)
    with pytest.raises(DataError, match="expected 'data/feats' among them"):
        read_embeddings(path, "data/feats")


@pytest.mark.parametrize(("ending", "what"), [(".pkl", "aren't unpickled"), (".vec", "word2vec"), (".txt", "word2vec")])
def test_files_of_no_format_say_what_to_do(tmp_path, ending, what):
    with pytest.raises(DataError, match=rf"{what}.*; save them in Python by numpy.savez") as caught:
        read_embeddings(tmp_path / f"x{ending}")
    assert "did you mean" not in str(caught.value)


def test_numbers_without_a_header(tmp_path):
    np.savetxt(tmp_path / "plain.csv", np.random.default_rng(0).normal(size=(5, 3)), delimiter=",")
    with pytest.raises(DataError, match=r"in the header.* or save numbers alone as .npy"):
        read_embeddings(tmp_path / "plain.csv")
