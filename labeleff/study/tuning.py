"""The `tune` table of a study: equal tuning of every trained arm at every rung, paid for with its own labels.

Which trial is taken is decided on labels inside n; neither the test split nor any further label is seen.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

from pydantic import Field, model_validator

from labeleff.catalogue.declaration import Frozen, Real, Whole


class Choice(NamedTuple):
    """What is tuned, as multiples of a budget row's own values."""

    lr: float = 1.0
    weight_decay: float = 1.0


class PretextTune(Frozen):
    """Multiples of a pretext's rate, each tried for a `share` of its steps and judged on held-out training images.

    No label is used: the best has the highest held-out accuracy, or where there is none the lowest held-out loss, among
    those whose features didn't collapse.
    """

    lr: list[Real] = Field(min_length=2)
    share: Real = Field(default=0.25, gt=0, le=1)

    @model_validator(mode="after")
    def _grid(self) -> PretextTune:
        _check_multiples("lr", self.lr)
        return self

    @property
    def trainings(self) -> float:
        """Trials in all, counted in trainings of full length."""
        return len(self.lr) * self.share

    @property
    def text(self) -> str:
        """The table in words."""
        return f"{len(self.lr)} rates, each for {self.share:.0%} of the steps, judged on held-out images without labels"


def _check_multiples(name: str, values: list[float]) -> None:
    if any(value < 0 or (value == 0 and name == "lr") for value in values):
        least = "over 0" if name == "lr" else "from 0 on"
        raise ValueError(f"{name}: found {values}, expected multiples of the row's value, {least}")
    if len(set(values)) < len(values):
        raise ValueError(f"{name}: {values} names one multiple twice")


class Tune(Frozen):
    """A grid of multiples of each budget row's rate and decay, and how its points are judged.

    Of the n labels a share `held_out` is left out of training and judges every trial, or with `folds` each of that many
    equal parts in turn (cross-validation); the best by mean accuracy, then by mean loss, trains on all n. With
    `halving` trials begin shorter, and of every round the best 1 / `halving` goes on (successive halving, Jamieson &
    Talwalkar 2016): the last round has 1 / `halving` of the steps.
    """

    lr: list[Real] = Field(default_factory=lambda: [1.0], min_length=1)
    weight_decay: list[Real] = Field(default_factory=lambda: [1.0], min_length=1)
    held_out: Real = Field(default=0.2, gt=0, le=0.5)
    folds: Whole | None = Field(default=None, ge=2)
    halving: Whole | None = Field(default=None, ge=2)
    pretext: PretextTune | None = None
    """Tuning of the pretexts themselves; None for their rows as they are."""

    @model_validator(mode="after")
    def _grid(self) -> Tune:
        _check_multiples("lr", self.lr)
        _check_multiples("weight_decay", self.weight_decay)
        if len(self.choices) < 2:
            raise ValueError("found one choice, expected several multiples of lr or weight_decay to choose from")
        return self

    @property
    def choices(self) -> list[Choice]:
        """All points of the grid, in order."""
        return [Choice(*values) for values in itertools.product(self.lr, self.weight_decay)]

    @property
    def splits(self) -> int:
        """Number of splits that every trial is judged on."""
        return self.folds or 1

    @property
    def rounds(self) -> list[tuple[int, float]]:
        """Rounds of trials: how many choices are tried, with which share of the steps."""
        count, by = len(self.choices), self.halving
        if by is None:
            return [(count, 1.0)]
        number = max(1, math.floor(math.log(count, by) + 1e-9))
        return [(math.ceil(count / by**one), by ** (one - number)) for one in range(number)]

    @property
    def trainings(self) -> float:
        """Trials in all, counted in trainings of full length."""
        return self.splits * sum(count * share for count, share in self.rounds)

    @property
    def text(self) -> str:
        """The table in words."""
        judged = f"{self.folds} folds" if self.folds else f"{self.held_out:.0%} of the labels"
        halved = f", successive halving by {self.halving}" if self.halving else ""
        return f"{len(self.choices)} choices judged on {judged}{halved}"
