"""The `auto` table of a study: a ladder that chooses its own rungs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, ValidationError

from labeleff.catalogue.declaration import Frozen, Real, Whole, first_error
from labeleff.errors import StudyError

NEAR = 1.3
"""Factor around a requested label count within which a computed rung is left out."""


class Auto(Frozen):
    """Label counts at which U(n) is wanted, and how narrow its interval should be.

    Rungs, draws and seeds of the study are then the most that may be measured. With `rungs = "auto"` the largest ladder
    has `points` rungs from `first` to `last`, at equal ratios; a list of rungs needs none of these three.
    """

    at: list[Whole] = Field(min_length=1)
    width: Real = Field(default=0.5, gt=0)
    """Width ln(high / low) of the interval of n1, and so of U(n) + 1, that suffices: 0.5 is a factor of 1.65."""
    first: Whole | None = Field(default=None, ge=1)
    last: Whole | None = Field(default=None, ge=1)
    points: Whole | None = Field(default=None, ge=2, le=50)
    """Number of rungs of the largest ladder; None: one per doubling."""

    def ladder(self) -> list[int]:
        """The largest ladder, rounded to two digits, with all label counts of `at`."""
        if self.first is None or self.last is None:
            raise StudyError("auto: rungs = 'auto' needs the smallest and the largest rung, first and last")
        if not self.first < self.last:
            raise StudyError(f"auto: found first = {self.first} and last = {self.last}, expected first below last")
        points = self.points or 1 + max(1, round(math.log2(self.last / self.first)))
        ratio = (self.last / self.first) ** (1 / (points - 1))
        inner = (_round(self.first * ratio**place) for place in range(1, points - 1))
        ladder = [self.first, *inner, self.last]
        if not self.first <= min(self.at) <= max(self.at) <= self.last:
            raise StudyError(f"auto.at: found {self.at}, expected label counts from {self.first} to {self.last}")
        apart = [n for n in ladder if all(max(n / wanted, wanted / n) > NEAR for wanted in self.at)]
        return sorted({*apart, *self.at, self.first, self.last})


def _round(n: float) -> int:
    """A label count rounded to two significant digits."""
    return int(float(f"{n:.2g}"))


def expand_auto(table: Any) -> Any:
    """Replace `rungs = "auto"` of a study's table by the largest ladder; any other table is returned unchanged.

    Raises StudyError for a table `auto` that is missing or wrong.
    """
    if not isinstance(table, Mapping) or table.get("rungs") != "auto":
        return table
    if not isinstance(table.get("auto"), Mapping | Auto):
        raise StudyError(
            f"rungs = 'auto': found auto = {table.get('auto')!r}, expected a table like "
            "auto = { at = [200, 1000], first = 50, last = 8000 }"
        )
    try:
        auto = Auto.model_validate(table["auto"])
    except ValidationError as error:
        raise StudyError(f"auto: {first_error(error, Auto)}") from error
    return {**table, "rungs": auto.ladder()}


def check_auto(auto: Auto, rungs: Sequence[int], runs: int, arms: int) -> None:
    """Raise StudyError where a study's ladder can't be chosen: label counts off it, too few rungs, arms, runs."""
    for low, high in itertools.pairwise(auto.at):
        if high <= low:
            raise StudyError(f"auto.at: found {low} before {high}, expected label counts that rise")
    off = [n for n in auto.at if n not in rungs]
    if off:
        raise StudyError(f"auto.at: found {off[0]}, expected some of the rungs {list(rungs)}")
    if len(rungs) < 2 or arms < 2:
        raise StudyError(f"auto: found {len(rungs)} rungs and {arms} arms, expected two of each or more")
    if runs < 2:
        raise StudyError("auto: found one run a rung, expected draws or seeds of 2 or more: one run shows no noise")
