"""What arms take, pretraining charged, and what their labels are worth by the hour."""

import pandas as pd
import pytest
from support import factories

from labeleff.reporting.study_report import build

TAKEN = factories.training().seconds
"""Seconds of a pretraining, by factories.py; a cell takes 1.5 more."""
WORSE = "rotation/linear"


def records(of):
    """Cells that say where they start; one arm is worse than the baseline."""
    for record in factories.cell_records(of):
        arm = of.arm_of(record.cell)
        accuracy = record.metrics["accuracy"] * (0.8 if arm == WORSE else 1.0)
        start = None if arm.startswith("scratch") else record.cell.pretraining.key
        yield record.model_copy(update={"metrics": {"accuracy": accuracy}, "pretraining": start})


def tables(path, entries):
    factories.write(path, entries)
    text = build(path).read_text()
    table = path / "device_time.csv"
    return text, pd.read_csv(table).set_index(["arm", "n"]) if table.exists() else None


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    of = factories.study(arms=["scratch/finetune", "scratch/linear", "rotation/finetune", WORSE])
    path = tmp_path_factory.mktemp("told")
    text, found = tables(path, [factories.run_entry(of), *factories.pretrainings(of), *records(of)])
    return text, found, pd.read_csv(path / "utility.csv").set_index(["arm", "n"])


def test_utility_is_divided_by_the_hours_of_pretraining_and_cell(told):
    _, found, utility = told
    assert set(found.index.unique("arm")) == {"scratch/linear", "rotation/finetune", WORSE}
    for (arm, n), row in found.iterrows():
        start = 0.0 if arm.startswith("scratch") else TAKEN
        hours = (start + 1.5) / 3600
        assert row["pretraining_seconds"] == pytest.approx(start)
        assert row["device_hours"] == pytest.approx(hours)
        for end in ("", "_low", "_high"):
            theirs = utility.loc[(arm, n), f"utility{end}"]
            assert row[f"utility_per_hour{end}"] == pytest.approx(theirs / hours, nan_ok=True)


def test_where_there_is_no_gain_none_is_divided(told):
    text, found, _ = told
    lines = text[text.index("## Utility per device-hour") :].splitlines()
    gains = {name: next(row for row in lines if row.startswith(f"| {name} ")) for name in (WORSE, "rotation/finetune")}
    worth = found.loc[WORSE]["utility_per_hour"]
    assert gains[WORSE].count("no gain") == (worth <= 0).sum() + worth.isna().sum() > 0
    assert "no gain" not in gains["rotation/finetune"]
    assert " 5 s " in gains["rotation/finetune"], "a pretraining, rounded"


def test_an_arm_whose_encoder_is_unknown_is_left_out(tmp_path):
    of = factories.study()
    text, found = tables(tmp_path, [factories.run_entry(of), *records(of)])
    assert found is None
    assert "device-hour" not in text
