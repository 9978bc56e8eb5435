"""Checks of a study across its axes, and keys of cells that stay what they were."""

import json
from pathlib import Path

import pytest
from support.dense_studies import TABLE, study

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Plugin
from labeleff.errors import LabeleffError
from labeleff.study.cell import Cell

REPORTS = Path(__file__).parents[2] / "reports"


pytestmark = pytest.mark.usefixtures("squares")


def test_nearest_neighbours_are_refused_where_every_pixel_has_a_label():
    found = (
        r"protocol 'knn' can't be used on squares/segment, where every pixel has a label; choose one of finetune, val"
    )
    with pytest.raises(LabeleffError, match=found):
        study(arms=["scratch/finetune", "rotation/knn"])
    assert study(tasks=["squares/classify", "squares/pose"], arms=["scratch/finetune", "rotation/knn"])


def test_a_class_token_is_refused_where_every_pixel_has_a_label():
    whole, token = ({"name": "vit_tiny", "patch": 8, "pool": pool} for pool in ("mean", "token"))
    found = r"vit_tiny\(.*\) can't be used on squares/segment, .*; take pool = \"mean\""
    with pytest.raises(LabeleffError, match=found):
        study(encoders=[token])
    assert study(encoders=[whole])
    assert study(encoders=[token], tasks=["squares/classify", "squares/pose"])


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"squares/segment": "iou"}, "unknown metric of squares/segment 'iou'.*known: mean_iou, pixel_accuracy"),
        (
            {"squares/depth": "rmse"},
            "'rmse' of squares/depth is the better the smaller.*one of within_1.25, within_1.1",
        ),
        ({"squares/depth": "accuracy"}, r"unknown metric of squares/depth 'accuracy' \(known: within_1.1, within_1.25"),
        ({"squares/pose": "accuracy"}, r"unknown task \(in 'metrics'\) 'squares/pose'"),
    ],
)
def test_metrics_that_cannot_be_reported_on_are_refused(metrics, message):
    with pytest.raises(LabeleffError, match=message):
        study(metrics=metrics)


def test_the_metric_to_report_on_is_no_part_of_a_cell():
    chosen = {"squares/segment": "mean_iou", "squares/depth": "within_1.1"}
    assert [cell.key for cell in study(metrics=chosen).cells()] == [cell.key for cell in study().cells()]


def test_rungs_need_not_cover_the_classes_of_pixels():
    assert study(tasks=["squares/segment"], rungs=[2, 4])
    with pytest.raises(LabeleffError, match="2 labels can't cover the 3 classes"):
        study(tasks=["squares/classify"], rungs=[2, 4])


def test_tasks_with_the_same_images_take_the_same_encoders():
    cells = list(study().cells())
    by_task = {
        task: {c.pretraining.key for c in cells if c.task.name == task and c.pretrain} for task in TABLE["tasks"]
    }
    first, *others = by_task.values()
    assert len(first) == 2
    assert all(keys == first for keys in others)
    assert len(study().pretrainings) == 2
    assert {p.task.name for p in study().pretrainings} == {"squares/classify"}
    assert all(c.pretrain_task is None for c in cells if c.pretrain is None or c.task.name == "squares/classify")
    assert len({c.key for c in cells}) == len(cells)


def test_only_options_that_the_other_task_knows_are_carried_over(monkeypatch):
    entries = (
        Plugin("a/one", "", "x:y", options={"train": 5, "size": 8}),
        Plugin("a/two", "", "x:y", options={"train": 5, "size": 8, "grid": 2}, images_of="a/one"),
    )
    monkeypatch.setitem(lookup._ENTRIES, "task", {entry.name: entry for entry in entries})
    spec = lookup.complete("task", "a/two", {"size": 9, "grid": 3})
    assert lookup.images_of(spec).options == {"train": 5, "size": 9}
    assert lookup.images_of(lookup.complete("task", "a/one", {})).name == "a/one"


@pytest.mark.parametrize("name", ["cifar10-small", "babi"])
def test_keys_of_cells_and_pretrainings_measured_before_are_unchanged(name):
    seen = 0
    for line in (REPORTS / name / "records.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["type"] == "cell":
            cell = Cell.model_validate(entry["cell"])
            assert cell.key == entry["key"]
            assert cell.pretrain is None or cell.pretraining.key == entry["pretraining"]
            seen += 1
    assert seen > 20
