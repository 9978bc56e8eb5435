"""A process that the tests' server forks is what Python started anew would be, but has torch already."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.python_server import FORKS

pytestmark = pytest.mark.skipif(not FORKS, reason="programs are started anew here")
TELLS = """import os, sys
import beside
print(beside.NAME, os.getcwd(), sys.argv, __name__, sys.stdin.read(), "torch" in sys.modules)
print(os.environ["TOLD"], file=sys.stderr)
"""
WORKS = """import multiprocessing, os, sys

def work(link):
    link.send([name in sys.modules for name in ("torch", "beside")] + [os.environ["TOLD"], sys.argv])

if __name__ == "__main__":
    import beside
    os.environ["TOLD"] = "later"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["json"])
    for _ in range(2):
        ours, theirs = context.Pipe()
        context.Process(target=work, args=(theirs,)).start()
        theirs.close()
        print(ours.recv())
"""


@pytest.fixture
def environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return os.environ | {"TOLD": "something"}


@pytest.mark.parametrize("module", [False, True])
def test_streams_folder_words_and_variables(python_server, environment, tmp_path, module):
    (tmp_path / "tells.py").write_text(TELLS)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "beside.py").write_text("NAME = 'é'\n")
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "more"), environment.get("PYTHONPATH", "")])
    words = ["-m", "tells"] if module else ["tells.py"]
    run = {"input": "ab", "capture_output": True, "text": True, "env": environment, "cwd": tmp_path}
    forked, anew = (
        subprocess.run([*python, *words, "x y", "--z"], **run)
        for python in (python_server.python(environment), [sys.executable])
    )
    assert (anew.returncode, anew.stderr) == (forked.returncode, forked.stderr) == (0, "something\n")
    assert anew.stdout.endswith("__main__ ab False\n")
    assert forked.stdout == anew.stdout.replace("False", "True")


def test_workers_have_torch_too_but_not_what_the_program_has(python_server, environment, tmp_path):
    (tmp_path / "works.py").write_text(WORKS)
    (tmp_path / "beside.py").write_text("")
    run = {"capture_output": True, "text": True, "env": environment, "cwd": tmp_path}
    forked, anew = (
        subprocess.run([*python, "works.py"], **run) for python in (python_server.python(environment), [sys.executable])
    )
    assert (anew.returncode, anew.stderr, anew.stdout) == (0, "", "[False, False, 'later', ['works.py']]\n" * 2)
    assert (forked.returncode, forked.stderr, forked.stdout) == (0, "", anew.stdout.replace("[False, ", "[True, "))


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("import sys; print(1); sys.exit()", 0, ""),
        ("raise SystemExit(5)", 5, ""),
        ("raise SystemExit('no')", 1, "no"),
        ("import atexit; atexit.register(print, 'late'); 1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, ""),
    ],
)
def test_ends(python_server, environment, tmp_path, text, status, said):
    (tmp_path / "ends.py").write_text(text)
    done = subprocess.run([*python_server.python(environment), "ends.py"], capture_output=True, text=True)
    assert (done.returncode, (done.stderr.splitlines() or [""])[-1]) == (status, said)
    assert done.stdout == ("1\n" if "print(1)" in text else "late\n" if "late" in text else "")


def test_it_gets_signals_and_ends_with_who_asked(python_server, environment, tmp_path):
    (tmp_path / "waits.py").write_text(
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: os.write(1, b'told\\n'))\n"
        "print(os.getpid(), flush=True)\n"
        "while True: time.sleep(0.01)\n"
    )
    words = [*python_server.python(environment), "waits.py"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        number = int(process.stdout.readline())
        assert number != process.pid
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "told\n"
        process.kill()
        assert process.stdout.read() == "", "it would never end by itself"
    limit = time.monotonic() + 300
    program = Path(f"/proc/{number}")
    while program.exists() and time.monotonic() < limit:
        time.sleep(0.01)
    assert not program.exists()


def test_other_variables_of_python_start_it_anew(python_server, environment):
    assert python_server.python(environment | {"PYTHONWARNINGS": "error"}) == [sys.executable]
    assert python_server.python(environment | {"OMP_NUM_THREADS": "2"}) == [sys.executable]
