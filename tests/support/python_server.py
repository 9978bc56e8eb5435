"""Processes of Python that needn't import torch, which takes longer than what most of them do.

A server imports the libraries once and forks a process for each program, which runs as if Python were started for it.
So does the fork server of `multiprocessing` that a program may start for its workers.
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import multiprocessing.process
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing import util
from pathlib import Path

from labeleff.reporting.html import vega

FORKS = sys.platform == "linux"
"""Whether programs are forked; elsewhere each is a new interpreter, as forks of a process with torch aren't safe."""
IMPORTED = (
    "torchvision",
    "pandas",
    "scipy.stats",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "jinja2",
    "labeleff.commands.cli",
    "labeleff.commands.functions",
    "labeleff.commands.run",
    "labeleff.execution.launch",
    "labeleff.execution.engines.local",
    "labeleff.execution.preparation.fact_finding",
    "labeleff.reporting.study_report",
    "labeleff.reporting.html.page",
)
"""Modules that the server imports, with all that they need; no thread of theirs may hold a lock while it forks."""
FIXED = ("PYTHON", "OMP_", "MKL_", "MPL", "LD_", "LC_", "LANG", "CUDA", "COVERAGE_")
"""Beginnings of variables that are read when Python starts or a library is imported."""


def fixed(environment):
    """Variables that a forked process can't have otherwise than its server."""
    return {name: value for name, value in environment.items() if name.startswith(FIXED) and name != "PYTHONPATH"}


def path_of(environment):
    """Folders of the variable PYTHONPATH."""
    return [folder for folder in environment.get("PYTHONPATH", "").split(os.pathsep) if folder]


class PythonServer:
    """A server that is started when first needed and ends with this process.

    Its programs have the script of charts from the folder `charts`, whatever their cache folder is.
    """

    def __init__(self, charts):
        self._charts = charts
        self._environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self._folder = tempfile.TemporaryDirectory(prefix="python-")  # paths of sockets have to be short
        self._socket = Path(self._folder.name) / "socket"
        self._process = None

    def python(self, environment):
        """What stands for `python` in a command that runs with these variables."""
        if not FORKS or fixed(environment) != fixed(self._environment):
            return [sys.executable]
        self._start()
        return [sys.executable, "-I", "-S", str(Path(__file__).with_name("forked_python.py")), str(self._socket)]

    def _start(self):
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.python_server", str(self._socket), str(self._charts)],
                env=self._environment,
                cwd=Path(__file__).parents[1],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
            )
        while not self._socket.exists():
            assert self._process.poll() is None, "the server of Python died"
            time.sleep(0.01)

    def close(self):
        """End the server."""
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait()
        self._folder.cleanup()


def serve(path, charts):
    """Answer at a socket until standard input is closed; returns the words of a program in each process for one."""
    for name in IMPORTED:
        importlib.import_module(name)
    markers = importlib.import_module("matplotlib.markers")
    markers.MarkerStyle("$x$")  # makes the parser of formulas, which takes a quarter of a second
    vega.cache_folder = lambda: Path(charts)
    gc.collect()
    gc.freeze()  # else every collection would write to all that is shared with the server
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}.new")
        listener.listen()
        Path(f"{path}.new").rename(path)
        while True:
            ready, _, _ = select.select([listener, 0], [], [], 1)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if 0 in ready:
                return None
            if listener in ready:
                client, _ = listener.accept()
                if not os.fork():
                    listener.close()
                    return forked(client)
                client.close()


def forked(client):
    """Fork a program that a client asks for, and tell its number and status; returns the words in the program."""
    _, streams, _, _ = socket.recv_fds(client, 1, 3)
    with client.makefile("rb") as file:
        asked = json.loads(file.readline())
    program = os.fork()
    if not program:
        client.close()
        become(asked, streams)
        return fork_server() or asked["words"]
    client.sendall(b"%d\n" % program)
    with os.fdopen(os.pidfd_open(program)) as ended:
        if client in select.select([client, ended], [], [])[0]:
            os.kill(program, signal.SIGKILL)  # nobody waits for it any more
    status = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    with contextlib.suppress(OSError):
        client.sendall(b"%d\n" % (status if status >= 0 else 128 - status))
    os._exit(0)


def become(asked, streams):
    """Take the streams, folder and variables that a program was asked for with."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        old = getattr(sys, name)
        new = open(number, mode, encoding=old.encoding, errors=old.errors, closefd=False)  # noqa: SIM115
        new.reconfigure(line_buffering=old is sys.stderr, write_through=old.write_through)
        setattr(sys, name, new)
    os.chdir(asked["folder"])
    multiprocessing.process.ORIGINAL_DIR = asked["folder"]
    others = [folder for folder in sys.path[1:] if folder not in path_of(os.environ)]
    sys.path[1:] = [*path_of(asked["environment"]), *others]
    os.environ.clear()
    os.environ.update(asked["environment"])


def fork_server():
    """Fork a process that waits to be the fork server of this one's workers; returns its words where it has to be.

    What this process does until then isn't in it, as if Python were started for it.
    """
    ours, theirs = socket.socketpair()
    number = os.fork()
    if number:
        theirs.close()
        start = util.spawnv_passfds

        def hand_over(path, arguments, passed):
            if ours.fileno() < 0 or "multiprocessing.forkserver" not in arguments[-1]:
                return start(path, arguments, passed)
            passed = [*map(int, passed)]
            asked = {"words": arguments[-2:], "environment": dict(os.environ), "passed": passed}
            socket.send_fds(ours, [b"s"], passed)
            ours.sendall(json.dumps(asked).encode() + b"\n")
            ours.close()
            return number

        util.spawnv_passfds = hand_over
        return None
    ours.close()
    _, received, _, _ = socket.recv_fds(theirs, 1, 8)
    if not received:
        os._exit(0)  # the program has ended without workers
    with theirs, theirs.makefile("rb") as file:
        asked = json.loads(file.readline())
    os.environ.clear()
    os.environ.update(asked["environment"])
    place(received, asked["passed"])
    return asked["words"]


def place(files, numbers):
    """Give open `files` these numbers, whatever had them."""
    copies = []
    for file in files:
        copies.append(fcntl.fcntl(file, fcntl.F_DUPFD, max([*files, *numbers]) + 1))
        os.close(file)
    for copy, number in zip(copies, numbers, strict=True):
        os.dup2(copy, number)
        os.close(copy)


def run(words):
    """Run a program as `python WORDS` does; returns its exit status."""
    module = words[0] == "-m"
    sys.argv = words[module:]
    importlib.invalidate_caches()
    try:
        if words[0] == "-c":
            sys.path[0] = ""
            exec(words[1], {"__name__": "__main__"})
        elif module:
            sys.path[0] = str(Path.cwd())
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.path[0] = str(Path(words[0]).parent.resolve())
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as ending:
        if ending.code is None or isinstance(ending.code, int):
            return ending.code or 0
        print(ending.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001  as Python ends
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def end(status):
    """End as Python does, but without taking all that was imported apart, which takes half a second."""
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__" and (words := serve(*sys.argv[1:])):
    end(run(words))
