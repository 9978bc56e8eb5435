"""Values of options: pairs and numbers, and errors for bad ones."""

import math

import pytest

from labeleff.errors import OptionError
from labeleff.study.option_values import in_range, level_in_range, pair, pairs


def test_a_pair_is_split_at_its_first_or_last_equals_sign():
    assert pair(" arm = a=b ", "--column", "") == ("arm", "a=b")
    assert pair("accuracy@*[joint(k=1)]=0.05", "--margin", "", last=True) == ("accuracy@*[joint(k=1)]", "0.05")
    assert pair("key=", "--set", "") == ("key", "")


@pytest.mark.parametrize("text", ["", "key", "=value", " = value"])
def test_a_pair_needs_a_key_and_the_sign(text):
    with pytest.raises(OptionError, match=f"^--o: found {text!r}, expected KEY=VALUE$"):
        pair(text, "--o", "KEY=VALUE")


def test_a_key_stands_there_once():
    assert pairs(["a=1", "b=2"], "--o", "", "") == {"a": "1", "b": "2"}
    with pytest.raises(OptionError, match=r"^--o: found a twice, expected every key once$"):
        pairs(["a=1", "b=2", " a=3"], "--o", "KEY=VALUE", "every key once")


def test_bounds_that_belong_to_the_range_and_bounds_that_dont():
    assert [in_range("--o", number, "", least=0, most=1) for number in (0, 0.5, 1)] == [0, 0.5, 1]
    for number in (0, 1, -1, math.nan, math.inf):
        with pytest.raises(OptionError, match=f"^--o: found {number:g}, expected a share$"):
            in_range("--o", number, "a share", over=0, under=1)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_only_finite_numbers_are_in_a_range(number):
    with pytest.raises(OptionError):
        in_range("--o", number, "a number")


def test_a_level_is_over_a_half():
    assert level_in_range(0.9) == 0.9
    with pytest.raises(OptionError, match=r"^--level: found 0\.5, expected a probability over 0\.5"):
        level_in_range(0.5)
