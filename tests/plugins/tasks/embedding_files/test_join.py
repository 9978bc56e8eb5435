"""Joins by id against a slow version, and refusals with counts."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeleff.errors import DataError, OptionError
from labeleff.plugins.tasks.embedding_files.columns import Embeddings
from labeleff.plugins.tasks.embedding_files.embedding_reader import read_embeddings
from labeleff.plugins.tasks.embedding_files.join import join
from labeleff.plugins.tasks.embedding_files.label_file import Labels, read_labels
from labeleff.plugins.tasks.embedding_files.train_test import own_division


def embeddings(ids, name="clip", **beside):
    """Embeddings whose numbers say the id."""
    numbers = np.array([[float(one), 1 + float(one) ** 2] for one in ids])
    return Embeddings(f"{name}.npz", numbers, np.array([str(one) for one in ids]), **beside)


def labels(ids, **beside):
    return Labels("labels.csv", np.array([one % 3 for one in ids]), np.array([str(one) for one in ids]), **beside)


IDS = st.lists(st.integers(0, 30), min_size=1, max_size=20, unique=True)


@given(IDS, IDS, IDS)
def test_joined_items_are_those_of_a_slow_version(first, second, labelled):
    encoders = {"clip": embeddings(first), "dino": embeddings(second, "dino")}
    common = sorted(set(first) & set(second) & set(labelled), key=str)
    if not common:
        with pytest.raises(DataError, match=r"found no id of labels.csv"):
            join(encoders, labels(labelled), drop=True)
        return
    found = join(encoders, labels(labelled), drop=True)
    assert found.ids.tolist() == [str(one) for one in common]
    for name in encoders:
        assert found.features[name][found.rows[name], 0].tolist() == common
    assert found.labels.values.tolist() == [one % 3 for one in common]
    if not set(first) == set(second) == set(labelled):
        union = len({*first, *second, *labelled})
        with pytest.raises(DataError, match=rf"of {union} ids: .*leave them out with --drop"):
            join(encoders, labels(labelled))
        assert any("left out" in note for note in found.notes)


@given(st.permutations(range(12)), st.permutations(range(12)))
def test_the_order_of_rows_changes_nothing(first, second):
    plain = join({"clip": embeddings(range(12))}, labels(range(12)))
    mixed = join({"clip": embeddings(first)}, labels(second))
    assert (plain.ids == mixed.ids).all()
    assert (plain.labels.values == mixed.labels.values).all()
    left, right = (one.features["clip"][one.rows["clip"]] for one in (plain, mixed))
    assert (left == right).all()


def test_the_dimensions_of_tables_are_said_first():
    found = join({"clip": embeddings(range(3), notes=("clip.csv: 2 dimensions: f0, f1",))}, labels(range(4)), drop=True)
    assert found.notes[0] == "clip.csv: 2 dimensions: f0, f1"


def test_what_does_not_join_is_counted():
    with pytest.raises(DataError, match=r"clip.npz: no embeddings for 2 of 5 ids: '3', '4'; expected the same ids"):
        join({"clip": embeddings([0, 1, 2])}, labels([0, 1, 2, 3, 4]))
    with pytest.raises(DataError, match=r"labels.csv: no labels for 1 of 3 ids: '2'"):
        join({"clip": embeddings([0, 1, 2])}, labels([0, 1]))
    with pytest.raises(DataError, match=r"clip.npz: found no id of labels.csv \('7'\) among its own, such as '0', '1'"):
        join({"clip": embeddings([0, 1])}, labels([7]))


def without_ids(count, name="plain"):
    return Embeddings(f"{name}.npy", np.arange(2.0 * count).reshape(count, 2))


def test_rows_without_ids_join_only_where_the_user_says_so():
    table = labels(range(12))
    with pytest.raises(DataError, match=r"plain.npy: found no ids .*--by-position"):
        join({"plain": without_ids(12)}, table)
    found = join({"plain": without_ids(12)}, table, by_position=True)
    assert found.features["plain"][found.rows["plain"], 0].tolist() == [2.0 * int(one) for one in found.ids]
    with pytest.raises(DataError, match=r"other numbers of rows \(plain.npy 11, labels.csv 12\)"):
        join({"plain": without_ids(11)}, table, by_position=True)
    own = Embeddings("own.npz", np.arange(24.0).reshape(12, 2), labels=np.arange(12))
    assert join({"own": own}).labels.values.tolist() == [*range(12)]


def test_ids_of_other_files_stop_a_join_by_position():
    encoders = {"clip": embeddings([0, 1, 2]), "plain": without_ids(3)}
    with pytest.raises(DataError, match=r"labels.csv: found the id '1' in row 0, expected '0'"):
        join(encoders, labels([1, 0, 2]), by_position=True)
    assert join(encoders, labels([0, 1, 2]), by_position=True).ids.tolist() == ["0", "1", "2"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_index_of_pandas_stops_a_join_by_position(tmp_path, ending):
    """It holds the true numbers of rows that one file has in another order."""
    table = pd.DataFrame({"a": [0.5, 1.5, 2.5, 3.5], "b": [1.5, 1.25, 4.5, 5.5]})

    def written(name, frame):
        path = tmp_path / f"{name}.{ending}"
        frame.to_csv(path) if ending == "csv" else frame.to_parquet(path)
        return read_embeddings(path)

    plain, turned = written("plain", table), written("turned", table.iloc[[0, 2, 1, 3]])
    with pytest.raises(
        DataError,
        match=rf"turned.{ending}: found the index '2' in row 1, expected '1' as in .*plain.*column 'id' in ev",
    ):
        join({"plain": plain, "turned": turned}, Labels("labels", np.arange(4)), by_position=True)
    assert (
        len(
            join({"plain": plain, "same": written("same", table * 2)}, Labels("labels", np.arange(4)), by_position=True)
        )
        == 4
    )
    path = tmp_path / "labels.csv"
    table[["a"]].rename(columns={"a": "label"}).to_csv(path)
    with pytest.raises(
        DataError, match=rf"turned.{ending}: found the index '2' in row 1, expected '1' as in .*labels.csv"
    ):
        join({"turned": turned}, read_labels(path), by_position=True)
    again = pd.read_csv(path)
    again.to_csv(path)
    assert read_labels(path).index.tolist() == ["0", "1", "2", "3"]
    with_ids = written("ids", table.iloc[[0, 2, 1, 3]].assign(id=["0", "2", "1", "3"]))
    assert len(join({"ids": with_ids}, labels([0, 1, 2, 3]))) == 4


def test_labels_inside_files_must_agree():
    first = embeddings([0, 1, 2], labels=np.array([0, 1, 1]))
    same = embeddings([2, 0, 1], "dino", labels=np.array([1, 0, 1]))
    other = embeddings([2, 0, 1], "dino", labels=np.array([1, 1, 1]))
    assert join({"clip": first, "dino": same}).labels.values.tolist() == [0, 1, 1]
    with pytest.raises(DataError, match=r"dino.npz: found 1 items with other labels than in clip.npz: '0'"):
        join({"clip": first, "dino": other})
    with pytest.raises(OptionError, match="found no labels"):
        join({"clip": embeddings([0, 1])})


HALVES = np.array(["train", "train", "test"])


@pytest.mark.parametrize("role", ["split", "group"])
def test_split_and_group_come_from_whichever_file_has_them(role):
    """Where the labels have none, a file's own held; dropping them would divide the items at random."""
    plain, other = embeddings([0, 1, 2]), embeddings([2, 0, 1], "dino", **{role: HALVES[[2, 0, 1]]})
    inside = embeddings([1, 0, 2], labels=np.array([1, 0, 1]))
    for encoders, table in (
        ({"dino": other}, labels([2, 1, 0])),
        ({"clip": plain, "dino": other}, labels([1, 0, 2])),
        ({"clip": inside, "dino": other}, None),
    ):
        found = join(encoders, table)
        assert getattr(found.labels, role).tolist() == HALVES.tolist()
        assert getattr(found.labels, f"{role}_source") == "dino.npz"
        assert found.notes == (() if role == "split" else ("dino.npz: its group is used",))
    without = join({"clip": plain}, labels([0, 1, 2]))
    assert (getattr(without.labels, role), without.notes) == (None, ())


