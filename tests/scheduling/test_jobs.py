import itertools

import pytest
from support import factories

from labeleff.records.entries import Asked, Record
from labeleff.scheduling.job_seconds import job_estimates
from labeleff.scheduling.jobs import (
    Climb,
    Pretrain,
    Train,
    TrainTogether,
    jobs_for,
    ladder,
    part_of,
    path_to,
    with_known,
)
from labeleff.scheduling.priority import cell_priorities, jobs_by_turn
from labeleff.scheduling.queue import Ready, TimeLimit
from labeleff.scheduling.shards import loads


@pytest.fixture
def study():
    return factories.study(selection=["random", "margin", "coreset"], rungs=[20, 50, 100], draws=2)


def climbs(jobs):
    return [job for job in jobs if isinstance(job, Climb)]


def test_a_ladder_is_one_job_and_is_never_packed(study):
    jobs = jobs_for(study.cells(), lambda _: True, slots=None, workers=4)
    ladders = [job for job in climbs(jobs) if job.in_order]
    assert len(ladders) == 2 * 2 * 2  # arms, strategies, draws
    assert all([cell.n for cell in job.cells] == [20, 50, 100] for job in ladders)
    assert all(len({ladder(cell) for cell in job.cells}) == 1 for job in ladders)
    assert all(cell.selection is None for job in jobs if isinstance(job, Train | TrainTogether) for cell in job.cells)


def test_frozen_ladders_share_one_job_with_their_features(study):
    [frozen] = [job for job in climbs(jobs_for(study.cells(), lambda _: True)) if not job.in_order]
    assert len(frozen.cells) == 2 * 2 * 3  # strategies, draws, rungs
    assert {study.arm_of(cell) for cell in frozen.cells} == {"rotation/linear@margin", "rotation/linear@coreset"}


def test_ladders_wait_for_their_encoder_and_fail_with_it(study):
    cells = [cell for cell in study.cells() if cell.selection]
    ready = Ready(jobs_for(cells, lambda _: False))
    first = ready.take()
    assert isinstance(first, Pretrain)
    taken = list(iter(ready.take, None))
    assert {cell.pretext.name for job in taken for cell in job.cells} == {"scratch"}
    failed = factories.PretrainingRecord.failed("r1", first.pretraining, "no luck")
    lost = ready.settle(first, [failed], "r1")
    assert len(lost) == len(cells) - sum(len(job.cells) for job in taken)


def test_no_part_of_a_job_array_cuts_a_ladder(study):
    cells = list(study.cells())
    for count in (2, 3, 7):
        parts = [{ladder(cell) for cell in part if cell.selection} for _, part in loads(cells, count)]
        assert all(not one & other for one, other in itertools.combinations(parts, 2))
        assert sum(map(len, parts)) == len({ladder(cell) for cell in cells if cell.selection})


def test_turns_of_a_time_limit_do_not_cut_a_ladder(study):
    """A rung that other draws have already makes its cell a later turn; the ladder still is one job."""
    cells = list(study.cells())
    trained = [cell for cell in cells if cell.selection and cell.budget]
    done = {cell.key for cell in trained if cell.draw == 1 and cell.n == 20}
    pending = [cell for cell in cells if cell.key not in done]
    priorities = cell_priorities(cells, lambda cell: cell.key in done, study.arm_of, study.baseline)
    assert len({priorities[cell.key].turn for cell in trained if cell.draw == 0}) == 2
    jobs = climbs(jobs_by_turn(pending, priorities, lambda some: jobs_for(some, lambda _: True)))
    found = [ladder(job.cells[0]) for job in jobs if job.in_order]
    assert len(found) == len(set(found))


def test_a_ladder_starts_where_its_first_rung_fits_in_the_time(study):
    [job, *_] = [job for job in climbs(jobs_for(study.cells(), lambda _: True)) if job.in_order]
    limit = TimeLimit(10.0, lambda one: 4.0 * len(one.cells), clock=lambda: 0.0)
    assert limit.fits(job, [])
    assert not limit.fits(part_of(Train(job.cells), job.cells), [])
    assert not TimeLimit(3.0, lambda one: 4.0 * len(one.cells), clock=lambda: 0.0).fits(job, [])


def test_an_estimate_counts_the_scoring_of_the_pool(study):
    [job, *_] = [job for job in climbs(jobs_for(study.cells(), lambda _: True)) if job.in_order]
    selected = [one.seconds for one in job_estimates(job, {})]
    drawn = [one.seconds for one in job_estimates(Train(job.cells), {})]
    assert selected[-1] == drawn[-1]
    assert selected[0] > drawn[0]
    assert selected[1] - drawn[1] == pytest.approx(selected[0] - drawn[0])
    assert job_estimates(part_of(job, []), {}) == []


def test_known_rungs_go_with_what_is_left_of_a_ladder(study):
    [job, *_] = [job for job in climbs(jobs_for(study.cells(), lambda _: True)) if job.in_order]
    low, middle, top = job.cells
    asked = Asked(n=50, indices=list(range(30)), pool=1980, seconds=1.0, processor_seconds=1.0)
    records = {low.key: Record(run="r1", key=low.key, cell=low, status="ok", asked=asked)}
    left = with_known(part_of(job, [middle, top]), records)
    assert [record.key for record in left.below] == [low.key]
    assert path_to(top) == [low, middle, top]
    after_death = part_of(left, [top], [records[low.key].model_copy(update={"key": middle.key})])
    assert [record.key for record in after_death.below] == [low.key, middle.key]
    assert with_known(Train((low,)), records) == Train((low,))
