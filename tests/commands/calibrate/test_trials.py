"""A toy study calibrated: by the runner's own code in this process, and by the command."""

import pytest
import torch
from support import toy_study

from labeleff.catalogue.lookup import complete
from labeleff.commands.calibrate import trials
from labeleff.commands.calibrate.entry import combined_speeds
from labeleff.commands.calibrate.kinds import Measurement, kinds
from labeleff.commands.calibrate.made_data import TESTED, images, missing_bytes, stand_in, stories
from labeleff.commands.calibrate.trials import CalibrationRunner
from labeleff.commands.calibrate.workers import RULE
from labeleff.errors import DataError
from labeleff.execution.run_facts import Settings
from labeleff.scheduling.run_options import RunOptions
from labeleff.scheduling.speeds import read_speeds, ready_name, scoring_name, solving_names, work_name
from labeleff.study.loading import load_study


@pytest.fixture
def runner(tmp_path):
    options = RunOptions(tmp_path, device="cpu", data=tmp_path, cache=tmp_path, offline=True)
    return CalibrationRunner(Settings(options, "r", RULE))


@pytest.fixture
def study(tmp_path, monkeypatch):
    for name, value in {"SECONDS": 0.0, "LONGER": 2, "LEAST": 1, "PATIENCE": 0.0}.items():
        monkeypatch.setattr(trials, name, value)
    monkeypatch.setattr(trials, "REPEATS", 1)
    return load_study(str(toy_study.write(tmp_path)))


def test_every_kind_gives_the_speeds_that_estimates_want(study, runner):
    for kind in kinds(study):
        found = trials.time_kind(kind, runner)
        asked = kind.cells[0] if kind.cells else kind.pretraining
        wanted = {ready_name(asked)}
        wanted |= {scoring_name(asked)} if kind.cells else set()
        wanted |= {work_name(asked)} if asked.budget else set(solving_names(asked))
        assert set(found.rates) == wanted
        assert all(rate > 0 for rate in found.rates.values())
        assert found.peak_memory is None or found.peak_memory > 0


def test_the_difference_of_lengths_is_the_rate_and_the_rest_is_making_ready(study):
    """0.5 s of preparation, 0.1 s for a first step, 0.01 s per step of 10 examples, 1,000 scored per second."""
    [kind] = [kind for kind in kinds(study) if len(kind.cells) == 1]
    [cell] = kind.cells

    def run(steps, number):
        del number
        training = 0.1 + 0.01 * steps
        return trials.Run(steps, 10 * steps, training, training + 0.5, 1000.0)

    rates = trials._training_rates(cell, run).rates
    assert rates[work_name(cell)] == pytest.approx(1000.0)
    assert 1 / rates[ready_name(cell)] == pytest.approx(0.6)
    assert rates[scoring_name(cell)] == 1000.0


@pytest.mark.parametrize(
    ("rows", "seconds", "fixed", "row"),
    [([10, 110], [2.0, 3.0], 1.9, 0.01), ([10, 110], [2.0, 1.0], 2.0, 0.0), ([100, 200], [1.0, 3.0], 0.0, 0.015)],
)
def test_a_line_through_few_and_many_rows(rows, seconds, fixed, row):
    found = trials._line(rows, seconds)
    assert found == pytest.approx((fixed, row), abs=1e-5)


def test_one_size_alone_is_all_fixed():
    assert trials._line([50], [2.0]) == pytest.approx((2.0, 0.0))


@pytest.mark.parametrize("name", ["shapes/segment", "shapes/depth", "shapes/pose", "cifar10/classify"])
def test_stand_ins_have_the_task_s_shapes(name):
    spec = complete("task", name, {"train": 700, "test": 900} if name != "cifar10/classify" else {})
    task = stand_in(spec)
    assert len(task.train) == (50_000 if name == "cifar10/classify" else 700)
    assert len(task.test) == TESTED
    side = spec.options.get("size", 32)
    assert task.train.images.shape[1:] == (side, side, 3)
    assert 0 < task.chance < 1
    assert missing_bytes(spec) == 6 * side**2 * ((10_000 if name == "cifar10/classify" else 900) - TESTED)


def test_noise_is_the_same_each_time_and_no_two_images_are_alike():
    first, again = images(20, 5), images(20, 5)
    assert torch.equal(first.train.images, again.train.images)
    assert torch.equal(first.train.labels, again.train.labels)
    assert first.train.images.shape == (20, 32, 32, 3)
    assert len(torch.cat([first.train.images, first.test.images]).flatten(1).unique(dim=0)) == 25
    assert (len(first.classes), first.provenance) == (10, "generated")


def test_stories_are_simulated():
    assert (len(stories("babi/qa1", {"size": "1k"}).train), stories("babi/qa2", {}).name) == (1000, "babi/qa2")


def test_stories_that_cannot_be_made_are_named():
    with pytest.raises(DataError, match="babi/qa5: can't be calibrated"):
        stand_in(complete("task", "babi/qa5", {}))
    assert missing_bytes(complete("task", "babi/qa1", {})) == 0


def test_processes_side_by_side_give_their_median():
    found = combined_speeds(
        [Measurement({"a": 1.0}, 0.1, 1.5), Measurement({"a": 3.0}, 0.3, 2.5), Measurement(reason="no")], "cpu", 3
    )
    assert (found["a"].rate, found["a"].spread, found["a"].slowed) == (2.0, 0.3, 2.0)
    assert (found["a"].source, found["a"].processes) == ("calibrated", 3)


def test_the_command_calibrates_and_the_run_says_so(command, tmp_path, monkeypatch):
    monkeypatch.setenv("LABELEFF_CACHE", str(tmp_path / "cache"))
    text, study, out = toy_study.TEXT, tmp_path / "one.toml", tmp_path / "out"
    arms, rotation = text.index("arms = "), text[text.index("[budget.rotation]") : text.index("[budget.finetune]")]
    study.write_text(
        text.replace(text[arms : text.index("]", arms) + 1], 'arms = ["scratch/finetune"]').replace(rotation, "")
    )
    done = command("plan", study, "--calibrate", "--jobs", "1", "--price", "0.2EUR", "--out", out, timeout=400)
    assert done.returncode == 0, done.stderr
    assert "calibration: 1 kinds of work, 1 at once" in done.stdout
    assert "from a calibration on cpu, 1 thread a process" in done.stdout
    assert "cost: under 0.01 EUR" in done.stdout
    assert "GiB a process" in done.stdout
    assert all(speed.source == "calibrated" for speed in read_speeds(tmp_path / "cache").by_name.values())
    assert command("run", study, "--out", out, "--quiet", timeout=400).returncode == 0
    assert "rested on a calibration: estimated / actual" in (out / "details.md").read_text()
    assert "4 cells measured; about 0 s" in command("plan", study, "--out", out).stdout
