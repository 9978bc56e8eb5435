"""Values and differences as people read them."""

from __future__ import annotations

import pytest

from labeleff.comparison import amounts
from labeleff.study.quantities import quantity


@pytest.mark.parametrize(
    ("name", "value", "difference", "margin"),
    [
        ("accuracy", "51.2", "-1.4", "±1"),
        ("utility", "0.51", "-0.01", "±0.2"),
        ("throughput", "0.512", "-1.4 %", "±5 %"),
        ("passed", "1", "+0", "±0.5"),
    ],
)
def test_each_quantity_in_its_own_way(name, value, difference, margin):
    what = quantity(name)
    assert amounts.value(what, 0.512) == value
    assert amounts.difference(what, -0.014) == difference
    assert amounts.limit(what, what.margin) == margin


def test_signs_and_nothing():
    assert amounts.difference(quantity("accuracy"), 0.0) == "+0.0"
    assert amounts.difference(quantity("accuracy"), -0.0001) == "+0.0"
    assert amounts.difference(quantity("utility"), 0.314) == "+0.31"
    assert amounts.difference(quantity("passed"), -3) == "-3"
    assert amounts.between(quantity("accuracy"), None, None) == ""
    assert amounts.between(quantity("time"), -0.05, 0.123) == "[-5.0 %, +12.3 %]"
    assert amounts.value(quantity("throughput"), 1234.5) == "1,234"
    assert amounts.scale(quantity("accuracy")) == "accuracy (%)"
    assert amounts.scale(quantity("throughput")) == "throughput (/s)"
    assert amounts.scale(quantity("utility")) == "utility"


def test_scores_that_are_no_shares_are_not_in_percent():
    what = quantity("r2")
    texts = (amounts.scale(what), amounts.value(what, 0.5312), amounts.difference(what, -0.0142))
    assert texts == ("r2", "0.531", "-0.014")
    assert amounts.difference(what, -0.0001) == "+0.000"
    assert amounts.limit(what, what.margin) == "±0.01"


def test_p_values_are_never_0():
    assert [amounts.p_text(p) for p in (None, 1e-9, 0.012, 0.0996, 1.0)] == ["", "< 0.001", "0.012", "0.10", "1.00"]