@pytest.mark.parametrize("role", ["split", "group"])
def test_splits_and_groups_of_files_must_agree_but_for_those_of_given_labels(role):
    first = embeddings([0, 1, 2], labels=np.arange(3), **{role: HALVES})
    same = embeddings([2, 0, 1], "dino", **{role: HALVES[[2, 0, 1]].astype("S")})
    other = embeddings([2, 0, 1], "dino", **{role: HALVES})
    assert join({"clip": first, "dino": same}).notes == ()
    message = rf"dino.npz: found 2 of 3 items with another {role} than in clip.npz: '1', '2'; expected .*--labels FILE"
    for table in (None, labels([0, 1, 2])):
        with pytest.raises(DataError, match=message):
            join({"clip": first, "dino": other}, table)
    found = join({"clip": first, "dino": other}, labels([2, 1, 0], **{role: HALVES}))
    assert getattr(found.labels, role).tolist() == ["test", "train", "train"]
    assert found.notes == (
        f"clip.npz: found 2 of 3 items with another {role} than in labels.csv, whose {role} is used",
        f"dino.npz: found 2 of 3 items with another {role} than in labels.csv, whose {role} is used",
    )


def test_splits_agree_in_other_words_and_a_file_with_a_mask_has_none():
    first = embeddings([0, 1, 2], labels=np.arange(3), split=HALVES)
    words = embeddings([0, 1, 2], "dino", split=np.array([" Training", "TRAIN", "testing"]))
    assert join({"clip": first, "dino": words}).labels.split.tolist() == HALVES.tolist()
    mask = embeddings([0, 1, 2], "dino", split=np.array([True, True, False]))
    note = "dino.npz: its split is left out: found splits of bool, expected the words"
    for encoders, table, split in (
        ({"clip": first, "dino": mask}, None, HALVES.tolist()),
        ({"dino": mask}, labels([0, 1, 2], split=HALVES), HALVES.tolist()),
        ({"dino": mask}, labels([0, 1, 2]), None),
        ({"dino": mask, "clip": first}, labels([0, 1, 2]), HALVES.tolist()),
    ):
        found = join(encoders, table)
        assert found.notes[0].startswith(note)
        assert (None if found.labels.split is None else found.labels.split.tolist()) == split


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (["train"] * 3, "3 training and 0 test items"),
        (["query", "test", "train"], "the split 'query'"),
        ([0, 1, 1], "spl"),
    ],
)
def test_a_split_that_divides_nothing_is_left_out_unless_it_is_the_labels_own(split, said):
    one = embeddings([0, 1, 2], split=np.array(split))
    found = join({"clip": one}, labels([0, 1, 2]))
    assert found.labels.split is None
    assert found.notes[0].startswith(f"clip.npz: its split is left out: found {said}")
    own = join({"clip": embeddings([0, 1, 2], labels=np.arange(3), split=np.array(split))})
    with pytest.raises(DataError, match=f"clip.npz: found {said}"):
        own_division(own.labels)


