"""Jobs on a real Ray, one small cluster for all of these tests."""

import collections
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support import made_bench, toy_study
from support.made_bench import Board, Choosy, FakeBench, made

from labeleff.errors import LabeleffError
from labeleff.execution.draws import LabelRule
from labeleff.execution.engines.engine_table import JobResources
from labeleff.execution.engines.ray_cluster import start_cluster
from labeleff.execution.run_facts import Settings
from labeleff.records.entries import Conditions
from labeleff.scheduling.jobs import Pretrain, jobs_for
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.loading import load_study

ray = pytest.importorskip("ray")
CONDITIONS = Conditions(device="cpu", precision={}, torch="", data={})


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    """The folder of Ray's files and its clusters' secret, outside the user's home."""
    path = tmp_path_factory.mktemp("ray") / "token"
    path.write_text("0" * 64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
        yield


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The cache folder of the cluster's node, which isn't the driver's."""
    return tmp_path_factory.mktemp("node")


@pytest.fixture(scope="module")
def cluster(token, elsewhere):
    ray.cloudpickle.register_pickle_by_value(made_bench)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABELEFF_CACHE", str(elsewhere))
        with start_cluster(2, 0, JobResources()) as one:
            yield one


class Started:
    """Jobs of the toy study on the cluster, with their records."""

    def __init__(self, folder, cluster, run):
        from labeleff.execution.engines.ray_driver import RayTasks
        from labeleff.training.device import torch_release

        self.folder = folder / "data"
        self.folder.mkdir()
        options = RunOptions(folder, device="cpu", data=self.folder, cache=folder / "cache")
        self.runner = FakeBench(Settings(options, run, LabelRule("stratified")))
        self.cells = list(load_study(str(toy_study.write(folder)), []).cells())
        self.jobs = jobs_for(self.cells, lambda asked: self.runner.cache.record(asked.key) is not None)
        self.conditions = CONDITIONS.model_copy(update={"torch": torch_release()})
        self.records, self.board = [], Board()
        self._engine = RayTasks(self.runner, lambda: self.conditions, cluster)

    def dies(self, key, times):
        (self.folder / key).write_text(str(times))

    def run(self, limit=None):
        self._engine.run(self.jobs, self.records.extend, self.board, limit)
        assert not self.board.doing
        assert self.board.cells == sum(one.type == "cell" for one in self.records if self._tried(one))

    def _tried(self, record):
        return not (record.status == "failed" and record.reason.startswith("pretraining failed"))

    def found(self):
        counts = collections.Counter(one.key for one in self.records)
        assert set(counts.values()) == {1}, "every record once"
        return {one.key: one for one in self.records if one.type == "cell"}


@pytest.fixture
def started(tmp_path, cluster):
    return Started(tmp_path, cluster, tmp_path.name)


def test_all_is_recorded_once_and_encoders_come_here(started, elsewhere):
    started.run()
    found = started.found()
    assert {key: one.metrics["accuracy"] for key, one in found.items()} == {c.key: made(c.key) for c in started.cells}
    assert sorted(started.board.names) == sorted(job.name for job in started.jobs)
    [pretraining] = [job.pretraining.key for job in started.jobs if isinstance(job, Pretrain)]
    order = [one.key for one in started.records]
    needing = {cell.key for job in started.jobs for cell in job.cells if job.needs}
    assert order.index(pretraining) < min(order.index(key) for key in needing)
    assert (
        started.runner.cache.content(pretraining)
        == (elsewhere / "encoders" / f"{pretraining}.safetensors").read_bytes()
    )


def test_what_there_is_no_time_for_is_not_begun(started):
    started.run(Choosy())
    wanted = {job.cells[0].key for job in started.jobs if len(job.cells) == 1 and not job.needs}
    assert started.found().keys() == wanted
    assert len(started.records) == len(wanted)


def test_encoders_go_where_they_are_lacking(started, elsewhere):
    pretraining = next(job.pretraining for job in started.jobs if isinstance(job, Pretrain))
    started.runner._pretrained(pretraining)
    started.jobs = jobs_for(started.cells, lambda _: True)
    there = elsewhere / "encoders" / f"{pretraining.key}.safetensors"
    there.unlink(missing_ok=True)
    started.run()
    assert started.found().keys() == {cell.key for cell in started.cells}
    assert there.read_bytes() == started.runner.cache.content(pretraining.key)


def test_workers_that_die(started):
    """One cell kills its worker once in the pack of a frozen protocol, another at every try."""
    pack = next(job for job in started.jobs if len(job.cells) == 4)
    single = next(job for job in started.jobs if len(job.cells) == 1)
    started.dies(pack.cells[2].key, 1)
    started.dies(single.cells[0].key, 9)
    started.run()
    found = started.found()
    assert found.keys() == {cell.key for cell in started.cells}
    [failed] = [one for one in found.values() if one.status == "failed"]
    assert failed.key == single.cells[0].key
    assert failed.reason.startswith("its worker died 3 times, at last of: ")
    assert (started.folder / failed.key).read_text() == "6"


def test_a_pretraining_at_which_workers_die(started):
    pretraining = next(job.pretraining for job in started.jobs if isinstance(job, Pretrain))
    started.dies(pretraining.key, 9)
    started.run()
    found = started.found()
    failed = {key for key, one in found.items() if one.status == "failed"}
    assert failed == {cell.key for job in started.jobs for cell in job.cells if job.needs}
    assert len(failed) == 12
    assert found.keys() == {cell.key for cell in started.cells}


def test_a_worker_of_other_conditions_is_refused(started):
    started.conditions = started.conditions.model_copy(update={"torch": "1.0"})
    with pytest.raises(LabeleffError, match=r"Ray node .*: found torch = .*, expected 1\.0 as where the run"):
        started.run()
    assert not started.records


def test_data_of_other_bytes_is_refused(started):
    label = started.cells[0].task.label
    started.conditions = started.conditions.model_copy(update={"data": {label: "other bytes"}})
    with pytest.raises(LabeleffError, match="found data of toy/classify"):
        started.run()


def numbers(out):
    """List the numbers of every cell and pretraining by key; each is recorded once."""
    lines = [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]
    kept = ("status", "metrics", "indices_sha256", "encoder_sha256", "test_loss", "test_count")
    found = [(one["key"], {name: one.get(name) for name in kept}) for one in lines if "key" in one]
    assert len(found) == len(dict(found))
    return dict(found)


def test_the_same_records_as_on_this_machine_alone(command, token, tmp_path):
    study = toy_study.write(tmp_path)
    common = ("run", study, "--shard", "1/1", "--jobs", 2, "--quiet", "--offline")
    assert command(*common, "--out", "local").returncode == 0
    (tmp_path / "cache").rename(tmp_path / "another")
    done = command(*common, "--out", "ray", "--engine", "ray")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["shard 1/1", "records"]
    assert numbers(tmp_path / "ray") == numbers(tmp_path / "local")


def test_a_run_that_is_terminated(token, tmp_path):
    """SIGTERM keeps what is recorded, gives its exit status, and ends the cluster that the run started."""
    words = ["run", toy_study.write(tmp_path), "--out", tmp_path / "out", "--engine", "ray", "--jobs", "1", "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-m", "labeleff", *map(str, words), "--set", "seeds=20"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    records = tmp_path / "out" / "records.jsonl"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not (records.exists() and '"type":"cell"' in records.read_text()):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 143, said
    assert "run the same command to go on" in said
    assert len(said.splitlines()) == 1
    assert any(one["status"] == "ok" for one in numbers(tmp_path / "out").values())


def test_a_task_tells_bytes_and_no_references(started):
    """A message has bytes, as an object that it only refers to can be gone before the driver takes it."""
    from labeleff.execution.engines.ray_worker import Orders, do

    pretraining = next(job for job in started.jobs if isinstance(job, Pretrain))
    told = list(do(Orders(started.runner.settings, started.conditions, makes_runner=FakeBench), 1, pretraining, {}))
    assert [kind for kind, _ in told] == ["begun", "encoder", "record"]
    assert all(isinstance(content, bytes) for _, (_, content) in told[1:2])
