"""The order of jobs where time may not suffice, on studies that nobody trains."""

import pytest
from support import factories

from labeleff.scheduling.jobs import Pretrain, Train, TrainTogether, jobs_for
from labeleff.scheduling.priority import cell_priorities, jobs_by_turn, order_jobs


def never(_):
    return False


def cost(job):
    """A second for every label of a trained cell, and for every pretraining 1,000."""
    if isinstance(job, Pretrain):
        return 1000.0
    return sum(float(cell.n) if cell.budget else 1.0 for cell in job.cells)


def arranged(study, done=never, seconds=cost):
    cells = list(study.cells())
    priorities = cell_priorities(cells, done, study.arm_of, study.baseline)
    pending = [cell for cell in cells if not done(cell)]
    jobs = jobs_by_turn(pending, priorities, lambda some: jobs_for(some, never))
    return order_jobs(jobs, priorities, seconds)


def trained(jobs):
    return [job.cells[0] for job in jobs if isinstance(job, Train | TrainTogether)]


@pytest.fixture
def study():
    return factories.study(draws=3, seeds=3, pairing="zipped")


def test_every_job_is_there_once_and_after_its_pretraining(study):
    jobs = arranged(study)
    keys = [cell.key for job in jobs for cell in job.cells]
    assert sorted(keys) == sorted(cell.key for cell in study.cells())
    made = set()
    for job in jobs:
        assert job.needs <= made
        if isinstance(job, Pretrain):
            assert job.pretraining.key not in made
            made.add(job.pretraining.key)
    assert len(made) == 3


def test_first_runs_come_before_second_ones(study):
    turns = [cell.draw for cell in trained(arranged(study))]
    assert turns == sorted(turns)


def test_cheap_rungs_come_first_and_arms_side_by_side(study):
    first = [
        cell
        for cell in trained(arranged(study, seconds=lambda j: 0.0 if isinstance(j, Pretrain) else cost(j)))
        if not cell.draw
    ]
    assert [cell.n for cell in first] == sorted(cell.n for cell in first)
    for pair in zip(first[::2], first[1::2], strict=True):
        assert {study.arm_of(cell) for cell in pair} == {"scratch/finetune", "rotation/finetune"}


def test_a_dear_pretraining_waits_until_it_pays(study):
    jobs = arranged(study)
    first = next(place for place, job in enumerate(jobs) if isinstance(job, Pretrain))
    before = [job.cells[0] for job in jobs[:first]]
    assert before
    assert {cell.pretext.name for cell in before} == {"scratch"}
    assert {cell.draw for cell in before} == {0}
    cheap = arranged(study, seconds=lambda job: 0.001 if isinstance(job, Pretrain) else cost(job))
    assert next(place for place, job in enumerate(cheap) if isinstance(job, Pretrain)) < first


def test_further_runs_of_the_baseline_go_before_those_of_arms(study):
    second = [cell for cell in trained(arranged(study, seconds=lambda _: 1.0)) if cell.draw == 1]
    assert {study.arm_of(cell) for cell in second[: len(study.rungs)]} == {study.baseline}


def test_measured_runs_count(study):
    def done(cell):
        return cell.draw == 0 and study.arm_of(cell) == study.baseline and cell.n == 20

    cells = trained(arranged(study, done))
    first = [cell for cell in cells if study.arm_of(cell) == study.baseline][: len(study.rungs) - 1]
    assert all(cell.n != 20 for cell in first)


def test_a_pretraining_alone_comes_last(study):
    cells = list(study.cells())
    priorities = cell_priorities(cells, never, study.arm_of, study.baseline)
    alone = Pretrain(study.pretrainings[0])
    scratch = [cell for cell in cells if cell.pretext.name == "scratch"]
    assert order_jobs([alone, *jobs_for(scratch, never)], priorities, cost)[-1] is alone


def test_packs_are_cut_by_turn(study):
    cells = list(study.cells())
    priorities = cell_priorities(cells, never, study.arm_of, study.baseline)
    jobs = jobs_by_turn(cells, priorities, lambda some: jobs_for(some, never, None))
    packs = [job for job in jobs if isinstance(job, Train | TrainTogether)]
    assert len(packs) == 6
    assert all(len({cell.draw for cell in job.cells}) == 1 for job in packs)
    assert all(len(job.cells) == len(study.rungs) for job in packs)
