"""`labeleff embeddings` and `labeleff.probe`: a study from files or arrays, written or measured."""

import os
import re
import runpy
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

import labeleff
from labeleff.commands.embeddings import toml
from labeleff.errors import DataError, OptionError, UnknownNameError
from labeleff.plugins.tasks.embedding_files.probed_arrays import probed_arrays

COUNT = 90
LABELS = np.arange(COUNT) % 3


def features(noise, seed):
    rng = np.random.default_rng(seed)
    return np.eye(3, 5)[LABELS] + noise * rng.normal(size=(COUNT, 5))


@pytest.fixture
def files(tmp_path):
    for name, noise in (("good", 0.2), ("poor", 0.8)):
        np.savez(tmp_path / f"{name}.npz", features=features(noise, 0), ids=np.arange(COUNT), labels=LABELS)
    return [f"good={tmp_path}/good.npz", f"poor={tmp_path}/poor.npz"]


def test_files_are_measured_and_reported_on(files, called_here, tmp_path):
    out = tmp_path / "run"
    shared = ("--rungs", "6,24,72", "--draws", "2", "--baseline", "poor", "-o", out, "-q", "-j", "1")
    status, output, error = called_here("embeddings", *files, *shared)
    assert status == 0, error
    assert re.search(r"embedding\(of=good\)/linear.* (is|are) worth labels", output)
    assert "test items" in (out / "report.md").read_text()
    records = labeleff.read_records(out).cells
    assert len(records) == 2 * 2 * 3 * 2
    assert called_here("embeddings", *files, *shared)[0] == 0
    assert len(labeleff.read_records(out).cells) == len(records)


def test_shards_are_merged_and_an_interrupted_run_goes_on(files, called_here, tmp_path):
    study, options = tmp_path / "mine.toml", ("--rungs", "6,24", "--draws", "2", "-q", "-j", "1")
    assert called_here("embeddings", *files, *options[:4], "--write", study)[0] == 0
    assert called_here("embeddings", *files, *options, "-o", tmp_path / "whole")[0] == 0
    parts = [tmp_path / f"part{k}" for k in (1, 2)]
    for k, part in enumerate(parts, start=1):
        assert called_here("run", study, "--shard", f"{k}/2", "--out", part, "-q", "-j", "1")[0] == 0
    assert called_here("merge", *parts, "--out", tmp_path / "merged")[0] == 0
    records = tmp_path / "whole" / "records.jsonl"
    lines = records.read_bytes().splitlines(keepends=True)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "records.jsonl").write_bytes(b"".join(lines[:-4]) + lines[-4][:50])  # as a kill leaves it
    assert called_here("embeddings", *files, *options, "-o", tmp_path / "cut")[0] == 0
    expected = {r.key: r.metrics for r in labeleff.read_records(tmp_path / "whole").cells.values()}
    for name in ("merged", "cut"):
        found = {r.key: r.metrics for r in labeleff.read_records(tmp_path / name).cells.values()}
        assert found == expected
        output = called_here("compare", tmp_path / "whole", tmp_path / name)[1]  # memory grows within this process
        assert "not compared" not in output
        assert "worse: accuracy" not in output


def test_other_numbers_in_a_file_are_another_measurement(files, called_here, tmp_path):
    options = ("--rungs", "6,24", "--draws", "2", "-q", "-j", "1")
    assert called_here("embeddings", *files, *options, "-o", tmp_path / "base")[0] == 0
    np.savez(tmp_path / "poor.npz", features=features(0.4, 5), ids=np.arange(COUNT), labels=LABELS)
    assert called_here("embeddings", *files, *options, "-o", tmp_path / "changed")[0] == 0
    status, output, _ = called_here("compare", tmp_path / "base", tmp_path / "changed")
    assert status == 1
    assert "4 cells refused: data of embeddings/classify(" in output


