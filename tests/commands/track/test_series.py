"""Records as series for trackers."""

import json
import re
from dataclasses import replace

import pytest
from support import factories

from labeleff.commands.track import series
from labeleff.commands.track.series import UTILITY, safe_name, tracks
from labeleff.curves.bounds import worth
from labeleff.records.jsonl import read_records
from labeleff.reporting.assumptions import Failure
from labeleff.reporting.findings import compare_arms
from labeleff.reporting.results import load


def found(path, key="r1"):
    return tracks(load(path), key)


def track(whole, end):
    [item] = [item for item in whole.tracks if item.name.endswith(end)]
    return item


def test_every_arm_and_pretraining_is_a_track(tmp_path):
    whole = found(factories.folder(tmp_path))
    assert [item.name for item in whole.tracks] == [
        "toy-classify, resnet9/scratch/finetune",
        "toy-classify, resnet9/rotation/finetune",
        "toy-classify, resnet9/rotation/linear",
        "toy-classify, resnet9/rotation pretraining seed 0",
    ]
    assert (whole.study, whole.key, whole.complete) == ("known", "r1", True)
    assert whole.facts["environment.cpu"] == "a processor"
    assert whole.facts["study.draws"] == "3"


def test_series_over_n_have_means_intervals_speed_and_memory(tmp_path):
    folder = factories.folder(tmp_path)
    series = track(found(folder), "rotation/finetune").series
    values = [
        r.metrics["accuracy"]
        for r in read_records(folder).cells.values()
        if r.cell.arm == "rotation/finetune" and r.cell.n == 50
    ]
    assert len(values) == 3
    mean, low, high = (dict(series[f"accuracy{end}"])[50] for end in ("", "_low", "_high"))
    assert mean == pytest.approx(sum(values) / 3)
    assert low < mean < high
    assert series["examples_per_second"] == tuple((n, pytest.approx(975.7, rel=0.01)) for n in factories.RUNGS)
    assert series["seconds"] == tuple((n, 1.5) for n in factories.RUNGS)
    assert series["peak_memory_bytes"] == tuple((n, 50_000_000.0) for n in factories.RUNGS)
    assert "examples_per_second" not in track(found(folder), "rotation/linear").series


def test_utility_is_a_point_only_where_it_was_reached(tmp_path):
    """Limits and bounds of the report are in series of their own names."""
    folder = factories.folder(tmp_path)
    whole, by_name = found(folder), {}
    for item in compare_arms(load(folder).measured):
        series = track(whole, item.arm).series
        for point in item.points:
            shown = worth(point).shown
            by_name.setdefault(shown, []).append(point)
            here = [name for name in UTILITY.values() if point.n in dict(series.get(name, ()))]
            assert set(here) == {UTILITY[shown]}
            if shown == "point":
                assert dict(series["utility"])[point.n] == pytest.approx(point.utility)
                assert dict(series["utility_low"])[point.n] == pytest.approx(point.low)
    assert len(by_name) > 1


def test_learning_curves_are_by_step(tmp_path):
    whole = found(factories.folder(tmp_path))
    series = track(whole, "scratch/finetune").series
    assert series["n50 draw2 seed0/loss"] == tuple((20 * i, 1.4 / i) for i in range(1, 6))
    assert [step for step, _ in series["n50 draw2 seed0/examples_per_second"]] == [20, 40, 60, 80, 100]
    pretraining = track(whole, "pretraining seed 0").series
    assert dict(pretraining["heldout_accuracy"])[100] == pytest.approx(0.7)
    assert pretraining["final/heldout_accuracy"] == ((100, 0.7),)


def test_failed_and_missing_cells_leave_gaps(tmp_path):
    of = factories.study()
    cells = factories.cell_records(of)
    cells[0] = factories.failed(cells[0])
    whole = found(factories.write(tmp_path, [factories.run_entry(of), *cells[:-1]]))
    assert not whole.complete
    assert not [name for name in track(whole, "scratch/finetune").series if name.startswith("n20 draw0 ")]
    assert not [item for item in whole.tracks if "pretraining" in item.name]


def test_the_same_records_give_the_same_series(tmp_path):
    folder = factories.folder(tmp_path)
    assert json.dumps(found(folder).facts) == json.dumps(found(folder).facts)
    assert found(folder) == found(folder)


@pytest.mark.parametrize("name", ["file(path=a:b).pt", "größe", "a|b=c", "../x", ".."])
def test_names_have_only_what_every_tracker_takes(name):
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_. -]*", safe_name(name))


def test_utility_that_rests_on_an_assumption_that_fails_has_a_series_of_its_own(tmp_path):
    item = compare_arms(load(factories.folder(tmp_path)).measured)[0]
    failing = Failure("arm falls", "it falls", {item.arm: (item.points[0].n,)})
    found = series._utility(replace(item, failures=(failing,)))
    plain = series._utility(item)
    assert {name for name in found if "doubted" in name}
    assert sum(map(len, found.values())) == sum(map(len, plain.values()))