GROUP = [7, 12, 7]


def test_groups_of_whole_numbers_agree_in_every_type():
    """pandas makes whole numbers real ones where some row of a table has none."""
    first = embeddings([0, 1, 2], labels=np.arange(3), group=np.array(GROUP, np.uint8))
    for values in (
        np.array(GROUP, float),
        np.array(GROUP, np.float32),
        np.array(["7.0", "12.0", "7.0"]),
        np.array(GROUP),
    ):
        other = embeddings([0, 1, 2], "dino", group=values)
        assert join({"clip": first, "dino": other}).notes == ()
        alone = join({"dino": other}, labels([0, 1, 2])).labels
        assert (alone.group.tolist(), alone.group_source) == (["7", "12", "7"], "dino.npz")
    truths = embeddings([0, 1, 2], "dino", group=np.array([True, False, True]))
    assert join({"dino": truths}, labels([0, 1, 2])).labels.group.tolist() == ["True", "False", "True"]
    versions = embeddings([0, 1, 2], "dino", group=np.array(["1.0", "1", "1.10"]))
    assert join({"dino": versions}, labels([0, 1, 2])).labels.group.tolist() == ["1.0", "1", "1.10"]


def test_groups_with_gaps_are_refused_unless_another_file_has_them_whole():
    broken = embeddings([0, 1, 2], "dino", group=np.array([7, np.nan, 7]))
    said = "found 1 of 3 groups that are no whole numbers, such as nan, expected texts or whole numbers of all items"
    with pytest.raises(DataError, match=f"dino.npz: {said}.*--labels FILE"):
        join({"dino": broken}, labels([0, 1, 2]))
    first = embeddings([0, 1, 2], labels=np.arange(3), group=np.array(GROUP))
    found = join({"dino": broken, "clip": first})
    assert found.labels.group.tolist() == ["7", "12", "7"]
    assert found.notes[0].startswith(f"dino.npz: its group is left out: {said}")
    with pytest.raises(DataError, match=f"clip.npz: {said}"):
        join({"clip": embeddings([0, 1, 2], labels=np.arange(3), group=broken.group), "dino": first})


