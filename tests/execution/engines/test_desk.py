"""Who reads the data of a run: this process, or others; the facts are the same."""

import os
import subprocess
import sys

import pytest
from support import toy_study

from labeleff.errors import OptionError
from labeleff.execution.engines import desk as module
from labeleff.execution.engines.desk import Desk, leaves_data
from labeleff.execution.run_facts import settings_of
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.loading import load_study


def make(folder, **options):
    study = load_study(str(toy_study.write(folder)), [])
    given = RunOptions(folder / "run", ["labeleff"], data=folder / "data", cache=folder / "cache", **options)
    return Desk(study, settings_of(study, given), lambda *_: None)


def test_facts_are_the_same_wherever_they_are_found(tmp_path):
    here, apart = make(tmp_path, jobs=1), make(tmp_path, jobs=2)
    assert (here.apart, apart.apart) == (False, True)
    assert here.facts == apart.facts
    assert "runner" not in vars(apart), "no data in this process"
    assert here.facts.machine.kind == "cpu"
    assert set(here.facts.encoders) == {one.key for one in here.study.pretrainings}


@pytest.mark.parametrize(
    ("jobs", "cores", "given", "torch", "leaves"),
    [
        (2, 1, {}, True, True),
        (1, 8, {}, False, False),
        (None, 8, {}, False, module.processes.FORKS),
        (None, 8, {}, True, False),
        (None, 1, {}, False, False),
        (2, 8, {"device": "cuda"}, False, False),
        (2, 8, {"engine": "ray"}, False, False),
    ],
)
def test_data_are_left_to_others_where_these_may_be_many(monkeypatch, jobs, cores, given, torch, leaves):
    if not torch:
        monkeypatch.delitem(sys.modules, "torch")
    assert leaves_data(jobs, cores, **given) is leaves


def test_an_unknown_device_is_an_error_before_a_folder_is_made(tmp_path):
    with pytest.raises(OptionError, match="--device"):
        make(tmp_path, device="abacus", jobs=2)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not module.processes.FORKS, reason="the process to look into is Linux's")
def test_a_run_with_workers_imports_no_torch_and_records_what_it_does_without(tmp_path):
    study = toy_study.write(tmp_path)
    program = (
        "import sys; from labeleff.execution.launch import measure; from labeleff.study.loading import load_study; "
        "from labeleff.scheduling.run_options import RunOptions; from pathlib import Path\n"
        "if __name__ == '__main__':\n"
        f"    measure(load_study({str(study)!r}, []), RunOptions(Path('two'), ['x'], jobs=2, quiet=True))\n"
        "    assert not {'torch', 'safetensors.torch'} & set(sys.modules)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(program)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "two" / "records.jsonl").stat().st_size
