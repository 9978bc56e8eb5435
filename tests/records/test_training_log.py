"""Windows of a training: their ends and their number."""

import pytest

from labeleff.records import training_log


@pytest.mark.parametrize(
    ("steps", "n", "batch", "found"),
    [
        (100, 320, 16, [20, 40, 60, 80, 100]),  # an epoch each
        (100, 32, 16, [20, 40, 60, 80, 100]),  # epochs of 2 steps are joined
        (105, 320, 16, [20, 40, 60, 80, 105]),  # a short rest joins the last
        (5, 320, 16, [5]),
        (200, 1600, 16, [100, 200]),
    ],
)
def test_windows_end_at_epochs_unless_those_are_short(steps, n, batch, found):
    window = training_log.window_steps(steps, n, batch)
    assert [done for done in range(1, steps + 1) if training_log.window_ends(done, steps, window)] == found
    assert training_log.count(steps, n, batch) == len(found)


def test_there_are_no_more_than_a_hundred():
    assert training_log.count(100_000, 320, 16) == training_log.MAX_WINDOWS
