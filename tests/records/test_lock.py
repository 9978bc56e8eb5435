"""The lock of a folder: one writer, owners' notes, file systems without locks."""

import errno
import fcntl
import multiprocessing
import os
import platform
import sys
import types

import pytest

from labeleff.errors import RecordError
from labeleff.records import lock
from labeleff.records.jsonl import open_records
from labeleff.records.lock import NOTE, Owner, owner


def _hold(folder, ready):
    with open_records(folder):
        ready.set()
        ready.wait(0)
        multiprocessing.Event().wait(600)


@pytest.fixture
def holder(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold, args=(tmp_path, ready))
    process.start()
    assert ready.wait(300)
    yield process
    process.kill()
    process.join()


def test_the_owner_is_named_and_a_killed_one_is_not_in_the_way(tmp_path, holder):
    with pytest.raises(RecordError) as caught, open_records(tmp_path):
        pass
    assert f"process {holder.pid} on {platform.node()}, since 20" in str(caught.value)
    holder.kill()
    holder.join()
    assert owner(tmp_path).pid == holder.pid  # its note stays, and means nothing
    with open_records(tmp_path):
        assert owner(tmp_path).pid == os.getpid()
    assert not (tmp_path / NOTE).exists()


@pytest.fixture
def no_locks(monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)


def note(folder, **changes):
    left = Owner(host=platform.node(), pid=os.getpid(), since="2026-01-02T03:04:05+00:00")
    (folder / NOTE).write_text(left.model_copy(update=changes).model_dump_json())


@pytest.mark.parametrize("changes", [{}, {"host": "another"}])
def test_without_locks_the_note_decides(tmp_path, no_locks, changes):
    note(tmp_path, **changes)
    with (
        pytest.raises(RecordError, match=r"no locks .*since 2026-01-02.* remove .*\.owner\.json"),
        open_records(tmp_path),
    ):
        pass


def test_without_locks_a_dead_process_of_this_host_is_not_in_the_way(tmp_path, no_locks):
    child = multiprocessing.get_context("spawn").Process(target=os.getpid)
    child.start()
    child.join()
    note(tmp_path, pid=child.pid)
    with open_records(tmp_path):
        assert owner(tmp_path).pid == os.getpid()


def test_a_note_that_cannot_be_read_is_no_owner(tmp_path):
    (tmp_path / NOTE).write_text("{torn")
    assert owner(tmp_path) is None
    with open_records(tmp_path):
        pass


@pytest.fixture
def windows(monkeypatch):
    """Windows, as far as this module knows: signal 0 ends processes there, and psutil knows those that run."""

    def end(*_):
        raise AssertionError("on Windows this would end the process")

    psutil = types.SimpleNamespace(pid_exists=lambda pid: pid == os.getpid())
    monkeypatch.setattr(lock, "sys", types.SimpleNamespace(platform="win32"))
    monkeypatch.setattr(os, "kill", end)
    monkeypatch.setitem(sys.modules, "psutil", psutil)


def test_on_windows_no_process_is_probed_by_a_signal(windows):
    since = "2026-01-02T03:04:05+00:00"
    assert not Owner(host=platform.node(), pid=os.getpid(), since=since).gone
    assert Owner(host=platform.node(), pid=os.getpid() + 1, since=since).gone


def test_on_windows_the_records_stay_readable_beside_the_locked_file(tmp_path, windows, monkeypatch):
    locked = []
    monkeypatch.setattr("filelock.lock_descriptor", lambda number, **_: locked.append(os.fstat(number).st_ino) or True)
    with open_records(tmp_path):
        assert locked == [(tmp_path / lock.LOCK).stat().st_ino]
