"""Studies with points of pretraining, from their file to their report: trained once, resumed, cached, compared."""

import dataclasses

import pandas as pd
import pytest
from support import toy_study
from support.run_pairs import outcome

from labeleff.commands.plan_tables import show_plan
from labeleff.comparison.headlines import entry
from labeleff.errors import InterruptedRunError, PluginError
from labeleff.execution.launch import measure
from labeleff.execution.pretraining.saved_points import SavedPoints
from labeleff.records.jsonl import read_records
from labeleff.reporting.results import load
from labeleff.reporting.study_report import build
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.loading import load_study
from labeleff.training import loop

AT = "pretraining={at = [0.3, 0.6, 1.0]}"
CHANGES = [
    "curve='pchip'",
    "arms=['scratch/finetune', 'rotation/linear']",
    "budget.rotation={lr=0.05, batch=32, steps={min=60, max=60}}",
]
CELLS = 4
"""Cells of an arm: two rungs with two draws, each of 4 steps where they are trained."""


@pytest.fixture
def study(tmp_path):
    path = str(toy_study.write(tmp_path))
    return lambda *overrides: load_study(path, [*CHANGES, *overrides])


@pytest.fixture
def go(tmp_path):
    options = RunOptions(tmp_path, ["labeleff"], 1, 1, "cpu", tmp_path / "data", tmp_path / "cache", quiet=True)

    def run(of, folder="out", **changes):
        assert measure(of, dataclasses.replace(options, folder=tmp_path / folder, **changes)) == []
        return read_records(tmp_path / folder)

    return run


@pytest.fixture
def steps(monkeypatch):
    """A list that gets an entry per step of an optimiser."""
    taken, make = [], loop._optimizer

    def counted(budget, model):
        built = make(budget, model)
        step = built.step
        built.step = lambda: (taken.append(1), step())
        return built

    monkeypatch.setattr(loop, "_optimizer", counted)
    return taken


def numbers(records):
    """Results of cells and digests of encoders, by key."""
    cells = {key: record.metrics for key, record in records.cells.items()}
    return cells | {key: record.encoder_sha256 for key, record in records.pretrainings.items()}


def test_one_pretraining_gives_all_points_and_the_end_is_that_of_a_study_without_them(study, go, steps, tmp_path):
    plain = go(study(), "plain", cache=tmp_path / "other")
    assert len(steps) == 60 + 4 * CELLS
    steps.clear()
    points = go(study(AT), "points")
    assert len(steps) == 60 + 4 * CELLS, "one pretraining, and the baseline once"
    assert numbers(plain).items() < numbers(points).items(), "to the last bit"
    assert len(points.cells) == CELLS * (1 + 3)
    records = {record.pretraining.share: record for record in points.pretrainings.values()}
    assert {share: record.training.steps for share, record in records.items()} == {0.3: 20, 0.6: 40, None: 60}
    assert records[0.3].seconds < records[0.6].seconds < records[None].seconds
    assert len({record.encoder_sha256 for record in records.values()}) == 3
    for record in points.cells.values():
        if record.cell.pretrain is not None:
            assert record.pretraining == records[record.cell.pretrain_share].key
    steps.clear()
    again = go(study(AT), "again")
    assert len(steps) == 4 * CELLS, "all encoders came from the cache"
    assert numbers(again) == numbers(points)
    assert all(record.cached for record in again.pretrainings.values())
    _check_results(tmp_path)


