"""Engines that need nothing but this machine: every cell recorded once, also where workers die."""

import collections
import multiprocessing
from types import SimpleNamespace

import pytest
from support import toy_study
from support.made_bench import Board, Choosy, FakeBench, made

from labeleff.execution.draws import LabelRule
from labeleff.execution.engines import engine_table, local
from labeleff.execution.engines.local import InProcess, Workers
from labeleff.execution.run_facts import Settings
from labeleff.scheduling.job_seconds import WORTH_WORKERS
from labeleff.scheduling.jobs import Pretrain, jobs_for
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.loading import load_study


def runner(folder, **options):
    given = {"device": "cpu", "data": folder / "data", "cache": folder / "cache"} | options
    return FakeBench(Settings(RunOptions(folder, ["labeleff"], **given), "r1", LabelRule("stratified")))


def desk(folder, *, apart=False, **options):
    here = runner(folder, **options)
    conditions = SimpleNamespace(
        precision={"resnet9": "bf16"}, data={"a task": "ab" * 32}, plugins={"pretext spun": "spinning 0.1"}
    )
    facts = SimpleNamespace(machine=SimpleNamespace(kind=here.device.type), conditions=conditions)
    return SimpleNamespace(settings=here.settings, runner=here, makes_runner=FakeBench, facts=facts, apart=apart)


class Given:
    """The toy study's jobs, with the records that an engine makes of them."""

    def __init__(self, folder):
        self.runner, self.records, self.board = runner(folder), [], Board()
        (folder / "data").mkdir()
        self.cells = list(load_study(str(toy_study.write(folder)), []).cells())
        self.jobs = jobs_for(self.cells, lambda _: False)

    def dies(self, key):
        (self.runner.settings.options.data / key).write_text("1")

    def run(self, engine, limit=None):
        engine.run(self.jobs, self.records.extend, self.board, limit)
        assert not self.board.doing
        counts = collections.Counter(one.key for one in self.records)
        assert set(counts.values()) <= {1}, "every record once"
        return {one.key: one for one in self.records if one.type == "cell"}


@pytest.fixture
def given(tmp_path):
    return Given(tmp_path)


def workers(runner):
    return Workers(FakeBench, runner.settings, 2)


ENGINES = pytest.mark.parametrize("engine", [InProcess, workers], ids=["here", "workers"])


@ENGINES
def test_every_cell_is_recorded_once_and_after_its_pretraining(given, engine):
    found = given.run(engine(given.runner))
    assert {key: one.metrics["accuracy"] for key, one in found.items()} == {c.key: made(c.key) for c in given.cells}
    assert given.board.cells == len(given.cells)
    [pretraining] = [job.pretraining.key for job in given.jobs if isinstance(job, Pretrain)]
    order = [one.key for one in given.records]
    needing = [cell.key for job in given.jobs for cell in job.cells if job.needs]
    assert order.index(pretraining) < min(map(order.index, needing))


@ENGINES
def test_a_limit_says_what_is_begun_and_learns_how_long_it_took(given, engine):
    limit = Choosy()
    found = given.run(engine(given.runner), limit)
    wanted = [job for job in given.jobs if len(job.cells) == 1 and not job.needs]
    assert found.keys() == {job.cells[0].key for job in wanted}
    assert {job.cells[0].key for job in limit.learned} == found.keys()
    assert len(limit.learned) == len(wanted)


def test_what_a_dead_worker_left_fails_and_another_goes_on(given):
    pack = next(job for job in given.jobs if len(job.cells) == 4)
    given.dies(pack.cells[2].key)
    found = given.run(workers(given.runner))
    assert found.keys() == {cell.key for cell in given.cells}
    failed = {key for key, one in found.items() if one.status == "failed"}
    assert failed == {cell.key for cell in pack.cells[2:]}
    assert {found[key].reason for key in failed} == {
        "the worker process died (exit code -9); the usual cause is that memory ran out"
    }


def test_cells_of_a_lost_pretraining_fail(given):
    pretraining = next(job.pretraining for job in given.jobs if isinstance(job, Pretrain))
    given.dies(pretraining.key)
    found = given.run(workers(given.runner))
    needing = {cell.key for job in given.jobs for cell in job.cells if job.needs}
    assert {key for key, one in found.items() if one.status == "failed"} == needing
    assert all(found[key].pretraining == pretraining.key for key in needing)
    assert all(found[key].reason.startswith("pretraining failed: the worker process died") for key in needing)


def kill(number):
    [process] = [one for one in multiprocessing.active_children() if one.name == f"labeleff-{number}"]
    process.kill()
    process.join()


class Killer(Board):
    """A display that kills every worker as soon as its job is done."""

    def __init__(self):
        super().__init__()
        self.kills = 0

    def finished(self, worker, job):
        super().finished(worker, job)
        kill(worker)
        self.kills += 1


def test_workers_that_die_while_idle_are_replaced_and_nothing_fails(given):
    given.board = Killer()
    found = given.run(workers(given.runner))
    assert given.board.kills == len(given.jobs) > 2
    assert {key: one.metrics["accuracy"] for key, one in found.items()} == {c.key: made(c.key) for c in given.cells}


def test_jobs_fail_where_no_worker_lives_to_take_them(given, monkeypatch):
    starts = []

    class StillBorn(local._Worker):
        def start(self):
            super().start()
            kill(self.number)
            starts.append(self.number)

    monkeypatch.setattr(local, "_Worker", StillBorn)
    found = given.run(workers(given.runner))
    assert found.keys() == {cell.key for cell in given.cells}
    reason = "the worker process died (exit code -9); the usual cause is that memory ran out"
    assert {one.reason for one in found.values()} == {reason, f"pretraining failed: {reason}"}
    tried = sum(not job.needs for job in given.jobs)
    assert len(starts) == 2 + tried * local.ATTEMPTS


@pytest.mark.parametrize(
    ("options", "seconds", "places"),
    [
        ({"cores": 4}, WORTH_WORKERS, 1),
        ({"cores": 4}, WORTH_WORKERS + 1, 4),
        ({"cores": 4, "jobs": 2}, 0.0, 2),
        ({"cores": 4, "jobs": 1}, 1e6, 1),
        ({"cores": 1}, 1e6, 1),
    ],
)
def test_workers_are_for_much_work_or_where_they_are_asked_for(tmp_path, options, seconds, places):
    with engine_table.open_engine(desk(tmp_path, **options)) as engine:
        chosen = engine(seconds)
    assert chosen.places == places
    assert isinstance(chosen, InProcess if places == 1 else Workers)


def test_on_an_accelerator_this_process_does_all(tmp_path):
    with engine_table.open_engine(desk(tmp_path, device="meta", jobs=3)) as engine:
        chosen = engine(1e6)
    assert isinstance(chosen, InProcess)
    assert (chosen.places, chosen.processes) == (1, 3)


def test_where_this_process_holds_no_data_little_work_is_one_workers(tmp_path):
    with engine_table.open_engine(desk(tmp_path, apart=True, cores=4)) as engine:
        chosen = engine(WORTH_WORKERS)
    assert isinstance(chosen, Workers)
    assert (chosen.places, chosen.processes) == (1, 1)
    assert chosen._settings.precision == {"resnet9": "bf16"}, "no worker measures for itself what the run was told"
    assert chosen._settings.data == {"a task": "ab" * 32}, "and none goes on with other data"
    assert chosen._settings.plugins == {"pretext spun": "spinning 0.1"}, "or with other code"
