import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from support import dense_tasks, story_tasks
from support.python_server import PythonServer

from labeleff.catalogue import lookup
from labeleff.commands.cli import main
from labeleff.reporting.html import vega

settings.register_profile("labeleff", deadline=None, derandomize=True)
settings.load_profile("labeleff")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """A folder that all workers share, for the script of charts and kernels, which take seconds to make."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made-once"


@pytest.fixture(autouse=True)
def own_places(tmp_path, monkeypatch, made_once):
    """No test reads or writes the user's folders; one thread a process."""
    monkeypatch.setattr(vega, "cache_folder", lambda: made_once)
    monkeypatch.setenv("LABELEFF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LABELEFF_KERNELS", str(made_once / "kernels"))
    monkeypatch.setenv("LABELEFF_CORES", "1")  # tests run side by side, one a core
    monkeypatch.delenv("LABELEFF_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)


@pytest.fixture
def charts(made_once):
    """Put the script of charts into a cache folder, for processes: charts(folder)."""

    def put(cache):
        if vega.bundle() is not None:
            shutil.copytree(made_once / "vega", cache / "vega", dirs_exist_ok=True)

    return put


@pytest.fixture
def with_charts(charts):
    """Put the script of charts into the cache folder, for processes."""
    charts(Path(os.environ["LABELEFF_CACHE"]))


@pytest.fixture(scope="session")
def python_server(made_once):
    """A server of processes that have imported torch."""
    server = PythonServer(made_once)
    yield server
    server.close()


@pytest.fixture
def command(with_charts, python_server):
    """Run `labeleff` as a process: command("plan", "smoke") gives its completed process."""

    def run(*arguments, timeout=600, text=None):
        environment = os.environ | {"COLUMNS": "160", "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [*python_server.python(environment), "-m", "labeleff", *map(str, arguments)],
            capture_output=True,
            input=text,
            text=True,
            timeout=timeout,
            env=environment,
        )

    return run


@pytest.fixture
def called_here(monkeypatch, capsys):
    """Call `labeleff` in this process: called_here("utility", "runs.csv") gives exit status, output and error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["labeleff", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        output = capsys.readouterr()
        return caught.value.code or 0, output.out, output.err

    return call


@pytest.fixture(scope="session")
def told(tmp_path_factory):
    """A folder with a finished run of made-up stories, two seeds of one reader."""
    torch.set_num_threads(1)
    return story_tasks.run(tmp_path_factory.mktemp("told"))


@pytest.fixture
def squares(monkeypatch):
    """The catalogue knows small tasks of every goal."""
    for plugin in dense_tasks.PLUGINS:
        monkeypatch.setitem(lookup._ENTRIES["task"], plugin.name, plugin)
