"""Labels and device-hours together: times between rungs, and what a label saved costs."""

import math

import pandas as pd
import pytest
from support import factories

from labeleff.curves.bounds import Reading
from labeleff.reporting.effort.charges import Charge
from labeleff.reporting.effort.time_to_accuracy import hours
from labeleff.reporting.study_report import build

PLAIN = Reading("point", 200.0, None, 50.0, None, True, None, None)


def test_time_between_rungs_is_a_line_in_logarithms_and_never_falls():
    by_rung = {100: Charge(10, 90, 0), 400: Charge(10, 390, 0), 1600: Charge(10, 90, 100)}
    found = hours(PLAIN, by_rung)
    assert found.value * 3600 == pytest.approx(math.sqrt(100 * 400))
    assert (found.low * 3600, found.high) == (pytest.approx(100), None)
    assert hours(Reading("point", 5000.0, None, None, None, False, None, None), by_rung).value * 3600 == pytest.approx(
        400
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    of = factories.study(arms=["scratch/finetune", "rotation/finetune", "rotation/linear"], targets=[0.6, 0.99])
    path = tmp_path_factory.mktemp("told")
    records = [
        one.model_copy(
            update={
                "metrics": {
                    "accuracy": one.metrics["accuracy"] * (0.8 if of.arm_of(one.cell) == "rotation/linear" else 1)
                },
                "pretraining": None if one.cell.pretrain is None else one.cell.pretraining.key,
            }
        )
        for one in factories.cell_records(of)
    ]
    factories.write(path, [factories.run_entry(of), *factories.pretrainings(of), *records])
    text = build(path).read_text()
    return text, pd.read_csv(path / "time_to_accuracy.csv"), pd.read_csv(path / "targets.csv")


def test_labels_are_those_of_the_targets_and_time_has_the_pretraining(told):
    text, found, targets = told
    assert "## Labels and device time together" in text
    assert set(found["target"]) == {0.6}
    both = found.merge(targets, on=["arm", "target"], suffixes=("", "_there"))
    assert list(both["n"]) == list(both["n_there"])
    rows = found.set_index("arm")
    start = factories.training().seconds
    assert rows.loc["scratch/finetune", "device_hours"] * 3600 == pytest.approx(1.5)
    assert rows.loc["rotation/finetune", "device_hours"] * 3600 == pytest.approx(start + 1.5)


def test_a_label_saved_costs_the_time_beyond_the_baselines(told):
    rows = told[1].set_index("arm")
    base = rows.loc["scratch/finetune"]
    assert math.isnan(base["seconds_per_label_saved"])
    for arm, row in rows.drop("scratch/finetune").iterrows():
        saved = base["n"] - row["n"]
        beyond = 3600 * (row["device_hours"] - base["device_hours"])
        expected = beyond / saved if saved > 0 else math.nan
        assert row["seconds_per_label_saved"] == pytest.approx(expected, nan_ok=True), arm


def test_without_targets_there_is_no_such_table(tmp_path):
    of = factories.study()
    factories.write(tmp_path, [factories.run_entry(of), *factories.cell_records(of)])
    assert "device time together" not in build(tmp_path).read_text()
    assert not (tmp_path / "time_to_accuracy.csv").exists()
