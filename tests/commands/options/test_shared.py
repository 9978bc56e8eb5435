"""Options that several commands share."""

from __future__ import annotations

import pytest

from labeleff.commands.options.shared import target_value
from labeleff.errors import OptionError


@pytest.mark.parametrize(("text", "value"), [("0.6", 0.6), ("60%", 0.6), (" 60 % ", 0.6), ("60", 60), ("2.3", 2.3)])
def test_a_target_is_written_in_three_ways(text: str, value: float) -> None:
    assert target_value(text) == value


@pytest.mark.parametrize("text", ["abc", "", "160%", "nan"])
def test_anything_else_is_no_target(text: str) -> None:
    with pytest.raises(OptionError, match=r"--target: found .*, expected an accuracy in 0..1, or in percent up to 100"):
        target_value(text)
