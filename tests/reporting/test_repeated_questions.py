"""Equal questions in a report: columns, notes and flags where they were counted, and nothing of it where not."""

import pandas as pd
import pytest
from support import factories
from support.story_records import record, study

from labeleff.comparison.headlines import entry
from labeleff.comparison.matching import match, study_changes
from labeleff.comparison.score_changes import score_changes
from labeleff.records.entries import Repeats
from labeleff.reporting import output_files
from labeleff.reporting.repeated_questions import COLUMNS
from labeleff.reporting.results import load
from labeleff.reporting.sections.stories import story_report
from labeleff.reporting.study_report import build

COUNTS = {"babi/qa1": (9_908, 16), "babi/qa2": (5_213, 741), "babi/qa3": (1_000, 0)}
"""Labelled questions that differ, and test questions among them."""


def counted(cell, accuracy=0.9, counts=None):
    distinct, seen = counts or COUNTS[cell.task.name]
    one = record(cell, accuracy, 0.8)
    repeats = Repeats(distinct=distinct, seen=seen)
    return one.model_copy(update={"repeats": repeats, "metrics": {"accuracy": accuracy, "unseen_accuracy": 0.625}})


def write(folder, of, records):
    tasks = {spec.label: {"chance": 0.2, "metric": "accuracy"} for block in of.blocks for spec in block.tasks}
    return factories.write(folder, [factories.run_entry(of, tasks=tasks), *records])


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr(output_files, "draw", lambda *_: {})


@pytest.fixture
def folder(tmp_path):
    of = study()
    return write(tmp_path / "new", of, [counted(cell) for cell in of.cells()])


@pytest.fixture
def earlier(tmp_path):
    of = study()
    return write(tmp_path / "old", of, [record(cell.former, 0.9, 0.8) for cell in of.cells()])


def test_tables_and_flags_have_what_was_counted(folder):
    text = build(folder).read_text()
    assert (
        "**Test questions in training**, the same story in the same words: 741 of 1,000 of babi/qa2 (74.1 %); 16 of "
        "1,000 of babi/qa1 (1.6 %). Their answers may be remembered; `unseen_accuracy` leaves them out."
    ) in text
    assert "**Repeated labels**: as many labelled questions differ: babi/qa2 5,213 of 10,000. The others" in text
    [row] = [line for line in text.splitlines() if line.startswith("| babi/qa2 ")]
    assert [cell.strip() for cell in row.split("|")][-4:-1] == ["5,213", "259", "62.5"]
    assert "No validation question equals one that was trained on." in text
    table = pd.read_csv(folder / "answers.csv")
    assert table[COLUMNS].iloc[2].tolist() == [5_213, 259, 0.625]
    metrics = pd.read_csv(folder / "metrics.csv")
    assert set(metrics["metric"]) == {"unseen_accuracy"}


def test_records_without_counts_give_the_report_of_before(earlier):
    text = build(earlier).read_text()
    assert load(earlier).former
    assert "Incomplete" not in text
    for word in ("differ:", "unseen", "same story", "equals"):
        assert word not in text
    assert not {*COLUMNS} & {*pd.read_csv(earlier / "answers.csv").columns}


def test_records_of_two_meanings_are_not_mixed(tmp_path):
    of = study()
    cells = list(of.cells())
    old = [record(cell.former, 0.5, 0.8) for cell in cells]
    results = load(write(tmp_path / "both", of, [*old, *(counted(cell) for cell in cells[:2])]))
    assert not results.former
    assert [item.key for item in results.cells] == [cell.key for cell in cells[:2]]
    assert results.foreign == len(old)
    assert {item.cell.held_out for item in results.cells} == {"distinct"}


def test_comparisons_and_histories_tell_the_meanings_apart(folder, earlier):
    assert study_changes(load(earlier), load(folder)) == ["stories held out with equal ones in training -> without"]
    assert study_changes(load(folder), load(folder)) == study_changes(load(earlier), load(earlier)) == []
    changes = score_changes(match(load(earlier), load(folder)), 0.9)
    assert {change.subject.metric for change in changes} == {"error"}, "only what both sides have is compared"
    [old], [new] = (
        {value.circumstances for subject, value in entry(path).values.items() if subject.metric == "passed"}
        for path in (earlier, folder)
    )
    assert old != new


def test_draws_of_a_ladder_are_told_as_a_range_and_every_rung_of_labels(tmp_path):
    of = study(rungs=[500, 1000], draws=2, seeds=1, stories={}, tasks=["babi/qa1"])
    counts = {(500, 0): (460, 30), (500, 1): (470, 40), (1000, 0): (900, 70), (1000, 1): (910, 80)}
    folder = write(tmp_path, of, [counted(cell, 0.9, counts[cell.n, cell.draw]) for cell in of.cells()])
    first, second, *_ = story_report(load(folder)).weak
    assert "70 to 80 of 1,000 of babi/qa1 (7.0 to 8.0 %) at 1,000 labels" in first
    assert "differ: babi/qa1 460 to 470 of 500, 900 to 910 of 1,000." in second
    text = build(folder).read_text()
    assert "accuracy on unseen questions" in text
    assert first.split(":")[0] in text


def test_unseen_accuracy_can_be_what_a_report_is_about(folder):
    changed = load(folder, {"metrics": {"babi/qa1": "unseen_accuracy"}})
    assert {changed.value(item) for item in changed.cells if item.cell.task.name == "babi/qa1"} == {0.625}


def test_many_tasks_are_counted(tmp_path):
    of = study(tasks=[f"babi/qa{number}" for number in (1, 2, 4, 5, 6, 7, 8, 9)], stories={})
    records = [counted(cell, 0.9, (5000, int(cell.task.name[7:]))) for cell in of.cells()]
    first, second, *_ = story_report(load(write(tmp_path, of, records))).weak
    assert "9 of 1,000 of babi/qa9 (0.9 %); 8 of" in first
    assert "4 of 1,000 of babi/qa4 (0.4 %); and 2 more. Their" in first
    assert "babi/qa7 5,000 of 10,000; and 2 more. The" in second
