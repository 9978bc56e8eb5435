"""Targets and prices: what can be asked for, and what is named as it can't."""

from __future__ import annotations

from typing import Any

import pytest
from support import factories

from labeleff.errors import LabeleffError, OptionError
from labeleff.reporting import options
from labeleff.reporting.options import ReportOptions
from labeleff.study import prices


def test_targets_over_one_are_in_percent() -> None:
    assert options.targets([0.7, 75, 1, 0]) == (0.7, 0.75, 1.0, 0.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([140], "--target: found 140, expected an accuracy in 0..1, or over 1 in percent up to 100"),
        ([-0.1], "--target: found -0.1"),
        ([float("nan")], "--target: found nan"),
        ([0.5, 50], "--target: found 50 twice"),
    ],
)
def test_targets_that_cant_be_meant(values: list[float], message: str) -> None:
    with pytest.raises(LabeleffError) as caught:
        options.targets(values)
    assert str(caught.value).startswith(message)


def test_a_price() -> None:
    assert options.cost(None, None) is None
    found = options.cost(0.5, "hours")
    assert found is not None
    assert found.text == "0.5 hours a label"
    assert options.cost(2.0, None) == prices.Cost(per_label=2.0, unit="USD")


@pytest.mark.parametrize(
    ("per_label", "unit", "message"),
    [
        (None, "h", "--cost-unit: found no --cost-per-label"),
        (0.0, None, "--cost-per-label: found 0, expected a price over 0"),
        (-1.0, None, "--cost-per-label: found -1"),
        (float("inf"), None, "--cost-per-label: found inf"),
        (float("nan"), None, "--cost-per-label: found nan"),
        (1.0, " ", "--cost-unit: found ' '"),
        (1.0, "a\nb", "--cost-unit: found"),
        (1.0, "x" * 21, "--cost-unit: found"),
    ],
)
def test_prices_that_cant_be_meant(per_label: float | None, unit: str | None, message: str) -> None:
    with pytest.raises(LabeleffError) as caught:
        options.cost(per_label, unit)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": [70]}, "targets: found 70, expected accuracies in 0..1 (percent divided by 100)"),
        ({"targets": [0.5, 0.5]}, "targets: found 0.5 twice"),
        ({"targets": ["much"]}, "targets.0: "),
        ({"headline": 77}, "headline: found 77, expected one of the rungs: 20, 50, 100, "),
        ({"cost": {"per_label": 0}}, "cost.per_label: Input should be greater than 0; found 0"),
        ({"cost": {"unit": "h"}}, "cost.per_label: is missing"),
        ({"cost": {"per_label": 1, "unit": ""}}, "found '', expected a name"),
        ({"cost": {"per_label": 1, "units": "h"}}, "unknown key 'cost.units'"),
    ],
)
def test_a_study_with_what_cant_be_meant(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LabeleffError) as caught:
        factories.study(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("price", "unit", "cost"),
    [
        ("0.35EUR", None, prices.Cost(per_label=0.35, unit="EUR")),
        (" 0.35 EUR ", None, prices.Cost(per_label=0.35, unit="EUR")),
        ("0.35", "EUR", prices.Cost(per_label=0.35, unit="EUR")),
        ("0.35EUR", "EUR", prices.Cost(per_label=0.35, unit="EUR")),
        ("0.35€", None, prices.Cost(per_label=0.35, unit="€")),
        ("€0.35", None, prices.Cost(per_label=0.35, unit="€")),
        ("EUR0.35", None, prices.Cost(per_label=0.35, unit="EUR")),
        ("EUR 0.35", "EUR", prices.Cost(per_label=0.35, unit="EUR")),
        ("$0.05", None, prices.Cost(per_label=0.05, unit="$")),
        ("2 expert hours", None, prices.Cost(per_label=2, unit="expert hours")),
        (".5", None, prices.Cost(per_label=0.5, unit="USD")),
        ("1e-3h", None, prices.Cost(per_label=0.001, unit="h")),
        (None, None, None),
    ],
)
def test_prices_have_their_unit_with_them_or_beside_them(
    price: str | None, unit: str | None, cost: prices.Cost | None
) -> None:
    assert options.cost(price, unit) == cost


@pytest.mark.parametrize(
    "price", ["cheap", "", "0", "0EUR", "-1", "0,35EUR", "1,000", "EUR0.35EUR", "€-1", "1e999", "1.2.3", "1 2"]
)
def test_prices_that_are_none(price: str) -> None:
    with pytest.raises(OptionError, match=f"--cost-per-label: found '{price}', expected a price over 0"):
        options.cost(price, None)


def test_units_must_agree_and_have_a_price() -> None:
    with pytest.raises(OptionError, match=r"--cost-unit: found 'USD' beside --cost-per-label '0.35EUR', expected one"):
        options.cost("0.35EUR", "USD")
    with pytest.raises(OptionError, match="--cost-unit: found no --cost-per-label"):
        options.cost(None, "EUR")
    with pytest.raises(OptionError, match=r"--cost-unit: .* up to 20 characters"):
        options.cost("1" + "x" * 21, None)


def test_report_options_are_keys_of_the_study_and_options() -> None:
    given = ReportOptions("a b", "log2", 0.8, (0.7, 0.75), prices.Cost(per_label=0.05, unit="h"), headline=50)
    of = factories.study(targets=[0.1], cost={"per_label": 9})
    changed = type(of).model_validate({**of.model_dump(), **given.changes, "baseline": "rotation/linear"})
    assert (changed.curve, changed.level, changed.targets) == ("log2", 0.8, [0.7, 0.75])
    assert (changed.cost, changed.headline) == (given.cost, 50)
    options = (
        "--baseline 'a b' --method log2 --level 0.8 --target 0.7 --target 0.75 --cost-per-label 0.05 --cost-unit h "
        "--headline-n 50"
    )
    assert given.text == options
    assert (ReportOptions().changes, ReportOptions().text) == ({}, "")


def test_metrics_are_given_by_task() -> None:
    assert options.metrics(["shapes/segment=mean_iou", "a=b"]) == (("shapes/segment", "mean_iou"), ("a", "b"))
    for wrong, message in (
        (["mean_iou"], "--metric: found 'mean_iou', expected TASK=NAME"),
        (["a="], "--metric: found 'a=', expected TASK=NAME"),
        (["a=b", "a=c"], "--metric: found a twice"),
    ):
        with pytest.raises(OptionError, match=message):
            options.metrics(wrong)
