"""Options of `labeleff forecast`, checked before anything is read."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from labeleff.errors import OptionError
from labeleff.reporting.external import options as external_options
from labeleff.study.option_values import in_range

_TARGET = "an accuracy in 0..1, or in percent up to 100, e.g. 0.9, 90% or 90"
_COUNTS = "label counts over 0, whole, with commas only between them, e.g. 1000,5000"


@dataclass(frozen=True)
class Options:
    """Values of the command's options. Raises OptionError naming the option that can't be used."""

    table: external_options.Options
    """How to read the table, where to write, level, targets and price."""
    arm: str | None = None
    """The only arm to forecast; None: every arm."""
    at: tuple[int, ...] = ()
    """Label counts in the order given; empty for multiples of the last rung."""
    labelled: int | None = None
    """Labels that are there already; None: those of the last rung."""

    def __post_init__(self) -> None:
        if self.labelled is not None:
            in_range("--labelled", self.labelled, "a number of labels from 1", least=1)


def targets(texts: Sequence[str]) -> tuple[float, ...]:
    """Values from texts such as `0.9`, `90` and, as a share, `90%`. Raises OptionError for anything else."""
    return tuple(map(_target, texts))


def _target(text: str) -> float:
    number = text.strip().removesuffix("%")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    percent = number != text.strip()
    if math.isnan(value) or (percent and not 0 <= value <= 100):
        raise OptionError(f"--target: found {text!r}, expected {_TARGET}")
    return value / 100 if percent else value


def counts(texts: Sequence[str]) -> tuple[int, ...]:
    """Label counts from texts such as `1000,5000`. Raises OptionError for anything else."""
    parts = [part.strip() for text in texts for part in text.split(",")]
    for part in parts:
        if not re.fullmatch(r"[1-9]\d{0,14}", part):
            raise OptionError(f"--at: found {part!r}, expected {_COUNTS}")
    return tuple(dict.fromkeys(map(int, parts)))
