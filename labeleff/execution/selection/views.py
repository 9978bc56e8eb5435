"""Cells measured one by one, each with a view of the pool by its model: trained, or solved on frozen features."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.catalogue import lookup
from labeleff.errors import PluginError
from labeleff.execution.calibration import calibration_of
from labeleff.execution.cell_jobs import Clock, fit_cell, record_of, score_cell
from labeleff.execution.draws import ChosenLabels
from labeleff.execution.scoring import BLOCK, EncodedLabels, Score, predict
from labeleff.execution.workplace import Workplace
from labeleff.plugins.protocols.interface import Fitted, FrozenProtocol, Predictor
from labeleff.records.entries import Record
from labeleff.study.cell import Cell
from labeleff.training.device import Durations, Stopwatch
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.slots import Progress
from labeleff.training.stories import resident


@dataclass(frozen=True)
class View:
    """All training examples as a model sees them: features (N, d) float32, and its last layer to probabilities."""

    features: Tensor
    head: Callable[[Tensor], Tensor]
    spent: Durations
    """Time that was spent on it before, as its share of what several views have in common."""


class Measurer(Protocol):
    """Measures cells of one arm."""

    def measure(self, cell: Cell, labels: ChosenLabels) -> tuple[Record, Callable[[], View]]:
        """Measure a cell on these labels: its record, and what computes its model's view of the pool."""


class Trained:
    """Cells of a trained protocol."""

    def __init__(self, place: Workplace, progress: Progress) -> None:
        self._place, self._progress = place, progress

    def measure(self, cell: Cell, labels: ChosenLabels) -> tuple[Record, Callable[[], View]]:
        """Train a cell and score it on the test split."""
        clock = Clock(self._place.device)
        fitted = fit_cell(self._place, cell, labels, self._progress)
        record = score_cell(self._place, cell, fitted, labels, clock)
        return record, functools.partial(self._view, cell, fitted.predictor)

    def _view(self, cell: Cell, predictor: Predictor) -> View:
        if not isinstance(predictor, nn.Sequential) or len(predictor) != 2:
            raise PluginError(
                f"protocol {cell.protocol.name!r}: found a predictor of type {type(predictor).__name__}, expected "
                "Sequential(encoder, head), whose parts a selection of labels reads"
            )
        encoder, head = predictor
        loaded, compute = self._place.load(cell.task), self._place.compute(cell)
        images = resident(loaded.task.train.inputs, loaded.normalisation, compute.device)
        return View(
            predict(encoder, images, compute), lambda features: F.softmax(head(features).float(), 1), Durations()
        )


class Frozen:
    """Cells of a frozen protocol that share an encoder and a task, whose examples are encoded once.

    The time of encoding the pool is shared by the views that are taken of it, that of the test split by the cells.
    """

    def __init__(self, place: Workplace, cells: Sequence[Cell]) -> None:
        self._place, first = place, cells[0]
        self._loaded, compute = place.load(first.task), place.compute(first)
        encoder = place.encoder(first)
        model, before = compute.place(encoder).eval(), state_sha256(encoder)
        watch = Stopwatch(place.device)
        pool = np.arange(len(self._loaded.task.train), dtype=np.int64)
        self._encoded = EncodedLabels(model, self._loaded.labelled, pool, compute)
        views = sum(cell.rung_below is not None for cell in cells)
        self._view_share = watch.stop() / max(views, 1)
        watch.start()
        self._test = predict(model, self._loaded.test_examples.resident, compute)
        self._cell_share = watch.stop() / len(cells)
        if state_sha256(encoder) != before:
            raise PluginError(f"encoder {first.encoder.label}: weights or statistics changed although it is frozen")
        self._fit: FrozenProtocol = lookup.resolve("protocol", first.protocol.name)
        self._options = lookup.options("protocol", first.protocol)

    def measure(self, cell: Cell, labels: ChosenLabels) -> tuple[Record, Callable[[], View]]:
        """Solve a cell on the computed features and score it on those of the test split."""
        clock = Clock(self._place.device, self._cell_share)
        [fitted] = self._fit([self._encoded.problem(labels.indices, cell.seed)], self._options)
        record = record_of(self._place, cell, fitted, self._score(cell, fitted), labels, clock.cost())
        return record, functools.partial(self._view, fitted)

    def _score(self, cell: Cell, fitted: Fitted) -> Score:
        goal, labels = self._place.goal(cell), self._loaded.test_examples.labels
        assert labels is not None
        calibration = calibration_of(self._loaded.task, goal, fitted)
        total = Score(goal if fitted.logits else goal.of_shares(), calibration)
        with torch.inference_mode():
            for features, target in zip(torch.split(self._test, BLOCK), torch.split(labels, BLOCK), strict=True):
                total.add(fitted.predictor(features), target)
        return total

    def _view(self, fitted: Fitted) -> View:
        """Probabilities are as predicted, or of values that are none those at the temperature that calibrates them."""
        divisor = 1.0 if fitted.logits or fitted.temperature is None else fitted.temperature.value

        def head(features: Tensor) -> Tensor:
            scores = fitted.predictor(features).float()
            return scores if fitted.shares and not fitted.logits else F.softmax(scores / divisor, 1)

        return View(self._encoded.features, head, self._view_share)
