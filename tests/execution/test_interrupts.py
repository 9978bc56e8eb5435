import os
import signal

import pytest

from labeleff.errors import Terminated
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
