"""What a run's jobs should take: parts that add up, the wall clock of a known schedule, memory."""

import pytest

from labeleff.scheduling.forecast import estimate_run, on_accelerator, peak_memory, wall_seconds
from labeleff.scheduling.job_seconds import job_estimates
from labeleff.scheduling.jobs import Solve, jobs_for
from labeleff.scheduling.speeds import Speed, Speeds, general_name, peak_name, scoring_name, solving_names, work_name
from labeleff.study.loading import load_study

STUDY = load_study("smoke")
CELLS = list(STUDY.cells())
JOBS = jobs_for(CELLS, lambda _: False)
NOTHING = Speeds({})


def names():
    trained = {work_name(item) for item in STUDY.pretrainings}
    return {name(cell) for cell in CELLS for name in (peak_name, scoring_name)} | trained


def all_known(**fields):
    return Speeds({name: Speed(rate=100.0, source="calibrated", **fields) for name in names()})


def test_parts_are_the_jobs_work_and_add_up():
    estimate = estimate_run(JOBS, NOTHING, 2, STUDY)
    assert sum(part.count for part in estimate.parts if part.what == "cells") == len(CELLS)
    assert [part.count for part in estimate.parts if part.what == "pretraining"] == [1]
    assert estimate.seconds == pytest.approx(sum(part.seconds for part in estimate.parts))
    assert estimate.seconds == pytest.approx(sum(one.seconds for job in JOBS for one in job_estimates(job, NOTHING)))
    assert estimate.seconds / 2 <= estimate.wall_seconds <= estimate.seconds
    assert estimate.speeds == "catalogue"


def test_a_cached_encoder_takes_nothing():
    whole, rest = estimate_run(JOBS, NOTHING, 1, STUDY), estimate_run(JOBS, NOTHING, 1, STUDY, cached=lambda _: True)
    [pretraining] = [part.seconds for part in whole.parts if part.what == "pretraining"]
    assert rest.seconds == pytest.approx(whole.seconds - pretraining)
    assert all(part.what == "cells" for part in rest.parts)


def test_one_rough_speed_makes_the_whole_rough():
    speeds = all_known()
    assert estimate_run(JOBS, speeds, 1, STUDY).speeds == "calibrated"
    del speeds[work_name(CELLS[0])]
    assert estimate_run(JOBS, speeds, 1, STUDY).speeds == "catalogue"


def test_cells_wait_for_their_pretraining_and_others_do_not():
    pretraining, rest = JOBS[0], JOBS[1:]
    alone = next(job for job in rest if not job.needs)
    waiting = next(job for job in rest if job.needs)
    assert wall_seconds([pretraining, alone, waiting], [10.0, 4.0, 3.0], 1) == 17.0
    assert wall_seconds([pretraining, alone, waiting], [10.0, 4.0, 3.0], 2) == 13.0
    assert wall_seconds([pretraining, waiting, alone], [10.0, 3.0, 4.0], 2) == 13.0
    assert wall_seconds([alone, alone, alone], [4.0, 4.0, 4.0], 2) == 8.0
    assert wall_seconds([], [], 3) == 0.0


def test_memory_is_known_where_every_kind_of_work_was_measured():
    assert peak_memory(JOBS, all_known(peak_memory=5)) == 5
    part = all_known(peak_memory=5)
    del part.by_name[work_name(CELLS[0])]
    assert peak_memory(JOBS, part) is None
    assert not on_accelerator(JOBS, part)
    assert on_accelerator(JOBS, all_known(device="a GPU"))


def test_frozen_cells_share_one_encoding_of_what_is_labelled():
    """400 training images: the highest rung of each draw is encoded, 100 + 100, and 200 test images, at 3 x 100."""
    job = next(job for job in JOBS if isinstance(job, Solve))
    first = job.cells[0]
    encoder = {general_name(first.encoder, first.task): 100.0}
    problems, rows, scored = solving_names(first)
    found = job_estimates(job, {**encoder, problems: 1e12})
    assert sum(one.seconds for one in found) == pytest.approx((200 + 200) / 300)
    solving = job_estimates(job, {**encoder, problems: 10.0, rows: 50.0, scored: 1000.0})
    for cell, one, plain in zip(job.cells, solving, found, strict=True):
        assert one.seconds - plain.seconds == pytest.approx(0.1 + cell.n / 50 + 0.2)


def test_grid_cells_of_dense_tasks_are_rows():
    cell = next(
        c
        for c in load_study("scenes-small", ['arms=["scratch/finetune", "rotation/linear"]']).cells()
        if c.budget is None
    )
    [job] = jobs_for([cell], lambda _: True)
    problems, rows, _ = solving_names(cell)
    [few] = job_estimates(job, {problems: 1.0, rows: 256.0})
    [fixed] = job_estimates(job, {problems: 1.0})
    assert few.seconds - fixed.seconds == pytest.approx(cell.n)
    assert job_estimates(job, {})[0].seconds > job_estimates(job, {problems: 1e9})[0].seconds, "even unmeasured"
