"""A whole study over every goal, from training to records."""

import functools
import json

import pytest
from support import dense_tasks
from support.dense_studies import study

from labeleff.catalogue import lookup
from labeleff.catalogue.metrics import GOALS, SINGLE
from labeleff.errors import PluginError
from labeleff.execution.given_labels.exported_lists import export
from labeleff.execution.launch import measure
from labeleff.records.jsonl import read_records
from labeleff.scheduling.run_options import RunOptions

pytestmark = pytest.mark.usefixtures("squares")

ALL = ["squares/classify", "squares/pose", "squares/segment", "squares/depth"]


@pytest.fixture
def go(tmp_path):
    def run(of):
        places = {"data": tmp_path / "data", "cache": tmp_path / "cache"}
        options = RunOptions(
            tmp_path / "out", ["test"], jobs=1, cores=1, device="cpu", offline=True, quiet=True, **places
        )
        return measure(of, options), read_records(tmp_path / "out")

    return run


def test_a_study_of_every_goal_runs_from_end_to_end(go):
    of = study(tasks=ALL)
    failed, records = go(of)
    assert failed == []
    assert len(records.cells) == 4 * 3 * 2 * 4
    assert len(records.pretrainings) == 2, "once a seed, for all tasks"
    for record in records.cells.values():
        name = record.cell.task.name
        assert tuple(record.metrics) == GOALS[lookup.find("task", name).goal]
        assert all(value is not None for value in record.metrics.values())
        single = lookup.find("task", name).goal in SINGLE
        assert set(record.calibration) == ({"ece", "brier", "nll"} if single else set())
        assert record.test_count == 30
        assert record.pretraining in ({*records.pretrainings} if record.cell.pretrain else {None})
    told = {name: facts["metric"] for name, facts in records.runs[-1].tasks.items()}
    assert list(told.values()) == ["accuracy", "accuracy", "pixel_accuracy", "within_1.25"]
    assert go(of)[1].cells == records.cells, "nothing is measured twice"


def test_labels_of_dense_tasks_are_drawn_at_random_and_nested(go):
    _, records = go(study(tasks=["squares/segment"], arms=["scratch/linear"], baseline="scratch/linear", budget={}))
    small, large = ([e.indices for e in records.labels.values() if e.draw == 0 and e.n == n] for n in (10, 20))
    assert set(small[0]) < set(large[0])
    assert all(record.missing_classes == [] for record in records.cells.values())


def test_exported_draws_of_dense_tasks_are_read_back(go, tmp_path):
    of = functools.partial(
        study, tasks=["squares/depth"], arms=["scratch/linear"], baseline="scratch/linear", budget={}
    )
    export(of(), tmp_path / "draws", tmp_path / "data", offline=True)
    manifest = json.loads(next((tmp_path / "draws").rglob("manifest.json")).read_text())
    assert manifest["files"]["draw0-n10.txt"]["counts"] == [10]
    _, own = go(of())
    _, read = go(of(draws_from=str(tmp_path / "draws")))
    pairs = {(r.cell.n, r.cell.draw, r.cell.seed): r.metrics for r in own.cells.values()}
    published = [r for r in read.cells.values() if r.cell.indices_sha256 is not None]
    assert len(published) == 8
    assert all(r.metrics == pairs[r.cell.n, r.cell.draw, r.cell.seed] for r in published)


def test_tasks_that_only_claim_to_share_their_images_are_refused(go, monkeypatch):
    monkeypatch.setattr(dense_tasks, "load_segment", lambda *_: dense_tasks.task("squares/segment", 59))
    with pytest.raises(
        PluginError, match=r"squares/segment\(train=60\) has other training images than squares/classify"
    ):
        go(study(tasks=["squares/segment"]))


def test_a_task_of_another_goal_than_the_catalogue_says_is_refused(go, monkeypatch):
    monkeypatch.setattr(dense_tasks, "load_segment", lambda *_: dense_tasks.task("squares/depth"))
    with pytest.raises(PluginError, match="its goal is 'depth', but the catalogue says 'pixel_classes'"):
        go(study(tasks=["squares/segment"]))
