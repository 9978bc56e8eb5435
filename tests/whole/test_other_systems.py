"""The whole path without what only Unix has, as Windows has none of it: modules, signals, calls.

The interpreter runs here, so this shows what is imported and called, not that files and processes behave there.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import toy_study

HIDE = """
import ctypes, importlib.abc, os, platform, signal, sys

MODULES = {"fcntl", "resource", "termios", "tty", "pwd", "grp", "pty", "syslog", "readline", "curses"}

class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in MODULES:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, _Finder())
for place, names in {
    os: "fork forkpty getloadavg sysconf killpg pread pwrite getpgid setsid sched_getaffinity geteuid getuid",
    signal: "SIGALRM SIGHUP SIGKILL setitimer getitimer ITIMER_REAL alarm pause pthread_kill",
}.items():
    for name in names.split():
        if hasattr(place, name):
            delattr(place, name)

_library = ctypes.CDLL

class _Library(_library):
    def __init__(self, name, *arguments, **options):
        if name is None:
            raise TypeError("on Windows a library has a name")
        super().__init__(name, *arguments, **options)

ctypes.CDLL = _Library
platform.libc_ver = lambda *_: ("", "")
"""
TABLE = "arm,n,run,accuracy\n" + "".join(
    f"{arm},{n},{run},{0.3 + gain + 0.1 * step + 0.002 * run:.3f}\n"
    for arm, gain in (("scratch", 0.0), ("pretext", 0.05))
    for step, n in enumerate((10, 20, 40, 80))
    for run in range(3)
)


@pytest.fixture
def labeleff(tmp_path, with_charts):
    """Run the program where those are hidden, in worker processes too."""
    (tmp_path / "sitecustomize.py").write_text(HIDE)
    path = os.pathsep.join([str(tmp_path), *([os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else [])])
    places = {"LABELEFF_CACHE": str(tmp_path / "cache"), "LABELEFF_DATA": str(tmp_path / "data")}
    environment = os.environ | places | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}

    def start(*words, **options):
        command = [sys.executable, "-m", "labeleff", *map(str, words)]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
        )

    return start


def finish(process, *others):
    printed, errors = process.communicate(timeout=300)
    assert process.returncode in {0, *others}, errors
    return printed


def test_what_needs_no_run_runs(labeleff, tmp_path):
    (tmp_path / "runs.csv").write_text(TABLE)
    assert "label ratio" in finish(labeleff("utility", tmp_path / "runs.csv", "--out", tmp_path / "utility"))
    assert "18 cells" in finish(labeleff("plan", "smoke", "--out", tmp_path / "none"))


def recorded(out: Path) -> int:
    path = out / "records.jsonl"
    return path.read_bytes().count(b'"type":"cell"') if path.exists() else 0


def test_a_killed_run_goes_on_and_what_reads_results_runs(labeleff, tmp_path):
    study, out = toy_study.write(tmp_path), tmp_path / "out"
    process = labeleff("run", study, "--out", out, "--jobs", "2", "--quiet")
    while recorded(out) < 2 and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    before = recorded(out)
    finish(labeleff("run", study, "--out", out, "--jobs", "1", "--quiet"))
    assert 2 <= before <= recorded(out) == 16
    shutil.copytree(out, tmp_path / "again")
    assert "report" in finish(labeleff("report", out))
    assert finish(labeleff("compare", out, tmp_path / "again"))


def test_a_thread_ends_a_run_in_time(labeleff, tmp_path):
    study, out = toy_study.write(tmp_path), tmp_path / "out"
    many = [word for text in ("draws=400", "budget.rotation.epochs=2") for word in ("--set", text)]
    start = time.monotonic()
    limited = labeleff("run", study, *many, "--out", out, "--jobs", "1", "--time-limit", "5s", "--quiet")
    printed = finish(limited, 4)  # a slow machine may measure too little in it
    assert "stopped by the time limit" in printed
    assert time.monotonic() - start < 300
