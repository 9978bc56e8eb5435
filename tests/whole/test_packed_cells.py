"""Cells of a study trained as one: the same cells with the same numbers, for every protocol that can."""

import functools

import pytest
from support import toy_study

from labeleff.commands.options.shared import slots
from labeleff.errors import OptionError
from labeleff.execution import cell_jobs
from labeleff.execution.launch import measure
from labeleff.execution.pretraining import pretraining_jobs
from labeleff.plugins.protocols import finetune
from labeleff.records.jsonl import read_records
from labeleff.scheduling.jobs import TrainTogether, jobs_for
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.loading import load_study

ARMS = """arms=['scratch/finetune', 'rotation/finetune', 'scratch/validated', 'scratch/joint',
    {pretext='rotation', protocol={name='partial', frozen='layer1'}}, 'rotation/linear']"""
ROW = "{lr=0.05, batch=8, steps={min=2, per_label=0.1, max=6}}"
BUDGET = "budget={rotation={lr=0.05, batch=32, epochs=1}, " + ", ".join(
    f"{name}={ROW}" for name in ("finetune", "validated", "joint", "partial")
)
TASK = "tasks=[{name='toy/classify', train=100, test=40, size=16}]"
CHANGES = [ARMS, BUDGET + "}", TASK, "precision=fp32", "seeds=2", "pairing='zipped'"]
ROWS = f"budget={{rotation={{lr=0.05, batch=32, epochs=1}}, finetune={ROW}}}"
TWO = ["arms=['scratch/finetune', 'rotation/finetune']", ROWS, *CHANGES[2:]]


@pytest.fixture
def study(tmp_path):
    return functools.partial(load_study, str(toy_study.write(tmp_path)))


@pytest.fixture
def go(tmp_path):
    def measured(study, folder, **changes):
        options = {"command": ["x"], "jobs": 1, "cores": 1, "device": "cpu", "quiet": True}
        places = {"folder": tmp_path / folder, "data": tmp_path / "data", "cache": tmp_path / "cache"}
        failed = measure(study, RunOptions(**(options | places | changes)))
        return failed, read_records(tmp_path / folder)

    return measured


def test_every_protocol_gives_the_same_packed(study, go):
    _, alone = go(study(CHANGES), "alone")
    failed, together = go(study(CHANGES), "together", pack=3)
    assert not failed
    assert set(alone.cells) == set(together.cells)
    for key, record in together.cells.items():
        twin = alone.cells[key]
        assert record.metrics["accuracy"] == pytest.approx(twin.metrics["accuracy"], abs=0.051), record.cell.arm
        if record.training is None:
            continue
        assert all(window.processor_seconds > 0 for window in record.training.windows)
        assert record.processor_seconds > sum(window.processor_seconds for window in record.training.windows)
        assert not record.own_peak
        slots = 2 if record.cell.protocol.name == "joint" else 3
        assert (record.training.packing, record.training.slots) == ("grouped", slots)
        assert (twin.training.packing, twin.training.slots) == ("loop", 1)
        assert record.training.steps == twin.training.steps
        assert record.training.history[0]["loss"] == pytest.approx(twin.training.history[0]["loss"], rel=2e-2)
        assert set(record.train_metrics) == set(twin.train_metrics)


def test_joint_is_packed_where_most_images_have_labels_too(study, go):
    arms = ["arms=['scratch/joint']", "baseline='scratch/joint'", f"budget={{joint={ROW}}}"]
    changes = [*arms, *CHANGES[2:], "rungs=[20, 80]"]
    failed, records = go(study(changes), "out", pack=2)
    assert not failed
    assert {(record.training.packing, record.training.slots) for record in records.cells.values()} == {("grouped", 2)}


def test_jobs_hold_what_is_alike_and_wait_for_all_of_their_pretrainings(study):
    cells = list(study(CHANGES).cells())
    trained = [job for job in jobs_for(cells, lambda _: False, slots=4) if isinstance(job, TrainTogether)]
    assert sorted(len(job.cells) for job in trained) == [2, 2, *[4] * 4], "joint's are of one rung"
    assert all(job.slots == 4 for job in trained)
    rotated = next(job for job in trained if job.cells[0].arm == "rotation/finetune")
    assert len(rotated.needs) == 2
    assert rotated.name == "rotation/finetune, n=20..40, seeds 0..1"
    assert [cell.n for cell in rotated.cells] == sorted((cell.n for cell in rotated.cells), reverse=True)
    dealt = [job for job in jobs_for(cells, lambda _: True, slots=4, workers=2) if isinstance(job, TrainTogether)]
    assert sorted(len(job.cells) for job in dealt) == [*[1] * 4, *[2] * 8]
    assert len({cell.key for job in dealt for cell in job.cells}) == 20


def test_a_failed_pretraining_takes_its_own_cells_from_a_pack(study, go, monkeypatch):
    usual = pretraining_jobs.learn

    def fails(place, pretraining, encoder, progress):
        if pretraining.seed == 1:
            raise ValueError("broken")
        return usual(place, pretraining, encoder, progress)

    monkeypatch.setattr(pretraining_jobs, "learn", fails)
    failed, records = go(study(TWO), "out", pack=2)
    assert {(record.cell.pretext.name, record.cell.seed) for record in failed} == {("rotation", 1)}
    assert all("pretraining failed: ValueError: broken" in record.reason for record in failed)
    assert sum(record.status == "ok" for record in records.cells.values()) == 6


def test_a_cell_that_diverges_or_breaks_in_a_pack_fails_alone(study, go, monkeypatch):
    usual = finetune.prepare

    def breaks(data, encoder, seed, *rest):
        if seed == 1 and len(data.examples) == 40:
            raise ValueError("broken")
        return usual(data, encoder, seed, *rest)

    monkeypatch.setattr(finetune, "prepare", breaks)
    failed, records = go(study(TWO), "out", pack=2)
    assert {(record.cell.seed, record.cell.n) for record in failed} == {(1, 40)}
    assert len(failed) == 2
    assert sum(record.status == "ok" for record in records.cells.values()) == 6


def test_interrupted_in_a_pack_what_was_finished_stays(study, go, monkeypatch):
    _, straight = go(study(TWO), "straight", pack=2)
    usual, count = cell_jobs.finish, iter(range(100))

    def finish(place, cell, state, outcome):
        if next(count) == 1:
            raise KeyboardInterrupt
        return usual(place, cell, state, outcome)

    with monkeypatch.context() as patch:
        patch.setattr(cell_jobs, "finish", finish)
        with pytest.raises(Exception, match="interrupted; 1 of 8 cells are recorded"):
            go(study(TWO), "out", pack=2)
    _, resumed = go(study(TWO), "out", pack=2)
    for key, record in straight.cells.items():
        first, other = (one.training.history[0]["loss"] for one in (record, resumed.cells[key]))
        assert first == pytest.approx(other, rel=1e-2)


def test_pack_must_be_a_number_or_auto():
    assert [slots(value) for value in ("auto", "1", "16")] == [None, 1, 16]
    for value in ("0", "-1", "many", ""):
        with pytest.raises(OptionError, match="expected auto, or a number of cells from 1 on"):
            slots(value)
