"""Changes in the number of tasks passed."""

from __future__ import annotations

import answered
import factories
import pytest

from labeleff.reporting.results import load
from labeleff.tracking.matching import match
from labeleff.tracking.passed_changes import passed_changes


def folder(path, accuracies):
    """Two runs a task, of which validation chooses the second."""
    of = answered.study(tasks=[f"babi/qa{k}" for k in range(1, 11)], stories={})
    records = []
    for cell in of.cells():
        accuracy = accuracies.get(int(cell.task.name.removeprefix("babi/qa")), 0.99)
        shown = accuracy if cell.seed or accuracy is None else 0.5
        records.append(answered.record(cell, shown, 0.9 if cell.seed else 0.1))
    return load(factories.write(path, [factories.run_entry(of), *records]))


def test_tasks_lost_and_gained_are_counted(tmp_path):
    base = folder(tmp_path / "base", {1: 0.9})
    new = folder(tmp_path / "new", dict.fromkeys(range(2, 8), 0.9))
    [item] = passed_changes(match(base, new))
    assert (item.base, item.new, item.difference, item.pairs) == (9, 4, -5, 10)
    assert item.notes == ("6 lost, 1 gained, of 10 tasks",)
    assert item.subject.name == "passed[scratch/validated]"
    assert item.p_worse() == pytest.approx(8 / 128)


def test_a_task_that_failed_to_run_is_left_out(tmp_path):
    base, new = folder(tmp_path / "base", {}), folder(tmp_path / "new", {1: None})
    [item] = passed_changes(match(base, new))
    assert (item.base, item.new, item.pairs) == (9, 9, 9)


def test_images_have_nothing_to_pass(tmp_path):
    results = load(factories.folder(tmp_path))
    assert passed_changes(match(results, results)) == []
