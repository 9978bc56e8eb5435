"""What a run refuses, its plan refuses in the same words; a plan of one's own images knows how many they are."""

import numpy as np
import pytest
import torch
from PIL import Image
from plan_and_run import compared
from study_cases import CASES

from labeleff.catalogue import lookup
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.records.jsonl import open_records
from labeleff.reporting import output_files
from labeleff.scheduling import job_seconds
from labeleff.study.loading import load_study, with_vectors

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
    "a small image of made data": (
        "sets",
        ["tasks=[{name='toy/classify', train=400, test=20, size=4}]", "rungs=[20,40]"],
        "found size (4, 4), expected multiples of 8",
    ),
    "no such stage": (
        "sets",
        [
            "arms=['scratch/finetune', {pretext='rotation', protocol={name='partial', frozen='nostage'}}]",
            "budget.partial={lr=0.1, batch=8, epochs=1}",
        ],
        "unknown stage of encoder ResNet9 'nostage'",
    ),
    "a crop as large as the image": (
        "sets",
        "budget.finetune.augment={crop=16}",
        "budget.finetune.augment.crop: found 16 pixels, expected fewer than the 16 of folder/classify",
    ),
    "a cutout as large as the image": (
        "sets",
        "budget.rotation.augment={cutout=20}",
        "budget.rotation.augment.cutout: found 20 pixels",
    ),
    "words of images": ("sets", "budget.finetune.augment={words=0.5}", "budget.finetune.augment.words: found it for"),
    "momentum of another optimiser": (
        "sets",
        ["budget.finetune.optimizer='adamw'", "budget.finetune.momentum=0.5"],
        "budget.finetune.momentum: found 0.5 with adamw, expected it with sgd alone",
    ),
    "an end of a schedule without one": (
        "sets",
        ["budget.finetune.schedule='constant'", "budget.finetune.final=0.1"],
        "budget.finetune.final: found 0.1 with a constant schedule",
    ),
    "a single step at rate 0": (
        "sets",
        "budget.finetune={lr=0.05, batch=8, epochs=1, warmup=0}",
        "budget of scratch/finetune: found one step at 6 labels, whose rate is 0",
    ),
    "views that are alike": (
        "sets",
        ["arms=['scratch/finetune', 'rotation/mean_teacher']", "budget.mean_teacher={lr=0.05, batch=8, epochs=1}"],
        "budget of rotation/mean_teacher, augment: found",
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
    wanted = [what] if isinstance(what, str) else what
    sets = [word for each in wanted for word in ("--set", each)] if kind == "sets" else []
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


def test_an_output_folder_that_a_run_could_not_use_is_refused(called_here, study, tmp_path):
    (tmp_path / "file").write_text("")
    planned = called_here("plan", study, "--out", tmp_path / "file" / "out")
    ran = called_here("run", study, "--out", tmp_path / "file" / "out", "--quiet")
    assert planned[0] == ran[0] == 2
    assert planned[2] == ran[2]
    assert "can't be written: Not a directory; choose another output folder with --out" in planned[2]


def test_a_folder_that_a_run_is_writing_to_is_refused_and_stays_as_it_is(called_here, study, tmp_path):
    out = tmp_path / "out"
    with open_records(out):
        planned = called_here("plan", study, "--out", out)
        ran = called_here("run", study, "--out", out, "--quiet")
        assert planned[0] == ran[0] == 2
        assert planned[2] == ran[2]
        assert "another labeleff run is writing here" in planned[2]
    (out / "records.jsonl").write_bytes(b'{"torn')
    assert called_here("plan", study, "--out", out)[0] == 0
    assert (out / "records.jsonl").read_bytes() == b'{"torn', "a plan cuts nothing off"
    assert called_here("plan", study, "--out", tmp_path / "new" / "out")[0] == 0
    assert not (tmp_path / "new").exists()


def test_a_plan_prints_the_notes_of_a_run(called_here, study, tmp_path):
    (tmp_path / "images" / "train" / "a" / "notes.txt").write_text("x")
    status, printed, errors = called_here("plan", study)
    assert status == 0, errors
    assert "note: " in printed
    assert "not read: 1 file, no pictures, first train/a/notes.txt" in printed


def test_a_plan_says_what_would_be_downloaded_and_offline_refuses_as_a_run(called_here, tmp_path):
    here = ["cifar10-small", "--data-dir", tmp_path / "data"]
    status, printed, errors = called_here("plan", *here)
    assert status == 0, errors
    assert "note: cifar10/classify: not there yet, would be downloaded (about 170 MB)" in printed
    planned, ran = (
        called_here(command, *here, "--offline", *more) for command, more in (("plan", []), ("run", ["-q"]))
    )
    assert planned[0] == ran[0] == 2
    assert planned[2] == ran[2]


SOME = (
    "made images, finetuned",
    "a draw at random without a class",
    "too few labels for the poses",
    "a short table of noise, made images",
    "imbalance, rungs over the tail",
    "imbalance, a class without labels",
    "an unknown selection",
    "patches that don't divide the image",
    "mae with too few patches",
    "unknown weights of timm",
    "weights of torchvision, not there, --offline",
    "parquet, pyarrow missing",
    "embeddings, NaN",
)


@pytest.mark.parametrize("case", [case for case in CASES if case.name in SOME], ids=lambda case: case.name)
def test_a_plan_and_a_run_end_alike(tmp_path, monkeypatch, case):
    monkeypatch.setattr(output_files, "draw", lambda *_: {})
    outcome = compared(case, tmp_path)
    assert outcome.problem is None, outcome


def test_the_names_of_cases_are_distinct():
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    assert set(SOME) <= set(names)


def test_weights_that_would_be_downloaded_are_a_note(called_here, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    case = next(case for case in CASES if case.name == "weights of torchvision, not there, --offline")
    (tmp_path / "small.toml").write_text(case.text)
    status, printed, errors = called_here("plan", tmp_path / "small.toml")
    assert status == 0, errors
    assert "note: torchvision(stem=refuse, weights=ResNet18_Weights.IMAGENET1K_V1): not there yet, would be" in printed


READS = """
name = "readers"
tasks = [{ name = "babi/qa1", size = "1k", source = "generated" }]
encoders = [{ name = "memnet", vectors = "words.txt" }]
arms = ["scratch/validated"]
baseline = "scratch/validated"
rungs = [1000]
draws = 1

[budget.validated]
lr = 0.01
batch = 32
steps = { min = 2, max = 2 }
"""


def test_vectors_of_a_study_are_beside_its_file_and_those_of_the_command_line_where_one_is(called_here, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "readers.toml").write_text(READS)
    planned, ran = (called_here(name, folder / "readers.toml", *more) for name, more in (("plan", []), ("run", ["-q"])))
    assert planned[0] == ran[0] == 2
    assert str(folder / "words.txt") in planned[2]
    assert str(folder / "words.txt") in ran[2]
    (folder / "words.txt").write_text("mary 0.1 0.2\njohn 0.3 0.4\n")
    assert called_here("plan", folder / "readers.toml")[0] == 0
    plain = load_study(str(folder / "readers.toml"))
    assert with_vectors(plain, "glove.txt", tmp_path).encoders[0].options["vectors"] == "glove.txt"
    assert with_vectors(plain, "glove.txt", folder).encoders[0].options["vectors"] == str(tmp_path / "glove.txt")
