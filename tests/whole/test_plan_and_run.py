"""What a run refuses, its plan refuses in the same words; a plan of one's own images knows how many they are."""

import numpy as np
import pytest
import torch
from PIL import Image

from labeleff.catalogue import lookup
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.scheduling import job_seconds

STUDY = """
name = "mine"
tasks = [{ name = "folder/classify", path = "images", size = 16 }]
encoders = [{ name = "resnet9", width = 0.0625, dim = 16 }]
arms = ["scratch/finetune", "rotation/finetune"]
rungs = [6, 12]
draws = 1

[budget.rotation]
lr = 0.05
batch = 16
epochs = 3

[budget.finetune]
lr = 0.05
batch = 8
steps = { min = 3, max = 3 }
"""
FILE = 'arms = ["scratch/finetune", { pretext = { name = "file", path = "a.pt" }, protocol = "linear" }]'


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study on 3 classes of 8 images, as a file that a test may change."""
    monkeypatch.setattr(job_seconds, "_SIZES", {})
    dice = np.random.default_rng(0)
    for split, count in (("train", 8), ("test", 3)):
        for label in ("a", "b", "c"):
            folder = tmp_path / "images" / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(dice.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{number}.png")
    (tmp_path / "mine.toml").write_text(STUDY)
    return tmp_path / "mine.toml"


def other_weights(folder):
    encoder = build_encoder(lookup.complete("encoder", "resnet9", {"width": 0.125, "dim": 16}), 0)
    torch.save(encoder.state_dict(), folder / "a.pt")


BAD = {
    "no such folder": ("sets", "tasks=[{name='folder/classify', path='none', size=16}]", "none/train: can't be listed"),
    "rungs over the pool": ("sets", "rungs=[6,30]", "30 labels asked for"),
    "too few labels for the classes": ("sets", "rungs=[2,12]", "no example of"),
    "no such weights": ("arms", None, "a.pt: no such file"),
    "weights of another encoder": ("arms", other_weights, "other shapes"),
    "no published draws": ("sets", "draws_from='draws'", "draws"),
    "a missing extra": ("extra", None, "isn't installed; pip install"),
    "a small image": (
        "sets",
        "tasks=[{name='folder/classify', path='images', size=4}]",
        "found size (4, 4), expected multiples of 8",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_plan_refuses_what_a_run_refuses(called_here, study, tmp_path, monkeypatch, name):
    kind, what, message = BAD[name]
    if kind == "arms":
        text = study.read_text().replace('arms = ["scratch/finetune", "rotation/finetune"]', FILE)
        study.write_text(text.replace("[budget.rotation]\nlr = 0.05\nbatch = 16\nepochs = 3\n", ""))
        if what is not None:
            what(tmp_path)
    if kind == "extra":
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
        study.write_text(study.read_text().replace("rotation", "simclr"))
    sets = ["--set", what] if kind == "sets" else []
    planned = called_here("plan", study, *sets)
    ran = called_here("run", study, *sets, "--quiet")
    assert planned[0] == ran[0] == 2
    assert planned[2] == ran[2]
    assert message in planned[2]
    assert not list(tmp_path.glob("runs/*/report.md"))


def test_a_plan_counts_the_images(called_here, study):
    status, printed, errors = called_here("plan", study)
    assert status == 0, errors
    row = next(line for line in printed.splitlines() if "pretraining rotation" in line and "│" in line)
    assert [cell.strip() for cell in row.split("│")][3:5] == ["1", "5"], "3 epochs of 23 images in batches of 16"


def test_the_cache_is_tried_before_the_first_step(called_here, study, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LABELEFF_CACHE", str(tmp_path / "file" / "cache"))
    status, _, errors = called_here("run", study, "--quiet")
    assert status == 2
    assert "file/cache: can't be written: Not a directory; name another cache folder by LABELEFF_CACHE" in errors
    assert not (tmp_path / "runs").exists()
