"""The probability of intervals: its default and its check."""

from __future__ import annotations

from labeleff.errors import OptionError

LEVEL = 0.90
"""Default probability of intervals."""


def check_level(level: float) -> None:
    """Raise OptionError unless `level` is a probability strictly between 0 and 1."""
    if not 0 < level < 1:
        raise OptionError(f"level: found {level}, expected a probability between 0 and 1, e.g. 0.90")
