"""Time by both clocks."""

import time

import pytest
import torch

from labeleff.timing import Stopwatch


def test_waiting_takes_time_on_the_wall_and_none_of_the_processor():
    watch = Stopwatch(torch.device("cpu"))
    watch.start()
    time.sleep(0.2)
    spent = watch.stop()
    assert spent.seconds >= 0.2
    assert 0 <= spent.processor_seconds < 0.1


def test_work_takes_both_and_what_lies_between_counts_nowhere():
    watch, found = Stopwatch(torch.device("cpu")), []
    for _ in range(2):
        watch.start()
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        found.append(watch.stop())
        time.sleep(0.05)
    for spent in found:
        assert 0.05 <= spent.processor_seconds < spent.seconds + 0.02
    both = (found[0] + found[1]) / 2
    assert both.seconds == pytest.approx(sum(spent.seconds for spent in found) / 2)
    assert both.processor_seconds == pytest.approx(sum(spent.processor_seconds for spent in found) / 2)
