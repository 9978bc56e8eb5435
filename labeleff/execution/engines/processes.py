"""Processes that this one starts: with torch shared where forking is safe, and in the environment of this one.

On Linux a fork server imports torch once, with one thread and no thread pool, and forks the others, which share its
pages until they write to them. It ends when this process is gone. Elsewhere each is a new interpreter.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import pkgutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from labeleff.errors import LabeleffError

FORKS = sys.platform == "linux" and hasattr(os, "fork")
"""Whether processes are forked from a server that has imported torch."""
IMPORTED = ["labeleff.execution.preparation.fact_finding"]
"""Modules that the server imports, with all that they need; none may start a thread."""
GONE = 255
"""Exit code of a process whose server died before it could tell the true one."""
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Limit processes that start in the block to one thread each; variables are put back afterwards."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def start(name: str, target: Callable[..., None], *arguments: Any) -> tuple[BaseProcess, Connection]:
    """Start a process that does `target(link, *arguments)`; returns it with the other end of the link.

    Libraries compute with one thread in it. It is ended with this process.
    """
    context = multiprocessing.get_context("forkserver") if FORKS else multiprocessing.get_context("spawn")
    if FORKS:
        context.set_forkserver_preload(IMPORTED)
    ours, theirs = context.Pipe()
    environment = dict(os.environ)
    process = context.Process(target=_begin, args=(environment, target, theirs, *arguments), daemon=True, name=name)
    with one_thread():
        process.start()
    theirs.close()
    return process, ours


def _begin(environment: dict[str, str], target: Callable[..., None], *arguments: Any) -> None:
    """Do what a process was started for: Ctrl-C is for its parent, and variables are as they are there now."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # else every collection would write to all that is shared with the server
    os.environ.clear()
    os.environ.update(environment)
    target(*arguments)


def call_apart(function: str, *arguments: Any, hear: Callable[..., None] = lambda *_: None) -> Any:
    """Call `MODULE:FUNCTION` in a process that ends afterwards, with its memory; returns what it returns.

    The function gets `arguments`, and as `progress` one that calls `hear` here. Its LabeleffError is raised here; so is
    a LabeleffError where the process dies.
    """
    process, link = start(function, _answer, function, arguments)
    try:
        while True:
            kind, content = link.recv()
            if kind == "answer":
                return content
            if kind == "error":
                raise content
            hear(*content)
    except (EOFError, ConnectionResetError) as error:
        process.join()
        raise LabeleffError(f"the process that reads the data died {cause(process.exitcode)}") from error
    finally:
        process.terminate()
        process.join()
        link.close()


def cause(code: int | None) -> str:
    """The exit code of a process that died, and what it usually means."""
    ended = code is not None and 0 < code != GONE  # by an error of Python's, not by the system
    usual = "what it printed before says why" if ended else "the usual cause is that memory ran out"
    return f"(exit code {code}); {usual}"


def _answer(link: Connection, function: str, arguments: tuple[Any, ...]) -> None:
    """Call a function in this process, and send what it returns or raises; end where nobody listens any more."""

    def send(kind: str, content: Any) -> None:
        try:
            link.send((kind, content))
        except OSError:
            os._exit(1)  # no error of the function's, which may take an OSError for one of a file's

    try:
        answer = pkgutil.resolve_name(function)(*arguments, progress=lambda *news: send("news", news))
    except LabeleffError as error:
        send("error", error)
    except Exception:  # noqa: BLE001  a bug, whose traceback would be lost on the way
        send("error", RuntimeError(f"in {function}: {traceback.format_exc()}"))
    else:
        send("answer", answer)
