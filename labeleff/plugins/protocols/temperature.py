"""Temperature scaling (Guo et al. 2017, section 4.2): one number that scores of classes are divided by.

It is fitted on scores of labels that their predictor wasn't trained on, all of them among the cell's n labels. A class
with a single label is left out: without it the predictor wouldn't know the class.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from labeleff.training.contents import firsts
from labeleff.training.goals.classification import ranks

if TYPE_CHECKING:
    from labeleff.plugins.protocols.interface import Fitted, LabelledFeatures

LEAST, MOST = 1e-4, 1e3
"""Temperatures that are searched between, in standard deviations of an item's scores."""
PRECISION = 1e-4
"""Relative change of a temperature at which the search ends; by Newton's method the next would be its square."""
MAX_STEPS = 60


@dataclass(frozen=True)
class Temperature:
    """A temperature, and the number of labels that it was fitted on."""

    value: float
    labels: int


def fit_temperature(scores: Tensor, labels: Tensor, trained: Tensor | None = None) -> Temperature | None:
    """Fit a temperature to scores (M, C) of classes (M,) by least cross-entropy; None without a label.

    `trained` are the labels that the predictor was trained on; by default, all of `labels` but the one that is scored.
    Labels of a class that isn't among them are left out. One label that is every class in equal parts is counted in,
    since without an error among few labels the least cross-entropy would be at 0 (Platt 1999 counts labels in for the
    same reason).
    """
    scores, labels = scores.cpu().double(), labels.cpu()
    counts = torch.bincount(labels if trained is None else trained.cpu(), minlength=scores.shape[1])
    kept = counts[labels] > (1 if trained is None else 0)
    scores, labels = scores[kept], labels[kept]
    if not len(labels):
        return None
    right = scores.gather(1, labels[:, None])
    wanted = (len(labels) * right.sum() + scores.mean(1).sum()) / (len(labels) + 1)
    return Temperature(1 / _factor(scores, float(wanted)), len(labels))


def _factor(scores: Tensor, wanted: float) -> float:
    """Find the factor of scores with which their expectations sum up to `wanted`, by Newton's method in a bracket.

    There the slope of the cross-entropy is 0, which is convex in the factor.
    """
    spread, squares = float((scores - scores.mean(1, keepdim=True)).square().mean().sqrt()), scores.square()
    if not spread:
        return 1.0
    low, high, factor = 1 / (MOST * spread), 1 / (LEAST * spread), 1 / spread
    for _ in range(MAX_STEPS):
        p = torch.softmax(factor * scores, 1)
        means = (p * scores).sum(1)
        slope, bend = float(means.sum()) - wanted, float((p * squares).sum() - means.square().sum())
        low, high = (low, factor) if slope > 0 else (factor, high)
        newton = factor - slope / bend if bend > 0 else math.inf
        before, factor = factor, newton if low < newton < high else math.sqrt(low * high)
        if abs(factor - before) <= PRECISION * factor:
            break
    return factor


def folds_of(labels: Tensor, folds: int, equal: Tensor | None = None) -> Iterator[Tensor]:
    """Mark the rows (n,) of each fold: labels of a class go to the folds in turn, an only one to none.

    With `equal` (n,), one number for equal rows, distinct ones are dealt out, and all equal to one go with it.
    """
    if equal is not None:
        first = firsts(equal)
        yield from (torch.isin(equal, equal[first[out]]) for out in folds_of(labels[first], folds))
        return
    turn, repeated = ranks(labels) % folds, labels.bincount()[labels] > 1
    for fold in range(folds):
        out = (turn == fold) & repeated
        if bool(out.any()):
            yield out


def out_of_fold(
    problems: Sequence[LabelledFeatures], folds: int, fit: Callable[[list[LabelledFeatures]], list[Fitted]]
) -> list[Temperature | None]:
    """Fit every problem's temperature on scores of each of its labels by a refit without its fold.

    `fit` solves problems; all refits are handed over at once. Where one isn't solved there is no temperature. Of equal
    rows whose labels differ, one may be a class that the rows outside its fold lack; it is left out.
    """
    outs = [[*folds_of(problem.labels, folds, problem.equal)] for problem in problems]
    pairs = [(problem, out) for problem, own in zip(problems, outs, strict=True) for out in own]
    refits = iter(fit([problem.part(~out) for problem, out in pairs]) if pairs else [])
    found: list[Temperature | None] = []
    for problem, own in zip(problems, outs, strict=True):
        fitted = list(itertools.islice(refits, len(own)))
        if not own or any(one.failure is not None for one in fitted):
            found.append(None)
            continue
        judged = [out & torch.isin(problem.labels, problem.labels[~out]) for out in own]
        with torch.no_grad():
            scores = [one.predictor(problem.part(rows).features) for one, rows in zip(fitted, judged, strict=True)]
        labels = [problem.labels[rows] for rows in judged]
        found.append(fit_temperature(torch.cat(scores), torch.cat(labels), problem.labels))
    return found
