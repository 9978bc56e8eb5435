"""The view of accuracies that reports are made of, with and without a study behind it."""

from __future__ import annotations

from pathlib import Path

from support import factories

from labeleff.reporting.findings import compare_arms
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.reporting.results import load

PLACE = Place("digits")
BASE = {10: {(0, 0): 0.3}, 100: {(1, 0): 0.6, (2, 0): 0.7}}


def alone(**changes: object) -> Measurements:
    fields = {
        "settings": {PLACE: Setting("digits", (10, 50, 100))},
        "arms": ("scratch", "better"),
        "baseline": "scratch",
        "runs": {(PLACE, "scratch"): BASE, (PLACE, "better"): {50: {(3, 0): 0.6}}},
        "level": 0.9,
        "method": "log",
        "design": "1 to 2 runs a rung",
    }
    return Measurements(**{**fields, **changes})


def test_names_of_places() -> None:
    assert str(Place("digits", "resnet9")) == "digits, resnet9"
    assert str(Place("digits")) == "digits"
    assert Setting("t", (1, 2), metric="F1").quantity == "F1 (%)"
    assert Setting("t", (1, 2), split="test").quantity == "accuracy on the test split (%)"


def test_a_study_gives_its_view(tmp_path: Path) -> None:
    of = factories.study()
    records = factories.cell_records(of)
    records[0] = factories.failed(records[0])
    results = load(factories.write(tmp_path, [factories.run_entry(of), *records[:-1]]))
    measured = results.measured
    (place,) = measured.places
    assert measured.settings[place] == Setting(
        "toy/classify, resnet9", tuple(factories.RUNGS), "accuracy", 0.1, 1000, "images", "test"
    )
    assert measured.arms == tuple(factories.SAVED)
    assert measured.at(place, "rotation/linear") == results.arm_runs(place, "rotation/linear")
    assert (measured.planned_runs, measured.size) == (3, 3)
    assert measured.failed[place, "scratch/finetune"][20] == 1
    assert measured.design == "3 runs a rung: 3 draws of labels, 1 seed, crossed"


def test_without_a_plan_only_what_is_there_is_asked_for() -> None:
    measured = alone()
    assert measured.rungs_at(PLACE, "scratch") == [10, 100]
    assert measured.rungs_at(PLACE, "better") == [50]
    assert measured.at(PLACE, "worse") == {}
    assert alone(planned_runs=2).rungs_at(PLACE, "better") == (10, 50, 100)
    assert (measured.size, alone(planned_runs=5).size, alone(runs={}).size) == (2, 5, 0)
    assert alone(runs={(PLACE, "scratch"): BASE}).arms_at(PLACE) == ["scratch"]


def test_comparisons_need_no_study() -> None:
    (item,) = compare_arms(alone())
    assert (item.place, item.arm, item.baseline) == (PLACE, "better", "scratch")
    assert [point.n for point in item.points] == [50]
    assert compare_arms(alone(baseline="better")) == []
