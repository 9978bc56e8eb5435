"""Prices of a label and of an hour of the machine."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import Field, field_validator

from labeleff.catalogue.declaration import Frozen, Real
from labeleff.errors import OptionError, StudyError


class Cost(Frozen):
    """The price of one label, in money or hours."""

    per_label: Real = Field(gt=0, allow_inf_nan=False)
    per_noisy_label: Real | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Price of a label with noise, of whatever rate; None where only labels without noise have a price."""
    unit: str = "USD"

    @field_validator("unit")
    @classmethod
    def _short(cls, unit: str) -> str:
        if not (unit.strip() and unit.isprintable() and len(unit) <= 20):
            raise StudyError(f"found {unit!r}, expected a name of up to 20 characters without line breaks, e.g. hours")
        return unit

    def where(self, *, noisy: bool) -> Cost:
        """The price where labels have noise or none: noisy labels cost as much as others unless they have a price."""
        price = self.per_noisy_label if noisy else None
        return self if price is None else self.model_copy(update={"per_label": price})

    @property
    def text(self) -> str:
        """The price in words: `0.05 USD a label`."""
        return f"{self.per_label:g} {self.unit} a label"


def check_targets(targets: Sequence[float]) -> None:
    """Raise StudyError for a target outside 0..1 and for one named twice."""
    for place, target in enumerate(targets):
        if not 0 <= target <= 1:
            raise StudyError(f"targets: found {target:g}, expected accuracies in 0..1 (percent divided by 100)")
        if target in targets[:place]:
            raise StudyError(f"targets: found {target:g} twice, expected every accuracy once")


HOUR = 3600.0


@dataclass(frozen=True)
class Price:
    """Money per hour of the whole machine, with or without a currency."""

    an_hour: float
    currency: str = ""

    @classmethod
    def of(cls, text: str) -> Self:
        """Parse a price such as `2.5`, `2.5USD` or `2.5 EUR`; OptionError where it is none, or not over 0."""
        match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([^\W\d_]{0,20}|[$€£¥])\s*", text)
        number = float(match[1]) if match else 0.0
        if match is None or not 0 < number < math.inf:
            raise OptionError(
                f"--price: found {text!r}, expected money an hour of the machine, over 0, with a currency or without: "
                "2.5 or 2.5USD"
            )
        return cls(number, match[2])

    def cost(self, seconds: float) -> str:
        """The machine's cost for the given number of seconds: `1.25 USD`, `under 0.01 USD`."""
        amount = self.an_hour * seconds / HOUR
        number = f"{amount:,.2f}" if amount >= 0.005 or amount == 0 else "under 0.01"
        return f"{number} {self.currency}".rstrip()

    def __str__(self) -> str:
        return f"{self.an_hour:g} {self.currency}".rstrip()
