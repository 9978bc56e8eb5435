"""Prices of an hour of the machine: texts, costs and refusals."""

import pytest

from labeleff.errors import OptionError
from labeleff.study.prices import Price


@pytest.mark.parametrize(
    ("text", "hour", "cost"),
    [
        ("2.5", 2.5, "5.00"),
        ("2.5USD", 2.5, "5.00 USD"),
        (" 3 EUR ", 3.0, "6.00 EUR"),
        ("1000", 1000.0, "2,000.00"),
        (".5€", 0.5, "1.00 €"),
        ("0.001", 0.001, "under 0.01"),
    ],
)
def test_a_price_an_hour(text, hour, cost):
    price = Price.of(text)
    assert price.an_hour == hour
    assert price.cost(7200) == cost


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "free", "nan", "inf", "1e999", "2,5", "USD 2.5", "2.5 USD an hour", "1 2"]
)
def test_what_is_no_price_is_refused(text):
    with pytest.raises(OptionError, match=r"--price: found .*expected money an hour"):
        Price.of(text)
