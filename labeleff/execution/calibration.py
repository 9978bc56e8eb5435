"""Calibration of class probabilities on the test split: how far they are from what happens.

Expected calibration error is that of Guo et al. 2017, section 2: items are put into 15 bins of equal width by the
probability of the predicted class, (0, 1/15], (1/15, 2/15] and so on; the error is the mean distance of a bin's mean
probability from its accuracy, weighted by items. The Brier score is the squared distance of the probabilities from the
true class, summed over classes (Brier 1950), in 0..2; the negative log-likelihood is in nats. Each is also given after
division of the scores by a temperature, which is fitted elsewhere, on labels of the cell alone.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labeleff.catalogue.metrics import SINGLE
from labeleff.plugins.protocols.interface import Fitted
from labeleff.training.device import summing_type
from labeleff.training.examples import Task
from labeleff.training.goals.interface import Goal

BINS = 15
TOGETHER = 2**15
"""Scores of one predictor that are summed up together: by small blocks it would take several times as long."""


class _Sums:
    """Sums over items from which the three metrics follow."""

    def __init__(self) -> None:
        self._gaps: Tensor | None = None
        self._totals: Tensor | None = None

    def add(self, top: Tensor, hits: Tensor, own: Tensor, squares: Tensor, losses: Tensor) -> None:
        """Add items (B,): largest probability, whether it is right, the true class's, their squares' sum, the loss."""
        exact = summing_type(top.device)
        place = (top * BINS).ceil().long().clamp(1, BINS) - 1
        bins = place == torch.arange(BINS, device=top.device)[:, None]
        gaps = bins.to(exact) @ (hits.to(exact) - top.to(exact))
        totals = torch.stack((1 - 2 * own + squares, losses)).to(exact).sum(1)
        self._gaps = gaps if self._gaps is None else self._gaps + gaps
        self._totals = totals if self._totals is None else self._totals + totals

    def metrics(self, count: int) -> dict[str, float]:
        """Give the metrics of `count` items, without a likelihood of 0."""
        assert self._gaps is not None
        assert self._totals is not None
        brier, nll = (self._totals / count).tolist()
        found = {"ece": float(self._gaps.abs().sum()) / count, "brier": brier, "nll": nll}
        return {name: value for name, value in found.items() if math.isfinite(value)}


class Calibration:
    """Calibration of one predictor, summed block by block.

    `logits` says that scores are logits, `shares` that they are probabilities; with a `temperature` the softmax of
    scores divided by it is measured too, whatever they are.
    """

    def __init__(self, *, logits: bool, shares: bool = False, temperature: float | None = None) -> None:
        self._logits, self._shares, self._temperature = logits, shares, temperature
        self._predicted, self._scaled, self._count = _Sums(), _Sums(), 0
        self._waiting: list[tuple[Tensor, Tensor]] = []

    def add(self, scores: Tensor, target: Tensor) -> None:
        """Add scores (B, classes) of items with their classes (B,)."""
        self._count += len(target)
        self._waiting.append((scores, target))
        if len(self._waiting) * scores.numel() >= TOGETHER:
            self._sum_up()

    def _sum_up(self) -> None:
        """Sum up what waits, which may be nothing."""
        if not self._waiting:
            return
        scores, target = (torch.cat(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting = []
        predicted = scores.argmax(1, keepdim=True)
        hits, target = predicted[:, 0] == target, target[:, None]
        if self._shares:
            own = scores.gather(1, target)[:, 0]
            top = scores.gather(1, predicted)[:, 0]
            self._predicted.add(top, hits, own, scores.square().sum(1), -own.log())
            return
        below = scores - scores.gather(1, predicted)
        if self._logits:
            _add_softmax(self._predicted, below, hits, target)
        if self._temperature is not None:
            _add_softmax(self._scaled, below / self._temperature, hits, target)

    def values(self) -> dict[str, float]:
        """Give the metrics as predicted, and, with the ending `_scaled`, after temperature scaling."""
        self._sum_up()
        found = self._predicted.metrics(self._count) if self._logits or self._shares else {}
        if self._temperature is None or self._shares:
            return found
        scaled = self._scaled.metrics(self._count)
        return found | {f"{name}_scaled": value for name, value in scaled.items()}


def _add_softmax(sums: _Sums, below: Tensor, hits: Tensor, target: Tensor) -> None:
    """Add the softmax of scores (B, classes) less their largest."""
    powers = below.exp()
    whole = powers.sum(1)
    own = powers.gather(1, target)[:, 0] / whole
    losses = whole.log() - below.gather(1, target)[:, 0]
    sums.add(1 / whole, hits, own, powers.square().sum(1) / whole.square(), losses)


def calibration_of(task: Task, goal: Goal, fitted: Fitted) -> Calibration | None:
    """Make what measures a predictor; None unless items are images or stored features of one class each."""
    found = None if fitted.temperature is None else fitted.temperature.value
    if goal.name not in SINGLE or task.text is not None or not (fitted.logits or fitted.shares or found):
        return None
    return Calibration(logits=fitted.logits, shares=fitted.shares and not fitted.logits, temperature=found)
