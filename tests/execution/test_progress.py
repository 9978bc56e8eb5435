import pytest

from labeleff.execution import progress
from labeleff.execution.progress import LiveDisplay, PreparationBars
from labeleff.scheduling.corrections import kind_of
from labeleff.scheduling.jobs import Pretrain, Train, jobs_for
from labeleff.study.loading import load_study


def test_logs_get_a_line_with_cells_and_time_left(monkeypatch, capsys):
    monkeypatch.setattr(progress, "PLAIN_INTERVAL", 0.0)
    jobs = jobs_for(load_study("smoke").cells(), lambda _: True)
    with LiveDisplay(jobs, {id(job): 10.0 for job in jobs}, 1, quiet=False) as display:
        display.started(0, jobs[0])
        display.advanced(0, 1, 2, 0.5, 100.0)
        display.finished(0, jobs[0])
        display.started(0, jobs[1])
    lines = capsys.readouterr().err.splitlines()
    assert f"now: {jobs[0].name} (50%)" in lines[1]
    assert lines[2].startswith("cells 1 of 18, about ")
    assert " left; now:" in lines[2]


def test_quiet_says_nothing(monkeypatch, capsys):
    monkeypatch.setattr(progress, "PLAIN_INTERVAL", 0.0)
    jobs = jobs_for(load_study("smoke").cells(), lambda _: True)
    with LiveDisplay(jobs, {id(job): 1.0 for job in jobs}, 1, quiet=True) as display:
        display.started(0, jobs[0])
        display.finished(0, jobs[0])
    with PreparationBars(quiet=True) as bars:
        bars.advance(1, 2, "x")
    captured = capsys.readouterr()
    assert captured.err == captured.out == ""


def test_logs_hear_of_preparation(monkeypatch, capsys):
    monkeypatch.setattr(progress, "PLAIN_INTERVAL", 0.0)
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with PreparationBars() as bars:
        bars.advance(0, 4, "rendering shapes")
        now[0] = 60.0
        bars.advance(3, 4, "rendering shapes")
        bars.advance(7, 0, "reading")
    lines = ["rendering shapes: 0%", "rendering shapes: 75%, about 20 s left", "reading"]
    assert capsys.readouterr().err.splitlines() == lines


class Counted(float):
    """A number that counts its additions and subtractions."""

    times = 0

    def __radd__(self, other):
        Counted.times += 1
        return float(self) + other

    def __rsub__(self, other):
        Counted.times += 1
        return other - float(self)


def test_what_is_left_is_known_without_adding_up_all_that_waits():
    jobs = jobs_for(load_study("smoke", ["draws=20", "seeds=20"]).cells(), lambda _: True)
    Counted.times = 0
    with LiveDisplay(jobs, {id(job): Counted(1) for job in jobs}, 1, quiet=True) as display:
        for job in jobs:
            display.started(0, job)
            display.advanced(0, 1, 2, 0.5, 100.0)
            display.finished(0, job)
    assert Counted.times <= 5 * len(jobs)


def test_each_kind_of_work_corrects_its_own_estimate_and_the_report_comes_after(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    jobs = jobs_for(load_study("smoke").cells(), lambda _: False)
    costs = {id(job): 10.0 for job in jobs}
    trained, pretraining = (kind_of(next(j for j in jobs if type(j) is kind)) for kind in (Train, Pretrain))
    waiting = {kind: 10.0 * sum(kind_of(job) == kind for job in jobs) for kind in map(kind_of, jobs)}
    with LiveDisplay(jobs, costs, 2, quiet=True, after=7.0) as display:
        assert display._left() is None, "nothing is known yet"
        job = next(job for job in jobs if kind_of(job) == trained)
        display.started(0, job)
        now[0] += 30.0
        display.finished(0, job)
        others = sum(seconds for kind, seconds in waiting.items() if kind != trained)
        assert display._left() == pytest.approx((3 * (waiting[trained] - 10.0) + others) / 2 + 7.0)
        display.started(0, next(job for job in jobs if kind_of(job) == pretraining))
        now[0] += 10.0
        display.advanced(0, 1, 2, 0.5, 100.0)
        solved = others - waiting[pretraining]
        assert display._left() == pytest.approx((3 * (waiting[trained] - 10.0) + 2 * 5.0 + solved) / 2 + 7.0)
