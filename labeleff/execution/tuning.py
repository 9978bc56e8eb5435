"""Tuning: of a cell's rates and decays on a part of its n labels, of a pretext's rate on held-out images.

Every choice is trained and judged, and the best then trains on all.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labeleff.errors import PluginError
from labeleff.execution.scoring import score
from labeleff.plugins.pretexts.interface import Pretrained
from labeleff.plugins.protocols.interface import Fitted, Labelled
from labeleff.records.entries import Trial
from labeleff.seeding import generator
from labeleff.stats.stratification import covering_order, proportional_order
from labeleff.study.cell import Budget, Cell, Pretraining
from labeleff.study.tuning import Choice, Tune
from labeleff.training.device import Compute, Stopwatch, give_back
from labeleff.training.slots import DivergedError, Progress

Train = Callable[[Labelled, Budget, Progress], Fitted]
"""A protocol's training on labelled examples under a budget."""
Split = tuple[Tensor, Tensor]
"""Sorted positions among the labels to train on, and to judge by."""


def tuned(cell: Cell, data: Labelled, train: Train, compute: Compute, steps: int, progress: Progress) -> Fitted:
    """Try a cell's choices on splits of its labels, then train the best on all of them, for `steps` steps.

    Rounds go on with their best choices. Raises DivergedError where every trial failed; with one label per class
    there is nothing to judge by, and the budget's own values are taken.
    """
    tune, budget = cell.tune, cell.budget
    assert tune is not None
    assert budget is not None
    told = _Told(round((tune.trainings + 1) * steps), progress)
    trial = functools.partial(_trial, data=data, train=train, compute=compute, told=told)
    alive, trials, parts = tune.choices, list[Trial](), splits(cell, data, tune)
    for count, share in tune.rounds if parts else ():
        merits: dict[Choice, tuple[float, float]] = {}
        for choice in alive[:count]:
            tried = budget.chosen(choice, max(1, round(share * steps)))
            judged = [trial(choice, tried, number, part) for number, part in enumerate(parts)]
            trials, merits[choice] = trials + judged, merit(judged)
        alive = sorted(merits, key=merits.__getitem__, reverse=True)
        if all(one.score is None for one in trials):
            raise DivergedError(f"all {len(trials)} trials of tuning failed: {trials[0].reason}")
    best = alive[0] if parts else Choice()
    return replace(train(data, budget.chosen(best), told), trials=trials, tuned=best)


def merit(trials: Sequence[Trial]) -> tuple[float, float]:
    """Rank a choice by its mean score over the splits, then by its mean loss; one that failed on any comes last."""
    scores = [trial.score for trial in trials if trial.score is not None]
    losses = [trial.loss for trial in trials if trial.loss is not None]
    if min(len(scores), len(losses)) < len(trials):
        return -math.inf, -math.inf
    return statistics.fmean(scores), -statistics.fmean(losses)


def splits(cell: Cell, data: Labelled, tune: Tune) -> list[Split]:
    """Split the positions 0..n-1 of a cell's labels: one split, or each fold in turn; none where none can be judged.

    Classes keep their shares. With one split every class keeps an example to train on; of a fold only labels are judged
    whose class is trained on: a single label of a class says nothing of a rate. Depends on draw and seed, not on the
    arm, so that arms are judged on the same labels.
    """
    n = len(data.examples)
    rng = generator("tuning", cell.draw, cell.seed, n)
    order, least = rng.permutation(n), 1
    labels = data.examples.labels
    classes = np.zeros(n, dtype=np.int64)
    if labels.ndim == 1 and not labels.is_floating_point():
        classes = labels.numpy().astype(np.int64)
        least = len(np.unique(classes))
        order = covering_order(classes, proportional_order(classes, order, rng))
        order = order[np.argsort(classes[order], kind="stable")] if tune.folds else order  # folds deal out each class
    count = max(1, round(tune.held_out * n))
    parts = (
        [order[number :: tune.folds] for number in range(tune.folds)]
        if tune.folds
        else [order[max(least, n - count) :]]
    )
    return [split for held in parts if len((split := _split(classes, held))[1])]


