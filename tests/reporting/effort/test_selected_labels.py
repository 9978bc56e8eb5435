import numpy as np
import pandas as pd
import pytest
from support import factories

from labeleff.records.entries import Asked
from labeleff.reporting.effort.selected_labels import how, seconds_below
from labeleff.reporting.study_report import build


@pytest.fixture
def study():
    return factories.study(selection=["random", "margin"])


def selected(record):
    """The record of a selected cell as the runner writes it: it asked for the next rung, and lacks two classes."""
    above = [n for n in factories.RUNGS if n > record.cell.n]
    if record.cell.selection is None:
        return record
    asked = None
    if above:
        n = above[0]
        places = list(range(n - record.cell.n))
        asked = Asked(n=n, indices=places, pool=2000 - record.cell.n, seconds=3.0, processor_seconds=3.0)
    missing = ["1", "2"] if record.cell.n == 50 else []
    return record.model_copy(update={"asked": asked, "missing_classes": missing, "seconds": 10.0})


@pytest.fixture
def report(study, tmp_path):
    records = [selected(record) for record in factories.cell_records(study)]
    folder = factories.write(tmp_path, [factories.run_entry(study), *factories.pretrainings(study), *records])
    return folder, build(folder).read_text()


def test_selection_stands_beside_random_and_both_against_the_drawn_baseline(report):
    folder, text = report
    table = pd.read_csv(folder / "summary.csv")
    arms = ["scratch/finetune", "rotation/finetune", "rotation/linear"]
    assert list(dict.fromkeys(table["arm"])) == [name for arm in arms for name in (arm, f"{arm}@margin")]
    assert set(table["baseline"].dropna()) == {"scratch/finetune"}
    assert set(pd.read_csv(folder / "utility.csv")["arm"]) == set(table["arm"]) - {"scratch/finetune"}
    assert "seeing the labels bought up to there and no others" in text
    assert "U(n) counts labels drawn so" in text


def test_times_and_missing_classes_are_in_a_table(report):
    _, text = report
    section = text[text.index("## How labels were selected") : text.index("## Utility per device-hour")]
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in section.splitlines() if line[:2] == "| "]
    assert rows[0] == ["arm", "examples scored", "a choice took", *(f"n = {n:,}" for n in factories.RUNGS)]
    assert [row[0] for row in rows[2:]] == [f"{arm}@margin" for arm in factories.SAVED]
    assert rows[-1][1:6] == ["1,980 to 1,500", "3.0 s", "0", "2", "0"]
    assert "Missing classes" not in text, "a selection's classes are counted in its own table"


def test_device_hours_are_charged_what_the_labels_rest_on(report):
    """At the third rung: its own 10 s, and below it twice a training of 10 s and a choice of 3 s."""
    folder, text = report
    times = pd.read_csv(folder / "device_time.csv").set_index(["arm", "n"])
    row = times.loc[("scratch/finetune@margin", 100)]
    assert row["cell_seconds"] == 10
    assert row["selection_seconds"] == 26
    assert row["device_hours"] == pytest.approx(36 / 3600)
    assert times.loc[("scratch/finetune@margin", 20)]["selection_seconds"] == 0
    assert times.loc[("rotation/finetune", 100)]["selection_seconds"] == 0
    assert "is charged the rungs below it too" in text


def test_a_run_whose_lower_rungs_have_no_time_is_charged_nothing_made_up(study):
    records = [selected(record) for record in factories.cell_records(study)]
    one = [r for r in records if study.arm_of(r.cell) == "rotation/linear@margin" and r.cell.draw == 0]
    assert np.array_equal(sorted(seconds_below(one).values()), [0, 13, 26, 39, 52, 65])
    without = [r for r in one if r.cell.n != 100]
    spent = seconds_below(without)
    assert sorted(record.cell.n for record in without if record.key in spent) == [20, 50]


def test_drawn_labels_have_no_section(tmp_path):
    assert list(how(factories.study())) == []
    text = build(factories.folder(tmp_path)).read_text()
    assert "selected" not in text
    assert "selection_seconds" not in (tmp_path / "device_time.csv").read_text()