def test_the_example_of_texts_runs(tmp_path, python_server, monkeypatch):
    pytest.importorskip("sklearn")
    example = Path(__file__).parents[2] / "examples" / "text.py"
    names = runpy.run_path(str(example))
    texts, rooms = names["texts_and_rooms"](60)
    assert len(texts) == len(rooms) == 60
    assert all(room in text for text, room in zip(texts, rooms, strict=True))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    words = [*python_server.python(os.environ), example, tmp_path / "run"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "embedding(of=learned)/linear is worth labels" in (tmp_path / "run" / "report.md").read_text()


def test_a_study_is_written_that_plan_takes(files, called_here, tmp_path):
    path = tmp_path / "mine.toml"
    status, output, error = called_here("embeddings", *files, "--protocols", "linear, mlp", "--write", path)
    assert status == 0, error
    assert f"study: {path}" in output
    study = labeleff.load_study(str(path))
    assert study.rungs == [10, 20, 50]
    assert study.arm_names[0] == study.baseline == "embedding(of=good)/linear"
    status, output, error = called_here("plan", path)
    assert status == 0, error
    assert "60 cells" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rungs", "5,x"], "--rungs: found 'x', expected label counts"),
        (["--baseline", "best"], "unknown file (as baseline) 'best'"),
        (["--protocols", "finetune", "--rungs", "6,12"], "found 'finetune', which trains the encoder"),
        (["--target", "colours"], "unknown target"),
        (["--subset", "even", "--rungs", "6,12"], "subset"),
        (["--labels", "nothing.csv"], "nothing.csv: can't be read"),
        (["--held-out", "90"], "found 90 test items of 90"),
    ],
)
def test_what_is_wrong_is_said(files, called_here, arguments, message):
    status, _, error = called_here("embeddings", *files, *arguments)
    assert status == 2
    assert message in error


def test_no_study_is_written_of_files_that_it_could_not_read(called_here, tmp_path):
    for name in "ab":
        np.savez(tmp_path / f"{name}.npz", features=features(0.2, 0), labels=LABELS)
    given = f"a={tmp_path}/a.npz", f"b={tmp_path}/b.npz", "--rungs", "6,12", "--write", tmp_path / "mine.toml"
    status, _, error = called_here("embeddings", *given)
    assert status == 2
    assert "found no ids" in error
    assert not (tmp_path / "mine.toml").exists()
    assert called_here("embeddings", *given, "--by-position")[0] == 0
    assert (tmp_path / "mine.toml").exists()


def test_how_files_were_read_is_printed(called_here, tmp_path):
    sides = np.where(np.arange(COUNT) % 5 == 0, "val", np.where(np.arange(COUNT) % 5 == 1, "test", "train"))
    for name, column in (("a", "wort"), ("b", "other")):
        frames = {column: [f"w{i}" for i in range(COUNT)], "embedding": list(features(0.2, 0))}
        pytest.importorskip("pandas").DataFrame(frames).to_parquet(tmp_path / f"{name}.parquet")
    rows = [f"w{i},{LABELS[i]},{sides[i]},{i // 6}" for i in range(COUNT)]
    (tmp_path / "labels.csv").write_text("\n".join(["wort,label,split,patient", *rows, ""]))
    given = f"a={tmp_path}/a.parquet", "--labels", tmp_path / "labels.csv", "--ids", "wort"
    study = tmp_path / "mine.toml"
    assert called_here("embeddings", *given, "--rungs", "6,12", "--write", study)[0] == 0
    for line in ("plan", study), ("run", study, "-o", tmp_path / "out", "-q", "-j", "1"):
        status, output, error = called_here(*line)
        assert status == 0, error
        assert f"note: {tmp_path}/labels.csv: 18 items of the validation split left out\n" in output
        assert f"note: {tmp_path}/labels.csv: column not used: patient; call 'patient' 'group'" in output
    for name in ("report.md", "details.md"):
        assert "18 items of the validation split left out" in (tmp_path / "out" / name).read_text()
    status, _, error = called_here("embeddings", f"b={tmp_path}/b.parquet", *given[1:-1], "nothing", "--rungs", "6,12")
    assert status == 2
    assert "ids: found no column 'nothing' in any file" in error


