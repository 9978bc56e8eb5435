import os
import subprocess
import sys

import pytest
import torch
from hypothesis import settings
from support import dense_tasks, story_tasks

from labeleff.catalogue import lookup
from labeleff.commands.cli import main

settings.register_profile("labeleff", deadline=None, derandomize=True)
settings.load_profile("labeleff")


@pytest.fixture(autouse=True)
def own_places(tmp_path, monkeypatch):
    """No test reads or writes the user's folders; one thread a process."""
    monkeypatch.setenv("LABELEFF_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LABELEFF_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)


@pytest.fixture
def command():
    """Run `labeleff` as a process: command("plan", "smoke") gives its completed process."""

    def run(*arguments, timeout=120):
        environment = os.environ | {"COLUMNS": "160", "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, "-m", "labeleff", *map(str, arguments)],
            capture_output=True,
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
