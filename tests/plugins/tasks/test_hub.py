"""Image data sets as Parquet and Arrow files, and from the Hugging Face Hub (never reached here)."""

from __future__ import annotations

import io
import json
import shutil

import huggingface_hub
import numpy as np
import pytest
from PIL import Image

from labeleff.catalogue import lookup
from labeleff.errors import DataError
from labeleff.training.examples import Source, load_task

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def png(level):
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8), level, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def table(levels, labels, names=None, column="image"):
    images = [{"bytes": png(level), "path": None} for level in levels]
    made = pa.table({column: images, "label": labels})
    if names is not None:
        features = {"label": {"names": names, "_type": "ClassLabel"}, column: {"_type": "Image"}}
        made = made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    return made


def write(root, train, test, folder="data"):
    (root / folder).mkdir(parents=True, exist_ok=True)
    half = train.num_rows // 2
    pq.write_table(train.slice(0, half), root / folder / "train-00000-of-00002.parquet")
    pq.write_table(train.slice(half), root / folder / "train-00001-of-00002.parquet")
    pq.write_table(test, root / folder / "test-00000-of-00001.parquet")
    return root


def load(root, **options):
    spec = lookup.complete("task", "parquet/classify", {"path": str(root), "size": 8, **options})
    return load_task(spec, Source(root, offline=True))


@pytest.fixture
def root(tmp_path):
    train = table([1, 2, 3, 4], [1, 0, 2, 1], ["cat", "dog", "ant"])
    return write(tmp_path / "set", train, table([5, 6], [2, 0]))


def test_shards_in_order_and_names_from_the_schema(root):
    pq.write_table(table([9], [0]), root / "data" / "validation-00000-of-00001.parquet")
    task = load(root)
    assert task.train.images[:, 0, 0, 0].tolist() == [1, 2, 3, 4]
    assert task.train.labels.tolist() == [1, 0, 2, 1]
    assert task.test.labels.tolist() == [2, 0]
    assert task.classes == ("cat", "dog", "ant")
    assert task.facts["not read"] == {"of other splits": 1}
    assert load(root, test_split="validation").test.images[0, 0, 0, 0] == 9


def test_labels_without_names_are_sorted_as_what_they_are(tmp_path):
    task = load(write(tmp_path / "numbers", table([1, 2, 3, 4], [10, 2, 2, 10]), table([5], [10])))
    assert task.classes == ("2", "10")
    assert task.train.labels.tolist() == [1, 0, 0, 1]
    task = load(write(tmp_path / "texts", table([1, 2], ["b", "a"], column="img"), table([5], ["a"], column="img")))
    assert task.classes == ("a", "b")


def test_what_save_to_disk_writes(tmp_path):
    for split, levels in (("train", [1, 2]), ("test", [3])):
        (tmp_path / split).mkdir()
        made = table(levels, [0, 1][: len(levels)])
        with pa.ipc.new_stream(str(tmp_path / split / "data-00000-of-00001.arrow"), made.schema) as stream:
            stream.write_table(made)
        shutil.copy(tmp_path / split / "data-00000-of-00001.arrow", tmp_path / split / "cache-1f.arrow")
    task = load(tmp_path)
    assert (len(task.train), len(task.test)) == (2, 1)


@pytest.mark.parametrize(
    ("made", "options", "message"),
    [
        (table([1, 2], [0, -1]), {}, r"row 0, label: found -1, expected a class"),
        (table([1, 2], [0, None]), {}, r"row 0, label: found None, expected a class"),
        (table([1, 2], [0, 0]), {}, r"found one class in training, 0, expected at least two"),
        (table([1, 2], [0, 7], ["a", "b"]), {}, r"found the label 7, expected under 2, the number of names"),
        (table([1, 2], [0, 1], column="pixels"), {}, r"found columns pixels, label, expected 'image' or 'img'"),
        (table([1, 2], [0, 1]), {"label_column": "kind"}, r"found columns image, label, expected 'kind'"),
        (pa.table({"image": [b"x", b"y"], "label": [0, 1]}), {}, r"row 0: not a readable image"),
        (
            pa.table({"image": [{"bytes": None, "path": "a.png"}] * 2, "label": [0, 1]}),
            {},
            r"row 0, image: found a path without bytes, 'a.png', expected the bytes",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path, made, options, message):
    with pytest.raises(DataError, match=message):
        load(write(tmp_path, made, table([1], [0])), **options)


def test_missing_splits_and_damaged_files_are_named(root):
    with pytest.raises(
        DataError, match=r"found data/test-0.*, expected .parquet or .arrow files with 'dev' in their n"
    ):
        load(root, test_split="dev")
    path = root / "data" / "test-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"test-00000-of-00001.parquet: not a readable .parquet file"):
        load(root)
    with pytest.raises(DataError, match=r"nowhere: not there; expected a folder of .parquet files"):
        load(root / "nowhere")


def test_a_hub_is_asked_for_a_commit_and_for_data_alone(root, tmp_path, monkeypatch):
    asked = {}

    def snapshot(repo, **options):
        asked.update(options, repo=repo)
        return str(root)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    spec = lookup.complete("task", "hf/classify", {"repo": "me/mine", "revision": "v1", "size": 8})
    task = load_task(spec, Source(tmp_path, offline=True))
    assert task.provenance == "Hugging Face data set me/mine, commit set"
    assert (asked["repo"], asked["revision"], asked["repo_type"]) == ("me/mine", "v1", "dataset")
    assert asked["local_files_only"]
    assert not any(pattern.endswith(("py", "*")) for pattern in asked["allow_patterns"])


def test_a_hub_that_cannot_be_reached_says_what_to_do(tmp_path):
    spec = lookup.complete("task", "hf/classify", {"repo": "me/mine", "revision": "v1"})
    with pytest.raises(DataError, match=r"me/mine at v1 can't be had, and offline nothing is fetched: .* Run once"):
        load_task(spec, Source(tmp_path, offline=True))
