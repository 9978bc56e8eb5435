"""Values of command-line options, checked: KEY=VALUE texts and numbers in bounds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from labeleff.errors import OptionError


def pair(text: str, option: str, expected: str, *, last: bool = False) -> tuple[str, str]:
    """Split a text at its first (or last) equals sign into key and value, without spaces around them.

    Raises OptionError, naming the option, for a text without that sign or without a key.
    """
    key, equals, value = text.rpartition("=") if last else text.partition("=")
    if not (equals and key.strip()):
        raise OptionError(f"{option}: found {text!r}, expected {expected}")
    return key.strip(), value.strip()


def pairs(texts: Iterable[str], option: str, expected: str, once: str) -> dict[str, str]:
    """Values by key, split at the first equals sign; OptionError as for `pair`, and for a repeated key.

    `expected` describes such a text, `once` how often a key is expected, both for error messages.
    """
    values: dict[str, str] = {}
    for text in texts:
        key, value = pair(text, option, expected)
        if key in values:
            raise OptionError(f"{option}: found {key} twice, expected {once}")
        values[key] = value
    return values


def unfit_names(names: Mapping[str, str]) -> str | None:
    """What is wrong with names for a legend, by what they stand for: empty, of several lines, or several alike."""
    for of, name in names.items():
        if not name.strip() or not name.isprintable():
            return f"found {name!r} for {of}, expected a name without line breaks"
        if list(names.values()).count(name) > 1:
            return f"found {name!r} twice, expected a different name for every arm"
    return None


def in_range(
    option: str,
    number: float,
    expected: str,
    *,
    least: float = -math.inf,
    over: float = -math.inf,
    under: float = math.inf,
    most: float = math.inf,
) -> float:
    """Return the number if it is finite and within the bounds; `least` and `most` belong to the range.

    Raises OptionError saying what was found and expected.
    """
    if not (over < number < under and least <= number <= most):
        raise OptionError(f"{option}: found {number:g}, expected {expected}")
    return number


def level_in_range(level: float) -> float:
    """Return the probability of option `--level`; OptionError unless it is over 0.5 and under 1."""
    return in_range("--level", level, "a probability over 0.5 and under 1, e.g. 0.90", over=0.5, under=1)
