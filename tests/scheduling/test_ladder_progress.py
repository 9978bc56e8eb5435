"""A study's ladders from its records, without training."""

import pytest
from support import factories

from labeleff.records.entries import Record
from labeleff.scheduling.ladder_progress import Ladders, training_steps

AUTO = {"at": [50, 200], "width": 0.4}


@pytest.fixture
def study():
    tasks = [{"name": "toy/classify", "train": 2000, "test": count} for count in (500, 1000)]
    return factories.study(auto=AUTO, draws=4, tasks=tasks)


def ladders(study):
    return Ladders.of(study, list(study.cells()), lambda _: "accuracy")


def record(cell, run="r1", **changes):
    saved = factories.SAVED[cell.arm]
    luck = (int(cell.key[:6], 16) / 2**24 - 0.5) / 50
    value = factories.accuracy(cell.n + saved) + luck
    known = {"run": run, "key": cell.key, "cell": cell, "status": "ok", "metrics": {"accuracy": value}}
    return Record(**{**known, **changes})


def measured(study, per_round=10**9):
    """Records of all chosen cells, at most the given number per round."""
    made, records = ladders(study), {}
    while pending := made.advance(records):
        records |= {cell.key: record(cell) for cell in pending[:per_round]}
    return made, records


def test_a_ladder_a_task_and_less_than_all(study):
    made, records = measured(study)
    assert len(made.choosers) == 2
    assert records.keys() == {cell.key for cell in made.chosen}
    assert len(records) < len(list(study.cells()))
    for where, chooser in made.choosers.items():
        assert chooser.finished
        mine = [cell for cell in made.chosen if cell.task.label == where[0]]
        every = [cell for cell in study.cells() if cell.task.label == where[0]]
        assert made.share(where) == pytest.approx(training_steps(mine) / training_steps(every))


def test_decisions_follow_from_the_records_alone(study):
    made, records = measured(study)
    for per_round in (1, 7):
        slowly, same = measured(study, per_round)
        assert same.keys() == records.keys()
        assert [c.steps for c in slowly.choosers.values()] == [c.steps for c in made.choosers.values()]
    again = ladders(study)
    assert again.advance(records) == []
    assert [c.steps for c in again.choosers.values()] == [c.steps for c in made.choosers.values()]


def test_cells_that_were_not_chosen_change_nothing(study):
    _, records = measured(study)
    whole = {cell.key: record(cell) for cell in study.cells()}
    rich = ladders(study)
    assert rich.advance(whole) == []
    assert {cell.key for cell in rich.chosen} == records.keys()


def test_failed_cells_are_settled_unless_they_are_measured_again(study):
    made, records = measured(study)
    lost = made.chosen[0]
    failed = records | {lost.key: record(lost, status="failed", metrics={}, reason="no")}
    again = ladders(study).advance(failed, lambda one: one.status == "failed")
    assert again[0].key == lost.key
    pending = ladders(study).advance(failed)
    assert lost.key not in {cell.key for cell in pending}


def test_frozen_cells_are_solved_with_those_of_a_fixed_ladder(study):
    made = ladders(study)
    pending = made.advance({})
    whole = made.whole(pending, {})
    assert whole[: len(pending)] == pending
    seeds = {cell.seed for cell in pending if cell.budget is None}
    frozen = {cell.key for cell in study.cells() if cell.budget is None and cell.seed in seeds}
    assert {cell.key for cell in whole if cell.budget is None} == frozen
    assert {cell.key for cell in whole[len(pending) :]} == frozen - {cell.key for cell in pending}
    assert made.whole([cell for cell in pending if cell.budget], {}) == [cell for cell in pending if cell.budget]
