"""`labeleff features`: frozen features of a study's encoders, which `labeleff embeddings` reads back."""

import json

import numpy as np
import pytest

import labeleff
from labeleff.commands.features import encoder_of, read_study
from labeleff.errors import OptionError, UnknownNameError
from labeleff.plugins.tasks.embedding_files.embedding_reader import read_embeddings

STUDY = """
name = "tiny"
tasks = [{ name = "shapes/classify", factors = "T---", train = 60, test = 30, size = 32 }]
encoders = [{ name = "resnet9", width = 0.0625, dim = 16 }]
arms = ["scratch/linear", "rotation/linear", "rotation/knn"]
baseline = "scratch/linear"
rungs = [20, 50]
draws = 2
[budget]
rotation = { preset = "short", steps = { min = 3, per_label = 0, max = 3 }, batch = 16 }
"""


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(STUDY)
    return path


@pytest.mark.parametrize("arm", ["rotation", "scratch"])
def test_features_read_back_give_the_accuracies_of_the_images(study, arm, called_here, tmp_path):
    out, lists = tmp_path / "made" / "one.npz", tmp_path / "draws.json"
    status, output, error = called_here("features", study, "--arm", arm, "--out", out, "--draws", lists, "-q")
    assert status == 0, error
    assert "60 training and 30 test images, 16 features in float32" in output
    read = read_embeddings(out)
    assert [read.ids[0], read.ids[-1]] == ["train/00000", "test/00029"]
    assert (read.features.shape, read.features.dtype) == ((90, 16), np.float32)
    shared = ("--rungs", "20,50", "--draws", "2", "--protocols", "linear", "-q", "-j", "1")
    status, _, error = called_here(
        "embeddings", f"{arm}={out}", *shared, "--draws-from", lists, "-o", tmp_path / "by-features"
    )
    assert status == 0, error
    assert called_here("run", study, "-q", "-j", "1", "-o", tmp_path / "by-images")[0] == 0
    by_images, by_features = (
        {(r.cell.n, r.cell.draw): r for r in labeleff.read_records(tmp_path / folder).cells.values() if chosen(r)}
        for folder, chosen in (
            ("by-images", lambda r: (r.cell.pretext.name, r.cell.protocol.name) == (arm, "linear")),
            ("by-features", lambda _: True),
        )
    )
    assert len(by_images) == 4
    for place, record in by_images.items():
        assert by_features[place].indices_sha256 == record.indices_sha256
        assert by_features[place].metrics["accuracy"] == pytest.approx(record.metrics["accuracy"], abs=0.04)


def test_an_encoder_of_a_run_isnt_trained_again(study, called_here, tmp_path):
    run, files = tmp_path / "run", [tmp_path / "a.npz", tmp_path / "b.npz"]
    assert called_here("run", study, "-q", "-j", "1", "-o", run)[0] == 0
    digest = next(iter(labeleff.read_records(run).pretrainings.values())).encoder_sha256
    for source, file in zip((run, study), files, strict=True):
        status, _, error = called_here("features", source, "--arm", "rotation/knn", "--out", file, "--half", "-q")
        assert status == 0, error
    assert files[0].read_bytes() == files[1].read_bytes()
    with np.load(files[0]) as made:
        assert made["features"].dtype == np.float16
        assert json.loads(str(made["about"]))["encoder_sha256"] == digest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arm", "rotation", "--out", "x.csv"], "--out x.csv: found the ending '.csv', expected .npz"),
        (["--arm", "rotation", "--out", "no/x.npz", "--draws", "d.txt"], "--draws d.txt: found the ending"),
        (["--arm", "rotation", "--out", "tiny.toml/x.npz"], "isn't a folder that can be written into"),
        (["--arm", "rotatoin", "--out", "x.npz"], "did you mean 'rotation'?"),
        (["--arm", "rotation", "--out", "x.npz", "--seed", "1"], "--seed 1: found 1 seeds in study 'tiny'"),
        (["--arm", "rotation", "--out", "x.npz", "--task", "cifar10/classify"], "unknown task of the study"),
        (["--arm", "rotation", "--out", "x.npz", "--encoder", "resnet50"], "unknown encoder of the study"),
        (["--arm", "scratch", "--out", "x.npz", "--set", "tasks=['pose/heatmaps']"], "task"),
        (["--arm", "rotation", "--out", "x.npz", "--set", "rungs=[20,100]"], "100 labels asked for"),
    ],
)
def test_what_is_wrong_is_said_first(study, arguments, message, called_here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, error = called_here("features", study, *arguments, "-q")
    assert status == 2
    assert message in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.toml"]


def test_tasks_without_images_of_one_class_are_refused(study, called_here, tmp_path):
    np.savez(tmp_path / "x.npz", features=np.eye(9), labels=np.arange(9) % 3)
    path = tmp_path / "items.toml"
    called_here("embeddings", f"x={tmp_path / 'x.npz'}", "--rungs", "3,6", "--write", path)
    status, _, error = called_here("features", path, "--arm", "embedding", "--out", tmp_path / "y.npz", "-q")
    assert (status, (tmp_path / "y.npz").exists()) == (2, False)
    assert "found items, expected images with one class each" in error


def test_numbers_beyond_float16_are_refused(study, called_here, tmp_path, monkeypatch):
    monkeypatch.setattr("labeleff.execution.frozen_features.predict", lambda *_: predicted(1e6))
    status, _, error = called_here("features", study, "--arm", "scratch", "--out", tmp_path / "x.npz", "--half", "-q")
    assert status == 2
    assert "found 1e+06, not finite as float16" in error


def predicted(value):
    import torch

    return torch.full((60, 16), value)


def test_arms_of_one_pretext_with_other_options_are_told_apart(study):
    arms = 'arms=["scratch/linear", {pretext={name="simclr",temperature=0.1},protocol="linear"}, "simclr/linear"]'
    both = read_study(str(study), [arms, "budget={simclr='short'}"])
    with pytest.raises(OptionError, match="expected one of them"):
        encoder_of(both, "simclr", 0, None, None)
    assert encoder_of(both, "simclr(temperature=0.1)", 0, None, None).pretext.options["temperature"] == 0.1
    with pytest.raises(UnknownNameError):
        encoder_of(both, "moco", 0, None, None)