def test_text_without_a_name(called_here):
    assert "expected NAME=FILE" in called_here("embeddings", "clip.npz", "--rungs", "6,12")[2]


def test_tables_are_written_as_toml():
    table = {
        "name": 'a"b',
        "tasks": [{"name": "t", "drop": True, "x": 1.5}],
        "arms": [{"pretext": {"of": "é\n"}}],
        "rungs": [1, 2],
    }
    assert tomllib.loads(toml(table)) == table


def test_arrays_are_probed(tmp_path):
    arrays = {"poor": features(1.5, 0), "good": features(0.2, 1).astype(np.float16)}
    results = labeleff.probe(arrays, LABELS, tmp_path / "out", rungs=[6, 24], draws=2, protocols=["knn"])
    assert not results.failed
    by_arm = {of: [r.metrics["accuracy"] for r in results.cells if r.cell.pretext.options["of"] == of] for of in arrays}
    assert np.mean(by_arm["good"]) > np.mean(by_arm["poor"]) + 0.1
    test = {name: array[:30] for name, array in arrays.items()}
    train = {name: array[30:] for name, array in arrays.items()}
    results = labeleff.probe(train, LABELS[30:], tmp_path / "own", test=(test, LABELS[:30]), rungs=[6, 60], draws=1)
    assert {r.test_count for r in results.cells} == {30}


def held(kind, array):
    """An array in what else may hold it."""
    if kind == "torch":
        return torch.tensor(array).requires_grad_(array.dtype.kind == "f")
    if kind == "pandas":
        frames = pytest.importorskip("pandas")
        return frames.DataFrame(array) if array.ndim == 2 else frames.Series(array)
    return array.tolist() if kind == "lists" else array


@pytest.mark.parametrize("kind", ["numpy", "torch", "pandas", "lists"])
def test_whatever_holds_arrays_says_the_same(kind, tmp_path):
    x, mask = features(0.2, 0), np.arange(COUNT) % 5 == 0
    given = probed_arrays({"a": held(kind, x)}, held(kind, LABELS), held(kind, mask))
    np.testing.assert_array_equal(given.features["a"], x)
    np.testing.assert_array_equal(given.labels, LABELS)
    np.testing.assert_array_equal(given.testing, mask)
    given.write(tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "a.split.npy") == "test", mask)
    probed_arrays({"a": x}, LABELS, 0.1).write(tmp_path)
    assert not (tmp_path / "a.split.npy").exists()


def test_test_items_are_a_number_a_share_a_mask_or_others():
    x, names = {"a": features(0.2, 0)}, np.array(["cat", "dog", "horse"])[LABELS]
    numbers = [probed_arrays(x, names, test).held_out for test in (0, 20, 0.2, 0.001, np.float32(0.5))]
    assert numbers == [0, 20, 18, 1, 45]
    short = (names == "cat") | (names == "dog")
    given = probed_arrays(x, names.astype(object), ({"a": x["a"][short]}, names[short].astype("<U3")))
    assert given.labels.tolist() == [*names, *names[short]]
    assert given.testing.tolist() == [False] * COUNT + [True] * 60


def test_a_mask_chooses_the_test_items_of_a_run(tmp_path):
    mask = np.arange(COUNT) % 3 == np.arange(COUNT) // 3 % 3
    results = labeleff.probe(
        {"a": features(0.2, 0)}, LABELS, tmp_path, test=mask, rungs=[6], draws=1, protocols=["mlp"]
    )
    assert not results.failed
    assert {r.test_count for r in results.cells} == {30}


