import pickle
from dataclasses import replace

from support import toy_study

from labeleff.execution.engines.assignments import MOST_DEATHS, Tries
from labeleff.records.entries import PretrainingRecord, Record
from labeleff.scheduling.job_seconds import job_estimates
from labeleff.scheduling.jobs import Climb, Pretrain, Solve, Train, TrainTogether, jobs_for, part_of
from labeleff.scheduling.queue import Ready
from labeleff.study.loading import load_study


def jobs(folder, slots=1):
    cells = list(load_study(str(toy_study.write(folder)), []).cells())
    return jobs_for(cells, lambda _: False, slots)


def record(cell):
    return Record(run="r", key=cell.key, cell=cell, status="ok")


def keys(jobs):
    return [[cell.key for cell in job.cells] for job in jobs]


def test_a_lost_job_goes_on_without_what_is_recorded(tmp_path):
    pack = next(job for job in jobs(tmp_path) if len(job.cells) > 2)
    left, failed = Tries("r").after_death(pack, [record(pack.cells[0])], "a crash")
    assert keys(left) == [[cell.key for cell in pack.cells[1:]]]
    assert type(left[0]) is type(pack)
    assert not failed


def test_a_poisonous_cell_is_given_up_alone(tmp_path):
    """Replay a pack whose worker dies whenever it comes to its second cell, up to the end."""
    pack = next(job for job in jobs(tmp_path) if len(job.cells) == 4)
    poison, tries, waiting = pack.cells[1], Tries("r"), [pack]
    died, done, failed = 0, [], []
    while waiting:
        job = waiting.pop(0)
        before = job.cells[: job.cells.index(poison)] if poison in job.cells else job.cells
        done += before
        if poison in job.cells:
            died += 1
            more, given_up = tries.after_death(job, [record(cell) for cell in before], "a crash")
            waiting += more
            failed += given_up
    assert died == MOST_DEATHS
    assert [one.key for one in failed] == [poison.key]
    assert failed[0].status == "failed"
    assert failed[0].reason.startswith("its worker died 3 times, at last of: a crash")
    assert sorted(cell.key for cell in done) == sorted(cell.key for cell in pack.cells if cell != poison)


def test_a_ladder_with_selected_labels_stays_whole_and_knows_what_is_recorded(tmp_path):
    cells = list(load_study(str(toy_study.write(tmp_path)), ["selection=margin", "rungs=[20, 30, 40]"]).cells())
    climbs = [job for job in jobs_for(cells, lambda _: True) if isinstance(job, Climb)]
    trained = next(job for job in climbs if job.in_order)
    tries, first = Tries("r"), record(trained.cells[0])
    [left], failed = tries.after_death(trained, [first], "a crash")
    assert left == replace(trained, cells=trained.cells[1:], below=(first,))
    [left], failed = tries.after_death(left, [], "a crash")
    assert left.cells == trained.cells[1:], "with one try left they aren't parted either"
    assert left.below == (first,)
    assert not failed
    more, failed = tries.after_death(left, [], "a crash")
    assert not more
    assert [one.key for one in failed] == [cell.key for cell in trained.cells[1:]]
    frozen, tries = next(job for job in climbs if not job.in_order), Tries("r")
    [again], _ = tries.after_death(frozen, [], "a crash")
    parts, _ = tries.after_death(again, [], "a crash")
    assert len(parts) == 2, "one for each draw"
    assert all([cell.n for cell in part.cells] == [20, 30, 40] for part in parts)
    assert pickle.loads(pickle.dumps(left)) == left


def test_a_worker_that_dies_before_its_pack_has_recorded_anything(tmp_path):
    """The second death splits a pack, whose cells have one try left each."""
    pack = next(job for job in jobs(tmp_path) if len(job.cells) == 4)
    tries = Tries("r")
    [again], _ = tries.after_death(pack, [], "")
    assert again.cells == pack.cells
    alone, failed = tries.after_death(again, [], "")
    assert keys(alone) == [[cell.key] for cell in pack.cells]
    assert alone[2].pretraining == pack.cells[2].pretraining
    assert not failed


def test_a_pretraining_is_given_up_and_fails_its_cells(tmp_path):
    asked = jobs(tmp_path)
    ready, tries = Ready(asked), Tries("r")
    first = ready.take()
    assert isinstance(first, Pretrain)
    for _ in range(MOST_DEATHS - 1):
        left, failed = tries.after_death(first, [], "a crash")
        assert (left, failed) == ([first], [])
        ready.put_back(left)
        assert ready.take() is first
    left, [failed] = tries.after_death(first, [], "a crash")
    assert left == []
    assert isinstance(failed, PretrainingRecord)
    lost = ready.settle(first, [failed], "r")
    needing = {cell.key for job in asked for cell in job.cells if first.pretraining.key in job.needs}
    assert {one.key for one in lost} == needing
    assert all(one.reason.startswith("pretraining failed: its worker died 3 times") for one in lost)


def test_a_worker_that_died_after_its_last_record_leaves_nothing(tmp_path):
    asked = jobs(tmp_path)
    pretraining, pack = asked[0], next(job for job in asked if len(job.cells) > 2)
    made = PretrainingRecord(run="r", key=pretraining.pretraining.key, pretraining=pretraining.pretraining, status="ok")
    assert Tries("r").after_death(pretraining, [made], "") == ([], [])
    assert Tries("r").after_death(pack, [record(cell) for cell in pack.cells], "") == ([], [])


def test_a_part_of_a_job_is_of_its_kind(tmp_path):
    pretraining, *others = jobs(tmp_path)
    assert part_of(pretraining, []) == pretraining
    assert part_of(pretraining, []) is not pretraining
    cells = [cell for job in others for cell in job.cells]
    for job in (Solve(tuple(cells)), Train(tuple(cells)), TrainTogether(tuple(cells), 4)):
        assert part_of(job, cells[:1]) == replace(job, cells=(cells[0],))
        assert part_of(job, cells[-1:]).pretraining == cells[-1].pretraining
        assert job_estimates(part_of(job, []), {}) == [], "none of its cells was recorded"


def test_jobs_travel_light(tmp_path):
    asked = jobs(tmp_path)
    assert pickle.loads(pickle.dumps(asked)) == asked
    for job in asked:
        assert job.name
        assert len(pickle.dumps(job)) < 3000 + 1000 * len(job.cells), "what was computed of cells goes along, once"


def test_jobs_put_back_go_first(tmp_path):
    asked = [job for job in jobs(tmp_path) if not job.needs]
    ready = Ready(asked)
    first = ready.take()
    ready.put_back([first, Pretrain(first.pretraining)])
    assert ready.take() is first


def test_jobs_that_wait_are_not_looked_at_for_every_job_that_starts(monkeypatch, tmp_path):
    cells = list(load_study(str(toy_study.write(tmp_path)), ["draws=10", "seeds=10"]).cells())
    asked = sorted(jobs_for(cells, lambda _: False), key=lambda job: not job.needs)
    looks, needs = [], {id(job): job.needs for job in asked}
    for kind in {type(job) for job in asked}:
        monkeypatch.setattr(kind, "needs", property(lambda job: looks.append(job) or needs[id(job)]))
    ready, free = Ready(asked), [job for job in asked if not needs[id(job)]]
    assert [ready.take() for _ in range(len(free) + 3)] == [*free, None, None, None]
    assert len(looks) == len(asked)
    ready.settle(next(job for job in free if isinstance(job, Pretrain)), [], "r")
    assert ready.take().needs
