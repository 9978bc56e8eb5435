"""A tuned study from start to report: trials in records, in the time that is charged, and in the report."""

import pytest

import labeleff
from labeleff.reporting.results import load

STUDY = {
    "name": "tuned",
    "tasks": [{"name": "toy/classify", "train": 200, "test": 100, "size": 16}],
    "encoders": [{"name": "resnet9", "width": 0.0625, "dim": 16}],
    "arms": ["scratch/finetune", "rotation/finetune", "rotation/linear"],
    "rungs": [20, 80],
    "draws": 2,
    "tune": {"lr": [0.1, 1, 10], "pretext": {"lr": [0.1, 1], "share": 0.5}},
    "budget": {
        "rotation": {"lr": 0.05, "batch": 32, "steps": {"min": 8, "max": 8}},
        "finetune": {"lr": 0.05, "batch": 16, "steps": {"min": 6, "max": 6}},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABELEFF_CACHE", str(path / "cache"))
        labeleff.run(STUDY, path)
    labeleff.report(path)
    return path


def test_every_trained_cell_has_its_trials_and_solved_ones_have_none(folder):
    records = labeleff.read_records(folder)
    for record in records.cells.values():
        assert record.status == "ok"
        if record.cell.budget is None:
            assert not record.trials
            continue
        assert [trial.lr for trial in record.trials] == [0.1, 1, 10]
        assert {trial.steps for trial in record.trials} == {6}
        assert record.tuned["lr"] in (0.1, 1, 10)
        assert sum(trial.seconds for trial in record.trials) < record.seconds
        assert record.trials[0].trained + record.trials[0].held_out == record.cell.n
    for item in records.pretrainings.values():
        assert [(trial.lr, trial.steps) for trial in item.trials] == [(0.1, 4), (1, 4)]
        assert item.seconds > item.training.seconds


def test_arms_are_judged_on_the_same_labels_and_the_report_says_what_was_chosen(folder):
    text = (folder / "report.md").read_text()
    assert "## Tuning" in text
    assert "3 choices judged on 20% of the labels" in text
    assert "Rates of pretexts: 2 rates, each for 50% of the steps" in text
    rows = (folder / "tuning.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 2 * 2 * 3 + 2
    assert load(folder).study.tune.choices[0].lr == 0.1


def test_the_charged_time_has_the_trials(folder):
    header, *lines = [line.split(",") for line in (folder / "device_time.csv").read_text().splitlines()]
    records = labeleff.read_records(folder)
    [pretraining] = records.pretrainings.values()
    at = header.index("pretraining_seconds") - len(header)
    assert {round(float(line[at]), 6) for line in lines} == {round(pretraining.seconds, 6)}
