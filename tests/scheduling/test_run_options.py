import pickle
import sys

from labeleff.execution.draws import LabelRule
from labeleff.execution.run_facts import Settings
from labeleff.scheduling.run_options import RunOptions
from labeleff.scheduling.shards import Shard


def test_what_is_not_said_follows_from_the_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/labeleff", "run", "smoke"])
    monkeypatch.setenv("LABELEFF_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LABELEFF_CACHE", str(tmp_path / "cache"))
    options = RunOptions(tmp_path)
    assert options.command == ["labeleff", "run", "smoke"]
    assert (options.data, options.cache) == (tmp_path / "data", tmp_path / "cache")
    assert options.cores >= 1


def test_they_reach_other_processes_unchanged(tmp_path):
    options = RunOptions(tmp_path, jobs=2, shard=Shard(1, 3), engine="ray", gpu_share=0.5, time_limit=60.0)
    settings = Settings(options, "r1", LabelRule("stratified"), tmp_path)
    assert pickle.loads(pickle.dumps(settings)) == settings
