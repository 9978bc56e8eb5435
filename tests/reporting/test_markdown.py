"""How numbers and tables are printed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labeleff.curves.break_even import Crossing
from labeleff.curves.mean_ratio import MeanRatio
from labeleff.reporting.markdown import (
    break_even,
    count,
    harmless,
    joint_ratio,
    percent,
    ratio,
    spelled,
    table,
    unmarked,
)


@pytest.mark.parametrize(("value", "text"), [(7.4, "7"), (1234.5, "1,234"), (12_345, "12,300"), (999_999, "1,000,000")])
def test_counts(value: float, text: str) -> None:
    assert count(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(-0.001, "0.00"), (-0.456, "-0.46"), (9.996, "10.0"), (12.34, "12.3"), (1234.5, "1,234")]
)
def test_ratios(value: float, text: str) -> None:
    assert ratio(value) == text


def test_percent() -> None:
    assert (percent(0.12345), percent(None)) == ("12.3", "")


def test_break_even_marks_bounds() -> None:
    inside = Crossing("inside", 309.4, None, 275.0, None, 1)
    assert break_even(inside) == "309 [275, …]"
    assert break_even(Crossing("above", None, 1000, 900.0, None, 0)) == "> 1,000"
    assert break_even(Crossing("below", None, 20, None, 25.0, 0)) == "< 20"
    assert break_even(None) == "not measured"


def test_an_interval_of_one_arm_alone_is_marked() -> None:
    """Where a label count is named beforehand, means have no interval for all arms together."""
    mean = MeanRatio((50, 100), 1.35, 1.12, 1.59, 0, 0, tied=True)
    assert joint_ratio(mean) == "1.35 [1.12, 1.59] alone"
    assert joint_ratio(replace(mean, joint_low=1.0, joint_high=1.7)) == "1.35 [1.00, 1.70]"
    assert joint_ratio(replace(mean, low=None, high=None)) == "1.35"


def test_tables_are_aligned_and_escape_bars() -> None:
    assert table(["arm", "n"], [["a|b", "10"]]) == "| arm  |   n |\n| :--- | --: |\n| a\\|b |  10 |"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**BYOL*** beats **BYOL**, **BYOL* too**", r"**BYOL\*** beats **BYOL**, **BYOL\* too**"),
        ("BYOL*+ and BYOL*", r"BYOL\*+ and BYOL\*"),
        (r"| a\|b* | 1 |", r"| a\|b\* | 1 |"),
        ("`BYOL*` and __init__, snake_case", r"`BYOL*` and \_\_init\_\_, snake_case"),
        ("```\nlabeleff report --arms BYOL*\n```", "```\nlabeleff report --arms BYOL*\n```"),
        ("x`y: *p* < 0.05, a*b", r"x\`y: *p* < 0.05, a*b"),
        ("&amp;-net; Q&A", r"\&amp;-net; Q&A"),
        ("- + MixUp beats - EMA, # x and 1. x", r"- \+ MixUp beats \- EMA, \# x and 1\. x"),
    ],
)
def test_names_stand_as_they_are(text: str, expected: str) -> None:
    names = frozenset(
        [
            "BYOL*",
            "BYOL*+",
            "a|b*",
            "__init__",
            "snake_case",
            "x`y",
            "*",
            "&amp;-net",
            "Q&A",
            "+ MixUp",
            "- EMA",
            "# x",
            "1. x",
        ]
    )
    assert spelled(text, names) == expected
    assert unmarked(spelled(text, names)) == text.replace(r"\|", "|")


def test_a_terminal_shows_names_and_words_as_they_are() -> None:
    said = "BYOL* is worth labels (2 of 3 arms); <b> [x](http://elsewhere)"
    assert unmarked(harmless(spelled(said, frozenset(["BYOL*"]))).replace("arms", "[arms](#words)")) == said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("<img src=x onerror=y>", "&lt;img src=x onerror=y>"),
        ("<!-- x -->", "&lt;!-- x -->"),
        ("p < 0.05, U <= 3, > quoted", "p < 0.05, U <= 3, > quoted"),
        ("[x](javascript:alert(1))", r"[x]\(javascript:alert(1))"),
        ("![x](http://elsewhere/pixel.png)", r"![x]\(http://elsewhere/pixel.png)"),
        ("[x]: http://elsewhere", r"[x]\: http://elsewhere"),
        ("![accuracy](figures/accuracy.png)", "![accuracy](figures/accuracy.png)"),
        ("[report](soundly/report.md)", "[report](soundly/report.md)"),
        ("![u](soundly/figures/utility-a.png)", "![u](soundly/figures/utility-a.png)"),
        ("![u](figures/../../x.png)", "![u]\\(figures/../../x.png)"),
        ("[x](soundly/.ssh)", "[x]\\(soundly/.ssh)"),
        ("U = 1.2 [0.1, 2.3] (extrapolated)", "U = 1.2 [0.1, 2.3] (extrapolated)"),
    ],
)
def test_a_document_runs_and_loads_nothing(text: str, expected: str) -> None:
    assert harmless(text) == expected
    assert harmless(expected) == expected


def test_a_cell_is_one_cell_in_one_line() -> None:
    lines = table(["a", "b"], [["x|y", "one\ntwo\r\nthree"]]).splitlines()
    assert len(lines) == 3
    assert "x\\|y" in lines[2]
    assert "one two three" in lines[2]
