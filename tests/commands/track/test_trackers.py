"""Trackers by name, and the commands that use them."""

import importlib
import subprocess
import sys

import pytest
from support import factories, toy_study

from labeleff.commands.track import mlflow_runs, tensorboard_files, trackers
from labeleff.errors import OptionError, UnknownNameError


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(trackers.TRACKERS, "mlflow", trackers.Tracker("", ("json", "no_such_package")))
    with pytest.raises(OptionError, match=r"--track mlflow needs no_such_package, .* pip install 'labeleff\[track\]'"):
        trackers.check_trackers(["mlflow"], "--track")
    with pytest.raises(UnknownNameError, match="did you mean 'tensorboard'"):
        trackers.check_trackers(["tensorbord"], "--to")
    monkeypatch.setitem(trackers.TRACKERS, "mlflow", trackers.Tracker("", ("json",)))
    assert trackers.check_trackers(["mlflow", "mlflow"], "--track") == ("mlflow",)


def test_a_tracker_that_fails_is_one_warning_and_hurts_no_other(tmp_path, monkeypatch, capsys):
    def broken(found, out):
        raise ConnectionError("no such server\nand more")

    def writes(found, _):
        wrote.append(found.key)
        return "there"

    folder, wrote = factories.folder(tmp_path / "a folder"), []
    monkeypatch.setattr(mlflow_runs, "write", broken)
    monkeypatch.setattr(tensorboard_files, "write", writes)
    assert trackers.follow(folder, ["mlflow", "tensorboard"]) == ["mlflow"]
    said = capsys.readouterr()
    assert said.err == (
        "labeleff: warning: mlflow failed: no such server; the records are safe, try again with "
        f"`labeleff track '{folder}' --to mlflow`\n"
    )
    assert said.out == "tensorboard: there\n"
    assert wrote == ["r1"]


def test_run_and_track_write_event_files(command, tmp_path):
    pytest.importorskip("tensorboard")
    out = tmp_path / "out"
    quiet = ["--quiet", "--offline", "--jobs", 1]
    done = command("run", toy_study.write(tmp_path), "--out", out, *quiet, "--track", "tensorboard")
    assert (done.returncode, done.stderr) == (0, "")
    written = {path: path.read_bytes() for path in out.rglob("*tfevents*")}
    assert len(written) == 5
    for path in written:
        path.unlink()
    done = command("track", out, "--to", "tensorboard")
    assert done.stdout.startswith("tensorboard: tensorboard --logdir ")
    assert {path: path.read_bytes() for path in out.rglob("*tfevents*")} == written
    assert command("run", "smoke", "--track", "x").returncode == 2
    done = command("run", "smoke", "--track", "tensorboard", "--shard", "1/2")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--track: found a shard" in done.stderr


def test_tracking_is_off_unless_asked_for(tmp_path, capsys):
    assert trackers.follow(tmp_path / "nowhere", []) == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", trackers.TRACKERS)
def test_every_tracker_is_named_in_the_help_and_has_its_writer(name, command):
    module, _, function = trackers.TRACKERS[name].target.partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    assert name in command("track", "--help").stdout


def test_the_table_of_trackers_imports_none_of_them():
    code = (
        "import sys, labeleff.commands.track.trackers; "
        "print([m for m in sys.modules if 'pandas' in m or 'series' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
