"""Verdicts in words: claims only where simultaneous intervals allow them, and what fails first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from labeleff.curves.break_even import Crossing
from labeleff.curves.mean_ratio import MeanRatio
from labeleff.curves.utility import UtilityPoint
from labeleff.reporting.assumptions import Failure
from labeleff.reporting.findings import Comparison
from labeleff.reporting.measurements import Place
from labeleff.reporting.sections.verdict import distrust, verdict
from labeleff.study.prices import Cost


def point(n: int, low: float | None, utility: float, high: float | None, **changes: Any) -> UtilityPoint:
    fields: dict[str, Any] = {
        "n": n, "accuracy": 0.5, "baseline_accuracy": 0.4, "kind": "inside", "n1": n * (utility + 1), "n1_bound": None,
        "n1_low": None if low is None else n * (low + 1), "n1_high": None if high is None else n * (high + 1),
        "utility": utility, "bound": None, "low": low, "high": high, "low_bound": False, "high_bound": False,
        "p_above": 0.0, "p_below": 0.0, "p_never": 0.0, "runs": 3,
    }  # fmt: skip
    return UtilityPoint(**fields | changes)


def mean(low: float | None, ratio: float, high: float | None) -> MeanRatio:
    return MeanRatio((50, 100, 200), ratio, low, high, 0, 0, tied=True, joint_low=low, joint_high=high)


def crossing(n: float, changes: int = 1) -> Crossing:
    return Crossing("inside", n, None, 0.9 * n, 1.1 * n, changes)


CERTAIN = [point(50, 0.2, 1.0, 2.0), point(100, 0.5, 0.9, 1.5), point(200, -0.1, 0.3, 0.9)]
UNCLEAR = [point(50, -0.3, 0.4, 1.5), point(100, -0.2, 0.3, 1.0), point(200, -0.4, 0.0, 0.5)]
COSTLY = [point(50, -0.6, -0.3, 0.2), point(100, -0.7, -0.5, -0.2), point(200, -0.8, -0.6, -0.4)]


def comparison(joint: list[UtilityPoint], average: MeanRatio | None, **changes: Any) -> Comparison:
    return replace(Comparison(Place("t"), "arm", "base", joint, joint, crossing(150), average), **changes)


def test_the_mean_then_the_most_certain_rung() -> None:
    assert verdict(comparison(CERTAIN, mean(1.2, 1.7, 2.2))) == (
        "arm is worth labels: averaged over 50 to 200 labels, one label does the work of 1.70 [1.20, 2.20] of base. "
        "Most certain at 100 labels: U = 0.90 [0.50, 1.50]: 100 labels do the work of 190. "
        "It stops paying at about 150 labels [135 to 165]."
    )


def test_a_rung_that_is_certain_where_the_mean_is_not() -> None:
    text = verdict(comparison(CERTAIN, mean(0.9, 1.5, 2.2)))
    assert text.startswith("At 100 labels, where that is most certain, arm is worth U = 0.90 [0.50, 1.50]: 100 labels ")
    assert (
        "For the whole ladder it can't be told: averaged over 50 to 200 labels, one label does the work of 1.50" in text
    )


def test_nothing_is_called_worth_labels_without_an_interval_over_zero() -> None:
    text = verdict(comparison(UNCLEAR, mean(0.8, 1.2, 1.9)))
    assert text == (
        "Whether arm is worth labels can't be told: averaged over 50 to 200 labels, one label does the work of 1.20 "
        "[0.80, 1.90] of base. The two curves cross at about 150 labels [135 to 165]."
    )
    single = [replace(item, low=None, high=None, p_above=None) for item in CERTAIN]
    text = verdict(comparison(single, mean(None, 1.7, None)))
    assert text.startswith(
        "arm: averaged over 50 to 200 labels, one label does the work of 1.70 of base (one run a rung: "
    )
    assert "is worth" not in text
    assert verdict(comparison(UNCLEAR, None)).startswith("No rung shows beyond doubt that arm is worth labels. ")


def test_costs() -> None:
    assert verdict(comparison(COSTLY, mean(0.3, 0.5, 0.8))).startswith(
        "arm costs labels: averaged over 50 to 200 labels"
    )
    text = verdict(comparison([CERTAIN[0], *COSTLY[1:]], mean(0.5, 0.7, 0.95)))
    assert "arm costs labels: " in text
    assert "But at 50 labels it is worth U = 1.00 [0.20, 2.00]: 50 labels do the work of 100." in text
    under = [replace(item, high=-0.1) for item in COSTLY]
    assert verdict(comparison(under, mean(0.3, 0.9, 1.1))).startswith("arm is worth no labels: at no rung does the ")


@pytest.mark.parametrize(
    ("joint", "n", "text"),
    [
        (
            CERTAIN,
            50,
            "arm saves 50 [10, 100] labels at 50 labels. "
            "At 50 labels, arm is worth U = 1.00 [0.20, 2.00]: 50 labels do the work of 100. Most certain at 100",
        ),
        (
            CERTAIN,
            100,
            "arm saves 90 [50, 150] labels at 100 labels. "
            "At 100 labels, arm is worth U = 0.90 [0.50, 1.50]: 100 labels do the work of 190. It stops",
        ),
        (
            CERTAIN,
            200,
            "At 100 labels, where that is most certain, arm is worth U = 0.90 [0.50, 1.50]: 100 labels do the ",
        ),
        (
            UNCLEAR,
            100,
            "Whether arm is worth labels at 100 can't be told: U = 0.30 [-0.20, 1.00].",
        ),
        (COSTLY, 100, "At 100 labels, arm costs labels: U = -0.50 [-0.70, -0.20]."),
        (UNCLEAR, 70, "arm has no runs at 70 labels, the label count named beforehand."),
    ],
)
def test_a_label_count_named_beforehand(joint: list[UtilityPoint], n: int, text: str) -> None:
    assert verdict(comparison(joint, mean(1.2, 1.7, 2.2), headline=n)).startswith(text)


def test_money_comes_first_where_labels_have_a_price() -> None:
    cost = Cost(per_label=0.35, unit="EUR")
    assert verdict(comparison(CERTAIN, mean(1.2, 1.7, 2.2)), cost).startswith(
        "arm saves 90 [50, 150] labels, 31.5 [17.5, 52.5] EUR at 100 labels, where that is most certain; averaged over "
        "50 to 200 labels, 0.24 [0.07, 0.42] EUR per label of it. arm is worth labels: averaged over"
    )
    assert verdict(comparison(CERTAIN, mean(0.9, 1.7, 2.2)), cost).startswith(
        "arm saves 90 [50, 150] labels, 31.5 [17.5, 52.5] EUR at 100 labels, where that is most certain. At 100 labels"
    )
    named = comparison(CERTAIN, mean(1.2, 1.7, 2.2), headline=50)
    assert verdict(named, cost).startswith("arm saves 50 [10, 100] labels, 17.5 [3.50, 35.0] EUR at 50 labels. At 50")


def test_money_is_claimed_only_where_labels_are() -> None:
    cost = Cost(per_label=2.0)
    for joint, changes in ((UNCLEAR, {}), (COSTLY, {}), (CERTAIN, {"headline": 200}), (CERTAIN, {"headline": 70})):
        assert "saves" not in verdict(comparison(joint, mean(0.9, 1.2, 1.7), **changes), cost)
    everything = Failure("arm at chance", "arm at chance", {"arm": (50, 100, 200)})
    assert "saves" not in verdict(comparison(CERTAIN, mean(1.2, 1.7, 2.2), failures=(everything,)), cost)
    doubted = verdict(comparison(CERTAIN, mean(1.2, 1.7, 2.2), failures=(FALLS,)), cost)
    assert doubted.startswith("arm saves 50 [10, 100] labels, 100 [20.0, 200] USD at 50 labels, where that is most cer")
    assert "per label" not in doubted


def test_curves_that_cross_several_times_have_no_break_even_point() -> None:
    text = verdict(comparison(CERTAIN, mean(1.2, 1.7, 2.2), crossing=crossing(150, 3)))
    assert text.endswith("It crosses base 3 times, so it has no one break-even point.")


FALLS = Failure("baseline falls", "base falls", {"arm": (100,)}, "base", (100.0, 200.0), (0.4, 0.5))


def test_what_rests_on_a_failed_assumption_is_not_claimed() -> None:
    text = verdict(comparison(CERTAIN, mean(1.2, 1.7, 2.2), failures=(FALLS,)))
    assert text == (
        "At 50 labels, where that is most certain, arm is worth U = 1.00 [0.20, 2.00]: 50 labels do the work of 100. "
        "Nothing is claimed of arm over the whole ladder, for what is wrong at 100 labels. "
        "Where the two curves cross can't be told: one of them falls near 150 labels."
    )
    named = verdict(comparison(CERTAIN, mean(1.2, 1.7, 2.2), failures=(FALLS,), headline=100))
    assert "At 100 labels nothing is claimed of arm (baseline falls)." in named
    chance = Failure("arm at chance", "arm at chance", {"arm": (50, 100, 200)})
    everything = comparison(CERTAIN, mean(1.2, 1.7, 2.2), failures=(FALLS, chance))
    assert verdict(everything) == "Nothing is claimed of arm (arm at chance, baseline falls)."


def test_failures_come_first_with_what_they_take_along() -> None:
    other = Failure("arm at chance", "far can't be told from chance", {"far": (50, 100), "near": ()})
    assert distrust([FALLS, other]) == (
        "**Not to be trusted as it stands**: base falls; far can't be told from chance. Nothing is claimed of arm at "
        "100 labels; far at 50 and 100 labels."
    )
    assert distrust([]) == ""
