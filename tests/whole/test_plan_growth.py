"""Work of a plan and of a run's start, counted: in proportion to the cells, and once per cell or pretraining."""

from collections import Counter

import pytest

from labeleff.catalogue import lookup
from labeleff.commands import plan_tables
from labeleff.execution.pending import cost
from labeleff.scheduling.jobs import jobs_for
from labeleff.scheduling.priority import cell_priorities, jobs_by_turn, order_jobs
from labeleff.scheduling.shards import loads
from labeleff.scheduling.speeds import Speeds
from labeleff.study import cell
from labeleff.study.loading import parse_study
from labeleff.study.schema import Study

TABLE = {
    "name": "grown",
    "tasks": ["shapes/classify", "shapes/pose"],
    "encoders": ["resnet9"],
    "arms": ["scratch/finetune", "rotation/finetune", "rotation/linear", "vae/finetune"],
    "rungs": [50, 500],
    "pairing": "zipped",
    "probe": {},
    "budget": {
        "rotation": {"lr": 0.1, "batch": 128, "epochs": 10},
        "vae": {"lr": 0.1, "batch": 128, "epochs": 10},
        "finetune": {"lr": 0.1, "batch": 32, "epochs": 10},
    },
}


def study(runs: int) -> Study:
    """Make a study of sixteen cells and two pretrainings per run."""
    return parse_study({**TABLE, "draws": runs, "seeds": runs}, "the test's study")


@pytest.fixture
def hashed(monkeypatch):
    """Count how often keys are computed, by kind."""
    counts: Counter[str] = Counter()
    original = cell.content_key

    def counted(*parts):
        counts[str(parts[0])] += 1
        return original(*parts)

    monkeypatch.setattr(cell, "content_key", counted)
    return counts


@pytest.fixture
def looked_up(monkeypatch):
    """Count the look-ups in the catalogue."""
    counts: Counter[str] = Counter()
    original = lookup.find

    def counted(kind, name):
        counts[kind] += 1
        return original(kind, name)

    monkeypatch.setattr(lookup, "find", counted)
    return counts


def planned(runs, folder):
    plan_tables.show_plan(study(runs), folder, 2)


def begun(runs):
    """Do what a run under a time limit does before it trains: its share, its jobs and their order."""
    of = study(runs)
    cells = [one for _, members in loads(list(of.cells()), 3) for one in members]
    priorities = cell_priorities(cells, lambda _: False, of.arm_of, of.baseline)
    jobs = jobs_by_turn(cells, priorities, lambda some: jobs_for(some, lambda _: False))
    return order_jobs(jobs, priorities, lambda job: cost(job, of, Speeds({})))


def test_a_plan_hashes_every_cell_once_and_its_pretraining_once(hashed, tmp_path):
    planned(6, tmp_path)
    assert hashed == {"cell": 6 * 16, "pretraining": 6 * 12}


def test_a_run_hashes_every_cell_once_before_it_trains(hashed):
    assert len(begun(6)) == 6 * (2 + 12 + 2)
    assert hashed == {"cell": 6 * 16, "pretraining": 6 * 12}


@pytest.mark.parametrize("work", [planned, lambda runs, _: begun(runs)])
def test_look_ups_grow_in_proportion(work, looked_up, tmp_path):
    totals = []
    for runs in (4, 8, 12):
        looked_up.clear()
        work(runs, tmp_path)
        totals.append(looked_up.total())
    assert totals[2] - totals[1] == totals[1] - totals[0]


def test_a_changed_copy_forgets_what_was_computed_of_the_original():
    whole = study(3)
    assert [len(list(whole.cells())), len(whole.pretrainings), len(whole.probe_plan.tasks)] == [48, 6, 6]
    few = whole.model_copy(update={"draws": 1, "seeds": 1, "probe": None})
    assert [len(list(few.cells())), len(few.pretrainings), few.probe_plan] == [16, 2, None]
    first = next(whole.cells())
    other = first.model_copy(update={"seed": 7})
    assert other.key != first.key
    assert other.pretraining.seed == 7


def test_cells_of_published_labels_are_others_than_those_of_draws():
    whole = study(1)
    drawn, published = list(whole.cells()), list(whole.cells({("x", 0, 50): "h"}))
    assert [one.key for one in drawn] == [one.key for one in published]
    label = drawn[0].task.label
    assert next(whole.cells({(label, 0, 50): "h"})).indices_sha256 == "h"
    assert next(whole.cells()).indices_sha256 is None