def test_a_split_of_items_that_are_left_out_goes_with_them():
    broken = embeddings(range(4), split=np.array(["train", "test", "train", "test"]))
    broken.features[2, 0] = np.nan
    found = join({"clip": broken}, labels([3, 2, 1, 0]), drop=True)
    assert (found.ids.tolist(), found.labels.split.tolist()) == (["0", "1", "3"], ["train", "test", "test"])


def test_rows_that_are_not_finite_are_refused_or_left_out():
    broken = embeddings(range(6))
    broken.features[2, 0], broken.features[4, 1] = np.nan, np.inf
    with pytest.raises(DataError, match=r"1 of 6 rows with NaN: '2'; .*1 of 6 rows with infinite numbers: '4'"):
        join({"clip": broken}, labels(range(6)))
    found = join({"clip": broken}, labels(range(6)), drop=True)
    assert found.ids.tolist() == ["0", "1", "3", "5"]
    assert found.notes[-1] == "2 items with NaN or infinite numbers left out"


def test_tables_of_labels(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,label,split,group\na,cat,train,p1\nb,dog,test,p2\n")
    found = read_labels(path)
    assert (found.ids.tolist(), found.values.tolist()) == (["a", "b"], ["cat", "dog"])
    assert (found.split.tolist(), found.group.tolist()) == (["train", "test"], ["p1", "p2"])
    path.write_text("id,dog,cat\na,0,1\nb,1,1\n")
    found = read_labels(path)
    assert (found.names, found.values.tolist()) == (("dog", "cat"), [[0, 1], [1, 1]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,dog,cat\na,0,1\nb,1,2\n", "line 3, column 'cat': found '2', expected 0 or 1"),
        ("id,split\na,train\n", "expected 'label' too"),
        ("id,label\na,1\na,2\n", "column 'id': found 1 ids more than once, such as 'a' in rows 0 and 1"),
        ("id,label,y\na,1,2\n", "could each be the labels"),
        ("id;label\na;1;2\n", "line 2: found 3 fields, expected 2 as in the header, separated by semicolon"),
    ],
)
def test_tables_of_labels_are_refused_by_line(tmp_path, text, message):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_labels(path)


def test_joining_nothing():
    with pytest.raises(DataError, match="expected at least one encoder"):
        join({}, labels([1]))


NAMES = np.array([f"img_{i}.jpg" for i in range(6)])
TURNED = np.array([3, 0, 5, 1, 2, 4])


def named(tmp_path, column, order=TURNED, ids=NAMES, **beside):
    """Embeddings of six items in Parquet, in another order, with a column that says which is which."""
    path = tmp_path / f"{column}.parquet"
    lists = [[float(i), 1.0] for i in order]
    pd.DataFrame({column: ids[order], "embedding": lists, **beside}).to_parquet(path)
    return path


def first_of(tmp_path, names=NAMES):
    path = tmp_path / "first.npz"
    np.savez(path, features=np.arange(12.0).reshape(6, 2), filenames=names, labels=np.arange(6) % 2)
    return read_embeddings(path)


@pytest.mark.parametrize("column", ["image", "ImageID", "image path", "file_name", "uuids"])
@pytest.mark.parametrize("by_position", [False, True])
def test_other_names_of_ids_join_rows_of_another_order(tmp_path, column, by_position):
    second = read_embeddings(named(tmp_path, column))
    found = join({"a": first_of(tmp_path), "b": second}, by_position=by_position)
    assert found.features["b"][found.rows["b"], 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert second.notes == (f"{tmp_path / f'{column}.parquet'}: its column {column!r} is taken for the ids",)


def test_a_column_in_another_order_stops_a_join_by_position(tmp_path):
    path = named(tmp_path, "bild", score=np.arange(6.0))
    first, second = first_of(tmp_path), read_embeddings(path)
    assert second.notes == (f"{path}: columns not used: bild, score",)
    with pytest.raises(DataError, match=r"no ids.*its column 'bild' has another text .* by --ids bild; where row i"):
        join({"a": first, "b": second})
    with pytest.raises(DataError, match=r"found 'img_0.jpg' in row 1 of its column 'bild', expected it in row 0 as in"):
        join({"a": first, "b": second}, by_position=True)
    unnamed = [replace(one, ids=None, texts={"wort": NAMES} if one is first else one.texts) for one in (first, second)]
    with pytest.raises(DataError, match="expected it in row 0 as in 'wort' of "):
        join(dict(zip("ab", unnamed, strict=True)), by_position=True)
    found = join({"a": first, "b": read_embeddings(path, ids="bild")})
    assert found.features["b"][found.rows["b"], 0].tolist() == [0, 1, 2, 3, 4, 5]
    straight = read_embeddings(named(tmp_path, "gerade", np.arange(6)))
    assert len(join({"a": first, "b": straight}, by_position=True)) == 6


def test_columns_that_tell_no_items_apart_stop_nothing(tmp_path):
    words = np.array(["a", "b", "c", "d", "e", "f"])
    first = first_of(tmp_path)
    for column in ("wort", "image"):  # other texts than the ids, even under a name of ids
        other = read_embeddings(named(tmp_path, column, ids=words))
        assert len(join({"a": first, "b": other}, by_position=True)) == 6
    scans = read_embeddings(named(tmp_path, "file", ids=np.array(["x", "x", "y", "y", "z", "z"])))
    assert (scans.ids, dict(scans.texts)) == (None, {})
    assert scans.notes == (f"{tmp_path / 'file.parquet'}: column not used: file",)
    real = tmp_path / "real.npz"
    np.savez(real, features=np.arange(12.0).reshape(6, 2), image=np.arange(6) / 7)
    assert read_embeddings(real).ids is None


def test_a_table_of_labels_says_what_it_does_not_use(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("image,label,patient,age\n" + "".join(f"{name},x,{i // 2},4\n" for i, name in enumerate(NAMES)))
    read = read_labels(path)
    assert read.ids.tolist() == NAMES.tolist()
    assert read.notes == (
        f"{path}: its column 'image' is taken for the ids",
        f"{path}: columns not used: patient, age; call 'patient' 'group' to keep what is of one on one side",
    )
    path.write_text(path.read_text().replace("patient", "group"))
    assert read_labels(path).notes[1] == f"{path}: column not used: age"
    path.write_text("id,cat,dog\n0,0,1\n1,1,1\n")
    assert read_labels(path).notes == ()
    path.write_text("bild,label\na,x\nb,y\n")
    assert read_labels(path).ids is None
    assert read_labels(path, "bild").ids.tolist() == ["a", "b"]