def test_frames_of_pandas_keep_their_order_and_types():
    frames = pytest.importorskip("pandas")
    x, labels = frames.DataFrame(features(0.2, 0)), frames.Series(LABELS)
    with pytest.raises(OptionError, match="labels: found another index, expected that of 'a'"):
        probed_arrays({"a": x}, labels[::-1])
    kinds = (labels.astype("category"), labels.astype("Int64"), labels.astype(str).astype("string"))
    assert [probed_arrays({"a": x}, one).labels.astype(int).tolist() for one in kinds] == [LABELS.tolist()] * 3


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"features": {"a": np.zeros((80, 2))}}, OptionError, "a: found 80 training rows, expected 90"),
        ({"features": {"labels": np.zeros((90, 2))}}, OptionError, "expected arrays by names other than labels"),
        ({"features": {}}, OptionError, "found none"),
        ({"test": ({"b": np.zeros((5, 5))}, np.zeros(5))}, OptionError, "test: found b, expected a"),
        ({"test": ({"a": np.zeros((5, 4))}, np.zeros(5, int))}, OptionError, "expected the same width and type"),
        ({"test": ({"a": np.zeros((4, 5))}, np.zeros(5, int))}, OptionError, "a: found 4 test rows, expected 5"),
        ({"baseline": "b"}, UnknownNameError, "file"),
        ({"features": {"a": np.array([[None] * 5] * 90)}}, OptionError, "a: found NoneType at 0, expected numbers"),
        ({"features": {"a": [[1.0], [2.0, 3.0]] * 45}}, OptionError, "a: can't be made an array"),
        ({"features": {"a": [["x"]] * 90}}, DataError, "a: found <U1, expected numbers"),
        ({"features": {"a": np.zeros(90)}}, OptionError, r"a: found shape \(90,\), expected one row of numbers"),
        ({"features": {"a": np.zeros((90, 3, 3))}}, OptionError, r"a: found shape \(90, 3, 3\)"),
        ({"features": {"a": np.where(np.arange(90) == 7, np.nan, 1)[:, None]}}, OptionError, "NaN .* first at 7"),
        ({"features": np.zeros((90, 2))}, OptionError, "features: found ndarray, expected arrays by encoder"),
        ({"features": {"../a": np.zeros((90, 2))}}, OptionError, "found the name '../a'"),
        ({"labels": [*"ab"] * 44 + [None, "a"]}, OptionError, "no label for 1 of 90 items, the first at 88"),
        (
            {"labels": np.array([*"ab"] * 44 + [float("nan"), "a"], dtype=object)},
            OptionError,
            "no label for 1 of 90 items, the first at 88",
        ),
        ({"labels": np.array([*"ab"] * 44 + [3, "a"], dtype=object)}, OptionError, "labels: found int at 88"),
        ({"labels": np.where(np.arange(90) == 5, np.nan, 1)}, DataError, "labels: found no label for 1 of 90"),
        ({"labels": np.zeros(90)}, DataError, "labels: found one class"),
        ({"labels": np.zeros((90, 2, 2))}, OptionError, "labels: found shape"),
        ({"test": 1.5}, OptionError, "test: found 1.5, expected a number from 0 to 89, or a share"),
        ({"test": 90}, OptionError, "test: found 90, expected"),
        ({"test": True}, OptionError, "test: found bool, expected a number of items"),
        ({"test": "last"}, OptionError, "test: found str"),
        ({"test": np.arange(10)}, OptionError, r"array of int64 \(10,\), expected .* boolean mask"),
        ({"test": (np.arange(90) > 80).astype(int)}, OptionError, "array of int64"),
        ({"test": np.arange(80) > 70}, OptionError, r"array of bool \(80,\), expected .* with N = 90"),
        ({"test": np.zeros(90, bool)}, OptionError, "found 0 test items of 90"),
        ({"test": LABELS == 2}, OptionError, "found items of 1 classes that no training item has: 2"),
        (
            {"test": ({"a": np.zeros((2, 5))}, ["x", "y"])},
            OptionError,
            "labels: found int64 .* for training and test, expected the same width and type",
        ),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, change, error, message):
    given = {"features": {"a": features(0.2, 0)}, "labels": LABELS, "out": tmp_path / "out", "rungs": [6, 12]} | change
    with pytest.raises(error, match=message):
        labeleff.probe(**given)
    assert error is UnknownNameError or not given["out"].exists()
