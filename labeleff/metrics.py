"""The metrics that records hold, by name: how people read them, and what may be said about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One metric of a test split."""

    name: str
    """As records have it."""
    words: str
    """As people read it."""
    share: bool = True
    """In 0..1, and the more the better: labels can be counted against it."""
    of_examples: bool = False
    """A share of independent test examples, so that its sampling error follows from their number."""


_METRICS = (
    Metric("accuracy", "accuracy", of_examples=True),
    Metric("pixel_accuracy", "pixel accuracy"),
    Metric("mean_iou", "mean IoU"),
    Metric("within_1.25", "share of depths within 1.25"),
    Metric("within_1.1", "share of depths within 1.1"),
    Metric("rmse", "root mean square error", share=False),
    Metric("mean_absolute_error", "mean absolute error", share=False),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _METRICS}

GOALS: Mapping[str, tuple[str, ...]] = {
    "classes": ("accuracy",),
    "pixel_classes": ("pixel_accuracy", "mean_iou"),
    "depth": ("within_1.25", "within_1.1", "rmse", "mean_absolute_error"),
}
"""Metrics of every kind of task, the headline first; `labeleff.goals` computes them."""

DENSE = frozenset({"pixel_classes", "depth"})
"""Goals with a label a pixel."""


def metric(name: str) -> Metric:
    """The metric called `name`; one that nobody knows is a share of examples under its own name."""
    return METRICS.get(name, Metric(name, name, of_examples=True))
