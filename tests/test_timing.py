"""Windows of training by both clocks."""

import time

import torch

from labeleff.timing import Stopwatch


def test_waiting_takes_time_on_the_wall_and_none_of_the_processor():
    watch = Stopwatch(torch.device("cpu"))
    watch.start()
    time.sleep(0.2)
    window = watch.stop(7)
    assert window.images == 7
    assert window.seconds >= 0.2
    assert 0 <= window.processor_seconds < 0.1


def test_work_takes_both_and_what_lies_between_windows_counts_nowhere():
    watch = Stopwatch(torch.device("cpu"))
    for _ in range(2):
        watch.start()
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        watch.stop(1)
        time.sleep(0.05)
    for window in watch.windows:
        assert 0.05 <= window.processor_seconds < window.seconds + 0.02
