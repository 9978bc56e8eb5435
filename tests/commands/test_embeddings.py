"""`labeleff embeddings` and `labeleff.probe`: a study from files or arrays, written or measured."""

import tomllib

import numpy as np
import pytest

import labeleff
from labeleff.commands.embeddings import toml
from labeleff.errors import LabeleffError, OptionError, UnknownNameError

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
    assert "embedding(of=good)/linear is worth labels" in output
    assert "test items" in (out / "report.md").read_text()
    records = labeleff.read_records(out).cells
    assert len(records) == 2 * 2 * 3 * 2
    assert called_here("embeddings", *files, *shared)[0] == 0
    assert len(labeleff.read_records(out).cells) == len(records)


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
        ({"features": {"a": np.array([[None] * 5] * 90)}}, LabeleffError, "Python objects|can't be"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, change, error, message):
    given = {"features": {"a": features(0.2, 0)}, "labels": LABELS, "out": tmp_path / "out", "rungs": [6, 12]} | change
    with pytest.raises(error, match=message):
        labeleff.probe(**given)
