"""The life of a job in an engine, tested without an engine."""

from dataclasses import replace

import pytest
from support import toy_study
from support.made_bench import Board, Choosy

from labeleff.execution.engines.assignments import Work
from labeleff.records.entries import Record
from labeleff.scheduling.jobs import jobs_for
from labeleff.study.loading import load_study


@pytest.fixture
def pack(tmp_path, monkeypatch):
    monkeypatch.setattr(Choosy, "fits", lambda *_: True)
    jobs = jobs_for(load_study(str(toy_study.write(tmp_path)), []).cells(), lambda _: True)
    return next(job for job in jobs if len(job.cells) == 4)


@pytest.fixture
def told():
    return [], Board(), Choosy()


def record(cell):
    return Record(run="r", key=cell.key, cell=cell, status="ok")


def test_a_job_that_is_done_is_shown_recorded_and_learned_from(pack, told):
    records, board, limit = told
    work = Work([pack], "r", records.extend, board, limit)
    given = work.hand_out()
    work.begin(given, 3)
    assert board.doing == {3: pack}
    work.advance(given, 1, 2, 0.5, 100.0)
    work.keep(given, [record(cell) for cell in pack.cells])
    work.end(given)
    assert [one.key for one in records] == [cell.key for cell in pack.cells]
    assert limit.learned == [pack]
    assert not board.doing
    assert work.hand_out() is None


def test_a_lost_job_counts_by_what_is_recorded_and_the_rest_goes_first(pack, told):
    records, board, limit = told
    work = Work([pack, pack], "r", records.extend, board, limit)
    given, rest = work.hand_out(), pack.cells[1:]
    work.begin(given, 0)
    work.keep(given, [record(pack.cells[0])])
    left = replace(pack, cells=rest)
    work.put_back(given, [left])
    assert board.cells == 1
    assert [job.cells for job in limit.learned] == [pack.cells[:1]]
    assert work.hand_out().job is left


def test_nobody_hears_of_a_job_that_was_never_begun(pack, told):
    records, board, limit = told
    work = Work([pack], "r", records.extend, board, limit)
    given = work.hand_out()
    work.advance(given, 1, 2, 0.5, 100.0)
    work.put_back(given, [pack])
    assert (records, board.names, limit.learned) == ([], [], [])
    assert work.hand_out().job is pack
