"""Changes in the number of tasks passed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as reference
from support import factories, run_pairs, story_records

from labeleff.comparison.change import Change, Exact, Student
from labeleff.comparison.matching import match
from labeleff.comparison.score_changes import _moderate_ladders, passed_changes, score_changes
from labeleff.reporting.results import load
from labeleff.stats import moderation
from labeleff.study.quantities import Subject, quantity


def folder(path, accuracies):
    """Two runs per task, of which validation chooses the second."""
    of = story_records.study(tasks=[f"babi/qa{k}" for k in range(1, 11)], stories={})
    records = []
    for cell in of.cells():
        accuracy = accuracies.get(int(cell.task.name.removeprefix("babi/qa")), 0.99)
        shown = accuracy if cell.seed or accuracy is None else 0.5
        records.append(story_records.record(cell, shown, 0.9 if cell.seed else 0.1))
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


def changes(base, new):
    found = score_changes(match(load(base), load(new)), 0.9)
    return {item.subject.name: item for item in found}


def values(folder, arm, n):
    results = load(folder)
    return results.arm_runs(results.places[0], arm)[n]


def test_a_change_is_the_mean_of_its_pairs(tmp_path):
    base = run_pairs.folder(tmp_path / "base", run_pairs.again(1))
    new = run_pairs.folder(tmp_path / "new", run_pairs.again(2, -0.05))
    found = changes(base, new)
    assert len(found) == 3 * 7
    old, fresh = (values(side, "rotation/linear", 200) for side in (base, new))
    item = found["accuracy@200[rotation/linear]"]
    assert item.difference == pytest.approx(np.mean([fresh[run] - old[run] for run in old]))
    assert (item.pairs, item.pairing) == (3, "run")
    assert item.new - item.base == pytest.approx(item.difference)
    ladder = found["accuracy[rotation/linear]"]
    assert ladder.difference == pytest.approx(
        np.mean([found[f"accuracy@{n}[rotation/linear]"].difference for n in factories.RUNGS])
    )


def test_runs_that_one_side_lacks_are_left_out_of_both(tmp_path):
    base = run_pairs.folder(tmp_path / "base", run_pairs.again(1))
    new = run_pairs.folder(tmp_path / "new", run_pairs.again(2), keep=lambda record: record.cell.draw != 2)
    item = changes(base, new)["accuracy@50[scratch/finetune]"]
    old = values(base, "scratch/finetune", 50)
    assert item.pairs == 2
    assert item.base == pytest.approx((old[0, 0] + old[1, 0]) / 2)


def test_without_shared_draws_nothing_is_paired_and_it_says_why(tmp_path):
    def labels(mark):
        return lambda record: record.model_copy(update={"indices_sha256": f"{mark}{record.cell.draw}"})

    base = run_pairs.folder(tmp_path / "base", run_pairs.again(1), labels("a"))
    new = run_pairs.folder(tmp_path / "new", run_pairs.again(2), labels("b"))
    item = changes(base, new)["accuracy@50[scratch/finetune]"]
    assert (item.pairs, item.pairing) == (0, "none")
    assert "draws of the same number have other labels in NEW" in item.notes
    same = changes(base, base)["accuracy@50[scratch/finetune]"]
    assert same.uncertainty == Exact()


def test_single_runs_have_no_interval_unless_nothing_changed(tmp_path):
    of = factories.study(draws=1)
    base = run_pairs.folder(tmp_path / "base", of=of)
    new = run_pairs.folder(tmp_path / "new", run_pairs.again(2), of=of)
    item = changes(base, new)["accuracy@50[scratch/finetune]"]
    assert item.uncertainty is None
    assert item.notes[0].startswith("no interval")
    assert changes(base, base)["accuracy@50[scratch/finetune]"].uncertainty == Exact()


def test_other_metrics_are_compared_by_their_direction_and_scale(tmp_path):
    def with_rmse(seed, factor):
        def change(record):
            noise = float(np.random.default_rng([seed, record.cell.n, record.cell.draw]).normal(0, 0.01))
            rmse = 20.0 * record.cell.n**-0.2 * factor * math.exp(noise)
            return record.model_copy(update={"metrics": {**record.metrics, "rmse": rmse, "within_1.25": 0.5}})

        return change

    base = run_pairs.folder(tmp_path / "base", with_rmse(1, 1.0))
    new = run_pairs.folder(tmp_path / "new", with_rmse(2, 1.2))
    found = changes(base, new)
    item = found["rmse@200[scratch/finetune]"]
    assert item.difference == pytest.approx(0.2, abs=0.05)
    assert item.new / item.base == pytest.approx(1.2, abs=0.05)
    assert item.p_worse() < 0.01
    assert item.p_better() > 0.9
    assert found["within_1.25@200[scratch/finetune]"].uncertainty == Exact()


def test_a_ratio_of_zero_is_left_out(tmp_path):
    def zero(record):
        return record.model_copy(update={"metrics": {**record.metrics, "loss": 0.0 if record.cell.n == 20 else 1.0}})

    folder = run_pairs.folder(tmp_path, zero)
    found = changes(folder, folder)
    assert "loss@20[scratch/finetune]" not in found
    assert "loss@50[scratch/finetune]" in found


def ladder(arm, mean, error, df=2.0):
    subject = Subject("accuracy", None, arm, "t", "e")
    return Change(subject, quantity("accuracy"), 0.5, 0.5, mean, Student(mean, error, df), 3, "run")


def test_ladders_lend_each_other_degrees_of_freedom():
    rows = _moderate_ladders([ladder("a", 0.0, 0.01), ladder("b", 0.0, 0.01), ladder("c", 0.0, 0.002)])
    assert [row.uncertainty.df for row in rows] == [4, 4, 4]
    assert rows[2].uncertainty.error > 0.002
    assert rows[0].uncertainty.error == 0.01
    assert _moderate_ladders([ladder("a", 0.0, 0.01)])[0].uncertainty == Student(0.0, 0.01, 2.0)


def test_rungs_are_not_steadied_twice():
    row = replace(ladder("a", 0.0, 0.01), subject=Subject("accuracy", 50, "a", "t", "e"))
    assert _moderate_ladders([row, ladder("b", 0.0, 0.1)])[0] == row


def test_p_values_of_ladders_are_uniform_enough():
    """Five arms without a change, three draws each: the share of small p values is what it should be or less."""
    rng, small = np.random.default_rng(0), []
    for _ in range(400):
        values = 0.01 * rng.standard_normal((5, 3))
        rows = [ladder(f"{arm}", float(row.mean()), float(row.std(ddof=1) / 3**0.5)) for arm, row in enumerate(values)]
        small += [row.p_worse() <= 0.01 for row in _moderate_ladders(rows)]
    assert np.mean(small) <= 0.01 + 3 * (0.01 * 0.99 / len(small)) ** 0.5


def test_stories_are_told_by_their_error(tmp_path):

    of = story_records.study()
    records = [story_records.record(cell, 0.97, 0.9) for cell in of.cells()]
    folder = factories.write(tmp_path, [factories.run_entry(of), *records])
    found = changes(folder, folder)
    item = found["error@1000[scratch/validated]"]
    assert item.base == pytest.approx(0.03)
    assert not item.quantity.higher
    assert not [name for name in found if name.startswith("accuracy")]


def test_unmoderated_it_is_the_paired_t_test(tmp_path, monkeypatch):

    monkeypatch.setattr(moderation, "PRIOR_DF", 0.0)
    of = factories.study(arms=["scratch/finetune", "rotation/finetune"], rungs=[50, 100], draws=6)
    base = run_pairs.folder(tmp_path / "base", run_pairs.again(1), of=of)
    new = run_pairs.folder(tmp_path / "new", run_pairs.again(2, sd=0.03), of=of)
    item = changes(base, new)["accuracy@50[scratch/finetune]"]
    old, fresh = (values(side, "scratch/finetune", 50) for side in (base, new))
    expected = reference.ttest_rel([fresh[run] for run in old], list(old.values()))
    assert item.uncertainty.error == pytest.approx(abs(item.difference / expected.statistic))
