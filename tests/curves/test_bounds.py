"""Points, extrapolations, limits and bounds: which is shown, and how it is printed."""

from __future__ import annotations

import dataclasses

import pytest

from labeleff.curves.bounds import Reading
from labeleff.reporting.markdown import amount, ratio

INSIDE = Reading("inside", 2.1, None, 1.2, 3.4, True, None, 0.0)
BEYOND = Reading("extrapolated", 5.2, 3.0, 3.1, None, True, 1.7, 0.1)
ABOVE = Reading("above", None, 3.0, 9.1, None, True, None, 0.7)
BELOW = Reading("below", None, 0.5, None, 0.6, True, None, 0.0)
BARE = {"low": None, "high": None, "interval": False, "p_never": None}


@pytest.mark.parametrize(
    ("reading", "shown", "text"),
    [
        (INSIDE, "point", "2.10 [1.20, 3.40]"),
        (dataclasses.replace(INSIDE, high=None), "point", "2.10 [1.20, no upper limit]"),
        (dataclasses.replace(INSIDE, high=None, p_never=None), "point", "2.10 [1.20, …]"),
        (BEYOND, "extrapolated", "5.20 [3.10, no upper limit] (extrapolated x1.7)"),
        (dataclasses.replace(BEYOND, **BARE), "extrapolated", "5.20 (extrapolated x1.7)"),
        (dataclasses.replace(BEYOND, factor=4.1), "lower limit", "> 3.10 (extrapolated over x4)"),
        (dataclasses.replace(BEYOND, factor=4.1, **BARE), "at least", ">= 3.00"),
        (ABOVE, "lower limit", "> 9.10 (never: 70 %)"),
        (dataclasses.replace(ABOVE, low=None), "at least", ">= 3.00 […, no upper limit]"),
        (dataclasses.replace(ABOVE, p_never=None), "at least", ">= 3.00 [9.10, …]"),
        (dataclasses.replace(ABOVE, **BARE), "at least", ">= 3.00"),
        (BELOW, "at most", "<= 0.50 […, 0.60]"),
        (dataclasses.replace(BELOW, **BARE), "at most", "<= 0.50"),
    ],
)
def test_every_kind(reading: Reading, shown: str, text: str) -> None:
    assert reading.shown == shown
    assert amount(reading, ratio) == text


def test_what_rises_with_it_is_read_alike() -> None:
    twice = BEYOND.mapped(lambda value: 2 * value)
    assert (twice.value, twice.bound, twice.low, twice.high) == (10.4, 6.0, 6.2, None)
    assert (twice.factor, twice.shown) == (1.7, "extrapolated")
