import os

import pytest

from labeleff.errors import OptionError
from labeleff.records.entries import PretrainingRecord, Record
from labeleff.records.training_log import Training, Window
from labeleff.scheduling.job_seconds import available_cores, job_estimates, pretraining_estimate
from labeleff.scheduling.jobs import Solve, Train
from labeleff.scheduling.speeds import read_speeds, remember_speeds, solving_names
from labeleff.study.loading import load_study, parse_study

STUDY = load_study("smoke")
NAME = "resnet9(dim=256, width=0.0625) at 32 px"


def record(seconds):
    cell = next(STUDY.cells())
    windows = [Window(images=100, seconds=9.0), *(Window(images=100, seconds=s) for s in seconds)]
    training = Training(steps=1, batch=1, images=1, seconds=1, windows=windows)
    return Record(run="r", key=cell.key, cell=cell, status="ok", training=training)


WORK = f"{NAME}, finetune, batch 32"


def test_measured_speeds_are_remembered_without_the_first_window(tmp_path):
    remember_speeds(tmp_path / "new", [record([0.1, 0.2, 0.4])])
    assert read_speeds(tmp_path / "new") == {NAME: 500.0, WORK: 500.0}
    remember_speeds(tmp_path / "new", [])
    assert read_speeds(tmp_path / "new") == {NAME: 500.0, WORK: 500.0}


@pytest.mark.parametrize("content", ["", "[]", '{"a": "b"}', "{"])
def test_a_damaged_speed_file_counts_as_none(tmp_path, content):
    (tmp_path / "speed.json").write_text(content)
    assert read_speeds(tmp_path) == {}


def alone(cell, speeds):
    """Estimate of a cell that shares nothing with another."""
    [found] = job_estimates((Train if cell.budget else Solve)((cell,)), speeds)
    return found


def test_time_is_images_over_speed():
    trained = next(STUDY.cells())
    measured = alone(trained, {NAME: 100.0})
    assert measured.seconds == pytest.approx(8 * 32 / 100 + 200 / 300)
    assert measured.measured
    assert not alone(trained, {}).measured
    frozen = next(c for c in STUDY.cells() if c.budget is None)
    at_once = {NAME: 100.0, solving_names(frozen)[0]: 1e12}
    shared = job_estimates(Solve((frozen,) * 6), at_once)
    assert shared[0].seconds == pytest.approx(alone(frozen, at_once).seconds / 6)
    [pretraining] = STUDY.pretrainings
    assert pretraining_estimate(pretraining, {NAME: 100.0}).seconds == pytest.approx(13 * 64 / 100)


def test_wider_encoders_are_estimated_to_take_longer():
    narrow, wide = (
        next(load_study("smoke", [f"encoders=[{{name='resnet9', width={w}}}]"]).cells()) for w in (0.5, 1.0)
    )
    assert alone(wide, {}).seconds == pytest.approx(4 * alone(narrow, {}).seconds)


def test_blocks_and_patches_of_transformers_count_for_estimates():
    usual, small = (
        next(load_study("smoke", [f"encoders=[{{name='vit_tiny', patch={p}, depth={d}}}]"]).cells())
        for p, d in ((4, 12), (8, 3))
    )
    assert alone(usual, {}).seconds == pytest.approx(16 * alone(small, {}).seconds)


def of_two_views():
    """The same study with SimCLR in place of rotation."""
    table = STUDY.model_dump(mode="json")
    arms = [arm if arm["pretext"]["name"] == "scratch" else {**arm, "pretext": "simclr"} for arm in table["arms"]]
    budget = {{"rotation": "simclr"}.get(name, name): {**row, "augment": {}} for name, row in table["budget"].items()}
    return parse_study({**table, "arms": arms, "budget": budget}, "the test's study")


def test_two_views_take_twice_the_time_and_are_remembered_so(tmp_path):
    [plain], [pairs] = STUDY.pretrainings, of_two_views().pretrainings
    assert pretraining_estimate(pairs, {NAME: 100.0}).seconds == 2 * pretraining_estimate(plain, {NAME: 100.0}).seconds
    done = PretrainingRecord(run="r", key=pairs.key, pretraining=pairs, status="ok", training=record([0.4]).training)
    remember_speeds(tmp_path, [done])
    speeds = read_speeds(tmp_path)
    assert speeds.pop(NAME) == 500.0
    assert list(speeds.values()) == [250.0], "images that it was given"


def test_weights_from_outside_take_no_time():
    table = STUDY.model_dump(mode="json")
    arms = ["scratch/finetune", {"pretext": {"name": "file", "path": "a.pt"}, "protocol": "linear"}]
    budget = {"finetune": table["budget"]["finetune"]}
    study = parse_study({**table, "arms": arms, "baseline": "scratch/finetune", "budget": budget}, "the test's study")
    assert [pretraining_estimate(item, {}).seconds for item in study.pretrainings] == [0.0]


@pytest.mark.parametrize(("weight", "factor"), [(1.0, (1 + 2 * 3) / 1), (0.0, 1.0)])
def test_images_beside_a_batch_take_their_time_and_both_views_count(weight, factor):
    """FixMatch encodes 1 + 2 * ratio images per label; without weight it takes as long as finetune."""
    row = {"lr": 0.05, "batch": 32, "steps": {"min": 10, "max": 10}}
    fixmatch = {"pretext": "scratch", "protocol": {"name": "fixmatch", "ratio": 3.0, "weight": weight}}
    study = parse_study(
        {
            "name": "semi",
            "tasks": [{"name": "toy/classify", "train": 200, "test": 20}],
            "encoders": [{"name": "resnet9", "width": 0.25}],
            "arms": ["scratch/finetune", fixmatch],
            "rungs": [50, 100],
            "budget": {"finetune": row, "fixmatch": row},
        },
        "a test",
    )
    cells = {cell.protocol.name: cell for cell in study.cells()}
    scoring = 20 / (40 * 3)
    speeds = {"resnet9(dim=256, width=0.25) at 32 px": 40.0}
    usual, semi = (job_estimates(Train((cells[name],)), speeds)[0].seconds for name in ("finetune", "fixmatch"))
    assert usual == pytest.approx(10 * 32 / 40 + scoring)
    assert semi == pytest.approx(10 * 32 * factor / 40 + scoring)


def test_cores_are_those_told_or_those_that_may_be_used(monkeypatch):
    monkeypatch.setenv("LABELEFF_CORES", "3")
    assert available_cores() == 3
    monkeypatch.setenv("LABELEFF_CORES", "")
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
    for wrong in ("0", "two", "-1", "1.5"):
        monkeypatch.setenv("LABELEFF_CORES", wrong)
        with pytest.raises(OptionError, match=f"LABELEFF_CORES: found '{wrong}', expected a number of cores"):
            available_cores()
