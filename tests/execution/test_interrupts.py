import os
import signal
import time

import pytest

from labeleff.errors import Terminated, TimeUp
from labeleff.execution import interrupts as module
from labeleff.execution.interrupts import Interrupts


def written(ending, number, done):
    """Do a block that must finish, with a signal in it, and what follows."""
    with ending.watch():
        with ending.put_off():
            os.kill(os.getpid(), number)
            done.append("written")
        done.append("never")


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_signal_waits_for_the_end_of_what_must_be_whole(number, kind):
    outside, done = signal.signal(number, signal.default_int_handler), []  # a background job ignores SIGINT
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            written(Interrupts(), number, done)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, outside)
    assert caught.type is kind
    assert done == ["written"]


def test_a_signal_ends_everything_else_at_once():
    with pytest.raises(Terminated), Interrupts().watch():
        os.kill(os.getpid(), signal.SIGTERM)


def test_an_ignored_interrupt_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts().watch():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def wait_by_little():
    """Sleep so that a signal of a thread is seen soon: in C, only the system's timer ends a wait on Unix."""
    while True:
        time.sleep(0.01)


@pytest.mark.parametrize("alarm", [module.ALARM, None])
def test_time_is_up_by_the_systems_timer_and_by_a_thread(monkeypatch, alarm):
    monkeypatch.setattr(module, "ALARM", alarm)
    interrupts, before = Interrupts(), signal.getsignal(signal.SIGINT)
    with pytest.raises(TimeUp), interrupts.watch(), interrupts.within(0.01):
        wait_by_little()
    assert interrupts.out_of_time
    assert signal.getsignal(signal.SIGINT) is before
    with interrupts.watch(), interrupts.within(60):  # what ends in time is left alone
        pass


def test_an_interrupt_is_no_end_of_time_where_a_thread_counts_it(monkeypatch):
    monkeypatch.setattr(module, "ALARM", None)
    interrupts = Interrupts()
    with pytest.raises(KeyboardInterrupt) as caught, interrupts.within(60):
        signal.raise_signal(signal.SIGINT)
    assert caught.type is KeyboardInterrupt
    assert not interrupts.out_of_time
