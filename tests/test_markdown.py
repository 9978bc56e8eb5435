"""How numbers and tables are printed."""

from __future__ import annotations

import dataclasses

import pytest

from labeleff.break_even import Crossing
from labeleff.markdown import break_even, count, interval, percent, ratio, table, worth
from labeleff.utilities import utility

BASE = {n: {(d, 0): v + d / 1000 for d in range(3)} for n, v in ((10, 0.2), (100, 0.4), (1000, 0.6))}


@pytest.mark.parametrize(("value", "text"), [(7.4, "7"), (1234.5, "1,234"), (12_345, "12,300"), (999_999, "1,000,000")])
def test_counts(value: float, text: str) -> None:
    assert count(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(-0.001, "0.00"), (-0.456, "-0.46"), (9.996, "10.0"), (12.34, "12.3"), (1234.5, "1,234")]
)
def test_ratios(value: float, text: str) -> None:
    assert ratio(value) == text


def test_percent_and_intervals() -> None:
    assert (percent(0.12345), percent(None)) == ("12.3", "")
    assert interval(None, 1.5) == "[…, 1.50]"


def test_worth_marks_bounds() -> None:
    arm = {10: {run: value + 0.2 for run, value in BASE[10].items()}, 100: dict.fromkeys(BASE[10], 0.9)}
    inside, above = utility(BASE, arm, method="pchip")
    assert worth(inside).startswith("9.00 [")
    assert worth(above) == ">= 9.00 [9.00, …]"
    assert worth(dataclasses.replace(above, p_above=None)) == ">= 9.00"


def test_break_even_marks_bounds() -> None:
    inside = Crossing("inside", 309.4, None, 275.0, None, 1)
    assert break_even(inside) == "309 [275, …]"
    assert break_even(Crossing("above", None, 1000, 900.0, None, 0)) == "> 1,000"
    assert break_even(Crossing("below", None, 20, None, 25.0, 0)) == "< 20"
    assert break_even(None) == "not measured"


def test_tables_are_aligned_and_escape_bars() -> None:
    assert table(["arm", "n"], [["a|b", "10"]]) == "| arm  |   n |\n| :--- | --: |\n| a\\|b |  10 |"