def _split(classes: np.ndarray, held: np.ndarray) -> Split:
    """Split positions into all others to train on and, of those held out, the ones whose class is among them."""
    mask = np.ones(len(classes), dtype=bool)
    mask[held] = False
    judged = held[np.isin(classes[held], classes[mask])]
    return torch.from_numpy(np.flatnonzero(mask)), torch.from_numpy(np.sort(judged))


def _trial(
    choice: Choice,
    budget: Budget,
    number: int,
    split: Split,
    *,
    data: Labelled,
    train: Train,
    compute: Compute,
    told: _Told,
) -> Trial:
    """Train on one part of the labels and judge on the other."""
    trained, held = split

    def judge() -> dict[str, Any]:
        fitted = train(data.part(trained), budget, told)
        judged = score(fitted.predictor, data.part(held).on(compute.device), compute, data.goal)
        return {"score": judged.metrics()[data.goal.headline], "loss": judged.loss}

    steps, counts = budget.steps_for(len(trained)), {"trained": len(trained), "held_out": len(held)}
    return Trial(**choice._asdict(), split=number, steps=steps, **counts, **_attempt(judge, compute.device))


def _attempt(judge: Callable[[], dict[str, Any]], device: torch.device) -> dict[str, Any]:
    """What a trial gives, with the time that it took; one that diverges gives the reason."""
    watch = Stopwatch(device)
    try:
        found = judge()
    except DivergedError as error:
        found = {"reason": str(error)}
    give_back()
    spent = watch.stop()
    return {**found, "seconds": spent.seconds, "processor_seconds": spent.processor_seconds}


def tuned_budget(
    pretraining: Pretraining,
    learn: Callable[[Pretraining, Progress], Pretrained],
    device: torch.device,
    steps: int,
    progress: Progress,
) -> tuple[Choice, list[Trial], Progress]:
    """Try a pretext's rates for a share of its steps, each on a new encoder; returns the best by what was held out.

    `learn` trains a new encoder under the budget of the pretraining that it gets. What collapsed or failed is never
    chosen; raises DivergedError where nothing else is left. The progress returned goes on behind the trials.
    """
    tune, budget = pretraining.tune, pretraining.budget
    assert tune is not None
    assert budget is not None
    told = _Told(round((tune.trainings + 1) * steps), progress)
    trials = []
    for rate in tune.lr:
        tried = budget.chosen(Choice(lr=rate), max(1, round(tune.share * steps)))
        judge = functools.partial(_held_out, pretraining.model_copy(update={"budget": tried}), learn, told)
        steps_tried = tried.steps_for(1)
        trials.append(Trial(lr=rate, weight_decay=1.0, split=0, steps=steps_tried, **_attempt(judge, device)))
    usable = [trial for trial in trials if trial.reason is None]
    if not usable:
        raise DivergedError(f"all {len(trials)} trials of tuning failed: {trials[0].reason}")
    best = max(usable, key=lambda trial: -(trial.loss or 0.0) if trial.score is None else trial.score)
    return Choice(lr=best.lr), trials, told


def _held_out(
    pretraining: Pretraining, learn: Callable[[Pretraining, Progress], Pretrained], told: Progress
) -> dict[str, Any]:
    """Train by a pretext and judge by what it held out; raises PluginError where it tells nothing of that."""
    metrics = learn(pretraining, told).metrics
    found: dict[str, Any] = {"score": metrics.get("heldout_accuracy"), "loss": metrics.get("heldout_loss")}
    if found["score"] is None and found["loss"] is None:
        raise PluginError(
            f"pretext {pretraining.pretext.name!r} can't be tuned: found the metrics "
            f"{', '.join(metrics) or 'none'}, expected heldout_accuracy or heldout_loss"
        )
    return {**found, "reason": "collapsed"} if metrics.get("collapsed") else found


class _Told:
    """Progress over all trainings of a cell, each told after those before it."""

    def __init__(self, whole: int, progress: Progress) -> None:
        self._whole, self._before, self._last, self._progress = whole, 0, 0, progress

    def __call__(self, done: int, _: int, loss: float, rate: float) -> None:
        if done <= self._last:  # another training has begun
            self._before += self._last
        self._last = done
        self._progress(min(self._before + done, self._whole), self._whole, loss, rate)
