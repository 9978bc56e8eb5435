"""Metrics of predictions on a test split, from plain arrays; each agrees with scikit-learn's where that has a value.

A class without an example in the truth has no recall, AUROC or average precision: its value is NaN, and means are over
the other classes. Elsewhere it counts as 0 or 1, or makes the mean NaN. Scores enter by their order alone, so that
distances and logits don't saturate; but of several classes an example's scores must be comparable between examples,
as their `log_odds` are and logits aren't.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import PluginError

Array = NDArray[np.float64]
Scores = NDArray[np.floating]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]


def check_scores(scores: Scores) -> None:
    """Raise PluginError for scores that are NaN, which every order would place somewhere."""
    if np.isnan(scores).any():
        rows = np.isnan(scores).reshape(len(scores), -1).any(1)
        raise PluginError(f"found NaN in the scores of {int(rows.sum()):,} of {len(scores):,} examples")


def mean_of_defined(values: Array) -> float | None:
    """Average the values that aren't NaN; None where all are."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else None


def accuracy(truth: Indices, predicted: Indices) -> float:
    """Compute the share of examples (N,) whose class is predicted, in 0..1."""
    return float((truth == predicted).mean())


def recalls(truth: Indices, predicted: Indices, classes: int) -> Array:
    """Compute the share of each class's examples that are predicted: (C,) in 0..1, NaN for a class without one."""
    counts = np.bincount(truth, minlength=classes)
    hits = np.bincount(truth[truth == predicted], minlength=classes)
    return np.where(counts > 0, hits / np.maximum(counts, 1), np.nan)


def balanced_accuracy(truth: Indices, predicted: Indices, classes: int) -> float | None:
    """Average recall over the classes that occur in the truth, in 0..1."""
    return mean_of_defined(recalls(truth, predicted, classes))


def macro_f1(truth: Indices, predicted: Indices, classes: int) -> float | None:
    """Average F1 over the classes that occur in truth or prediction, in 0..1."""
    flags = np.arange(classes)
    return mean_of_defined(f1_scores(truth[:, None] == flags, predicted[:, None] == flags))


def f1_scores(truth: Flags, predicted: Flags) -> Array:
    """Compute F1 of every column of (N, K): (K,) in 0..1, NaN where neither truth nor prediction has the label."""
    hits, total = (truth & predicted).sum(0), truth.sum(0) + predicted.sum(0)
    return np.where(total > 0, 2 * hits / np.maximum(total, 1), np.nan)


def mean_ranks(values: Array) -> Array:
    """Rank values (N,) from 1; equal ones get their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse])


def _areas(truth: Flags, scores: Scores) -> tuple[float, float]:
    """Compute AUROC and average precision of examples (N,) from one sort."""
    check_scores(scores)
    order = np.argsort(-scores)
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits = np.cumsum(truth[order])[last]
    more, misses = np.diff(hits, prepend=0), np.diff(last + 1 - hits, prepend=0)
    positive, negative = int(hits[-1]), int(len(truth) - hits[-1])
    nan = float("nan")
    area = float((misses * (hits - more / 2)).sum() / (positive * negative)) if positive and negative else nan
    return area, float((more * hits / (last + 1)).sum() / positive) if positive else nan


def ranked(truth: Flags, scores: Scores) -> tuple[Array, Array]:
    """Compute the AUROC and the average precision of every column: (K,) twice, for truth and scores (N, K).

    AUROC is the share of pairs in which the positive example has the higher score, equal ones counting half; NaN where
    there is no positive or no negative example. Average precision sums precision over the steps of recall, equal scores
    being one step; NaN without a positive example.
    """
    columns = np.ascontiguousarray(scores.T)
    areas = np.array([_areas(truth[:, k], columns[k]) for k in range(len(columns))])
    return areas[:, 0], areas[:, 1]


MOST = float(np.finfo(np.float32).max)


def log_odds(logits: Scores) -> NDArray[np.float32]:
    """Compute log(p / (1 - p)) of every class's probability: (N, C), comparable between examples, and never saturated.

    In float32, so that scores which are equal but for rounding are equal.
    """
    s = logits.astype(np.float64) - logits.max(1, keepdims=True)
    rows, top = np.arange(len(s)), s.argmax(1)
    powers = np.exp(s)
    powers[rows, top] = 0
    others = powers.sum(1)
    with np.errstate(divide="ignore", over="ignore"):
        odds = s - np.log1p(others - powers.T).T
        odds[rows, top] = -np.log(others)
    return np.asarray(np.clip(odds, -MOST, MOST), np.float32)


def r2(truth: Array, predicted: Array) -> float | None:
    """Compute 1 - squared error / variance of the truth (N,), at most 1; None where the truth is constant."""
    check_scores(predicted)
    spread = float(np.square(truth - truth.mean()).sum())
    return 1 - float(np.square(truth - predicted).sum()) / spread if (truth != truth[0]).any() else None


def spearman(truth: Array, predicted: Array) -> float | None:
    """Compute Spearman's correlation in -1..1; 0 where all predictions are equal, None where the truth is constant."""
    check_scores(predicted)
    ours, theirs = (mean_ranks(one) - (len(one) + 1) / 2 for one in (truth, predicted))
    norms = np.square(ours).sum() * np.square(theirs).sum()
    if not np.square(ours).sum():
        return None
    return float((ours * theirs).sum() / np.sqrt(norms)) if norms > 0 else 0.0
