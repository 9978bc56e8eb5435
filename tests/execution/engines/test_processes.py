"""Processes that this one starts: what they return and raise, and whether forking them is safe."""

import os
import signal
import sys
from pathlib import Path

import pytest

from labeleff.errors import DataError, LabeleffError, UnknownNameError
from labeleff.execution.engines import processes
from labeleff.execution.engines.processes import call_apart, cause

HERE = f"{__name__}:"


def double(number, progress):
    for done in range(3):
        progress(done, 3, "doubling")
    return 2 * number, os.getpid()


def refuse(progress):
    raise UnknownNameError("task", "toi", ["toy", "shapes"])


def broken(progress):
    raise ZeroDivisionError("a bug")


def dies(progress):
    os.kill(os.getpid(), signal.SIGKILL)


def variables(progress):
    return {name: os.environ.get(name) for name in ("LABELEFF_CACHE", "OMP_NUM_THREADS")}


def server(progress):
    """Count the threads of the process that this one was forked from, and say whether torch was there already."""
    threads = list(Path(f"/proc/{os.getppid()}/task").iterdir())
    return len(threads), os.getppid(), "torch" in sys.modules


def test_a_function_is_called_in_another_process_and_its_progress_is_heard():
    heard = []
    doubled, pid = call_apart(f"{HERE}double", 21, hear=lambda *news: heard.append(news))
    assert doubled == 42
    assert pid != os.getpid()
    assert heard == [(done, 3, "doubling") for done in range(3)]


def test_an_error_is_raised_here_as_it_was_there():
    with pytest.raises(UnknownNameError) as caught:
        call_apart(f"{HERE}refuse")
    assert str(caught.value) == str(UnknownNameError("task", "toi", ["toy", "shapes"]))


def test_a_bug_keeps_its_traceback():
    with pytest.raises(RuntimeError, match=r"(?s)in broken\n.*ZeroDivisionError: a bug"):
        call_apart(f"{HERE}broken")


def test_a_death_is_an_error_with_its_exit_code():
    with pytest.raises(LabeleffError, match=r"died \(exit code -9\)") as caught:
        call_apart(f"{HERE}dies")
    assert not isinstance(caught.value, DataError)


def test_variables_are_those_of_now(monkeypatch):
    """A fork server has those of its start, which an earlier test may have set."""
    for value in ("one", "two"):
        monkeypatch.setenv("LABELEFF_CACHE", value)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        assert call_apart(f"{HERE}variables") == {"LABELEFF_CACHE": value, "OMP_NUM_THREADS": None}


@pytest.mark.skipif(not processes.FORKS, reason="processes are forked on Linux alone")
def test_the_fork_server_has_torch_and_a_single_thread():
    threads, first, torch_there = call_apart(f"{HERE}server")
    assert (threads, torch_there) == (1, True)
    assert first != os.getpid()
    assert call_apart(f"{HERE}server")[1] == first, "one server for all"


def test_processes_are_new_interpreters_where_forking_is_not_safe(monkeypatch):
    monkeypatch.setattr(processes, "FORKS", False)
    assert call_apart(f"{HERE}double", 1)[0] == 2


def test_only_what_the_system_ended_ran_out_of_memory():
    """A process that Python ended with a traceback has said why."""
    assert cause(1) == "(exit code 1); what it printed before says why"
    for code in (-signal.SIGKILL, processes.GONE, None):
        assert cause(code) == f"(exit code {code}); the usual cause is that memory ran out"