def _check_results(tmp_path):
    text = build(tmp_path / "points").read_text()
    assert "### Along the steps of a pretraining: toy/classify, resnet9" in text
    assert "A point is not a shorter pretraining" in text
    table = pd.read_csv(tmp_path / "points/pretraining.csv")
    assert table.groupby("share")["steps"].unique().map(list).to_dict() == {0.3: [20], 0.6: [40], 1.0: [60]}
    results = load(tmp_path / "points")
    assert len(results.cells) == results.cell_count == CELLS * 4
    base = [results.arm_runs(place, "scratch/finetune") for place in results.places]
    assert base[0] == base[1] == base[2]
    assert {n: len(runs) for n, runs in base[0].items()} == {20: 2, 40: 2}
    rows = outcome(tmp_path / "points", tmp_path / "again").rows
    compared = {(row.change.subject.arm, row.change.subject.task) for row in rows}
    assert {("rotation/linear", place.task) for place in results.places} <= compared
    assert all(row.change.difference == 0 for row in rows if row.change.subject.metric in ("accuracy", "utility"))
    subjects = {(one.metric, one.task) for one in entry(tmp_path / "points").values}
    assert len({task for metric, task in subjects if metric == "utility"}) == 3


def test_an_interrupted_run_goes_on_and_gives_the_same(study, go, tmp_path, monkeypatch):
    points = go(study(AT), "points", cache=tmp_path / "other")
    note = SavedPoints._note
    left = iter([True, False])

    def interrupted(self, encoder, done, total):
        note(self, encoder, done, total)
        if not next(left, True):
            raise KeyboardInterrupt

    monkeypatch.setattr(SavedPoints, "_note", interrupted)
    with pytest.raises(InterruptedRunError):
        go(study(AT))
    monkeypatch.undo()
    assert not list((tmp_path / "cache").glob("encoders/*"))
    resumed = go(study(AT))
    assert numbers(resumed) == numbers(points)
    before = (tmp_path / "out/records.jsonl").read_bytes()
    go(study(AT))
    assert (tmp_path / "out/records.jsonl").read_bytes() == before


def test_points_that_cant_be_saved_fail_alone(study, go, tmp_path, monkeypatch):
    def lost(*_):
        raise PluginError("the pretext doesn't report the windows of its training")

    monkeypatch.setattr(SavedPoints, "records", lost)
    options = RunOptions(tmp_path, ["labeleff"], 1, 1, "cpu", tmp_path / "data", tmp_path / "cache", quiet=True)
    failed = measure(study(AT), dataclasses.replace(options, folder=tmp_path / "out"))
    assert {record.cell.pretrain_share for record in failed} == {0.3, 0.6}
    found = read_records(tmp_path / "out")
    states = {record.pretraining.share: record.status for record in found.pretrainings.values()}
    assert states == {0.3: "failed", 0.6: "failed", None: "ok"}
    assert sum(record.status == "ok" for record in found.cells.values()) == CELLS * 2
    monkeypatch.undo()
    assert not measure(study(AT), dataclasses.replace(options, folder=tmp_path / "out", retry_failed=True))


def test_points_of_a_finished_pretraining_are_trained_again_and_its_own_encoder_stays(study, go, steps):
    plain = go(study())
    steps.clear()
    points = go(study(AT))
    assert len(steps) == 60
    [whole] = plain.pretrainings.values()
    assert points.pretrainings[whole.key] == whole
    assert numbers(plain).items() < numbers(points).items()


def test_numbers_of_images_are_pretrainings_of_their_own(study, go, steps, tmp_path, capsys):
    axis = ["budget.rotation={lr=0.05, batch=32, epochs=2}", "pretraining={images = [100, 'all'], at = [0.5, 1.0]}"]
    show_plan(study(*axis), tmp_path / "none", 1)
    assert "toy/classify(size=16, test=100, train=200), 100 images: " in " ".join(capsys.readouterr().out.split())
    records = go(study(*axis))
    trained = {
        (record.pretraining.images, record.pretraining.share): record.training.steps
        for record in records.pretrainings.values()
    }
    assert trained == {(100, 0.5): 7, (100, None): 7, (None, 0.5): 13, (None, None): 13}, "two epochs, in one window"
    assert len(steps) == 7 + 13 + 4 * CELLS
    text = build(tmp_path / "out").read_text()
    assert "### By the number of images without labels" in text
    assert "the last 50 % of the steps: one encoder, as the pretraining has no window's end between them" in text
