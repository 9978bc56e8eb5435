"""Options of `labeleff forecast`: targets, prices and label counts as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from labeleff.errors import OptionError
from labeleff.reporting.external import options as external_options
from labeleff.reporting.forecast import options
from labeleff.study.prices import Cost


def test_targets_may_be_shares_or_percent() -> None:
    assert options.targets(["0.9", "80", "95%", " 0.5 % "]) == (0.9, 0.8, 0.95, 0.005)
    assert options.targets([]) == ()


@pytest.mark.parametrize("text", ["ninety", "", "%", "nan", "nan%", "150%", "-1%", "0,9", "9o%"])
def test_targets_that_are_none(text: str) -> None:
    with pytest.raises(OptionError, match=f"--target: found '{text}', expected an accuracy in 0..1, or in percent"):
        options.targets([text])


@pytest.mark.parametrize(
    ("texts", "message"),
    [(["101"], "--target: found 101"), (["-0.1"], "--target: found -0.1"), (["0.9", "90%"], "found 0.9 twice")],
)
def test_targets_out_of_range(texts: list[str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        options.targets(texts)


@pytest.mark.parametrize(
    ("price", "unit", "cost"),
    [
        ("0.35EUR", None, Cost(per_label=0.35, unit="EUR")),
        (" 0.35 EUR ", None, Cost(per_label=0.35, unit="EUR")),
        ("0.35", "EUR", Cost(per_label=0.35, unit="EUR")),
        ("0.35EUR", "EUR", Cost(per_label=0.35, unit="EUR")),
        ("0.35€", None, Cost(per_label=0.35, unit="€")),
        ("2 expert hours", None, Cost(per_label=2, unit="expert hours")),
        (".5", None, Cost(per_label=0.5, unit="USD")),
        ("1e-3h", None, Cost(per_label=0.001, unit="h")),
        (None, None, None),
    ],
)
def test_prices_have_their_unit_with_them_or_beside_them(price: str | None, unit: str | None, cost: Cost) -> None:
    assert options.cost(price, unit) == cost


@pytest.mark.parametrize(
    "price", ["cheap", "", "0", "0EUR", "-1", "0,35EUR", "1,000", "€0.35", "1e999", "1.2.3", "1 2"]
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


def test_label_counts_are_lists() -> None:
    assert options.counts(["1000,5000", " 200 ", "1000"]) == (1000, 5000, 200)
    for text, part in (("1,000", "000"), ("5e3", "5e3"), ("0", "0"), ("", ""), ("-5", "-5"), ("1.5", "1.5")):
        with pytest.raises(OptionError, match=f"--at: found '{part}', expected label counts"):
            options.counts([text])


def test_labelled_ones_are_counted_from_1() -> None:
    table = external_options.Options(path=Path("runs.csv"), out=Path("out"), command=["labeleff"])
    assert options.Options(table, labelled=1).labelled == 1
    with pytest.raises(OptionError, match="--labelled: found 0"):
        options.Options(table, labelled=0)
