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
    plural: str
    meaning: str = ""
    """One clause; empty where the name says it."""
    share: bool = True
    """In 0..1, and the more the better: labels can be counted against it."""
    of_examples: bool = False
    """A share of independent test examples, so that its sampling error follows from their number."""

    @property
    def one(self) -> str:
        """With its article: `an accuracy`."""
        return f"{'an' if self.words[:1] in tuple('aeiou') else 'a'} {self.words}"


def _within(factor: str) -> Metric:
    words = f"of depths within {factor}"
    meaning = f"pixels of the grid with max(p/g, g/p) < {factor}, p the predicted and g the true depth"
    return Metric(f"within_{factor}", f"share {words}", f"shares {words}", meaning)


_METRICS = (
    Metric("accuracy", "accuracy", "accuracies", of_examples=True),
    Metric(
        "pixel_accuracy", "pixel accuracy", "pixel accuracies", "pixels of the grid told right, background included"
    ),
    Metric(
        "mean_iou",
        "mean IoU",
        "mean IoUs",
        "intersection over union of the pixels of a class, averaged over classes that occur in truth or prediction",
    ),
    _within("1.25"),
    _within("1.1"),
    Metric("rmse", "RMSE", "RMSEs", "root mean square error of depths, in scene units", share=False),
    Metric(
        "mean_absolute_error",
        "mean absolute error",
        "mean absolute errors",
        "of depths, in scene units",
        share=False,
    ),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _METRICS}

GOALS: Mapping[str, tuple[str, ...]] = {
    "classes": ("accuracy",),
    "pixel_classes": ("pixel_accuracy", "mean_iou"),
    "depth": ("within_1.25", "within_1.1", "rmse", "mean_absolute_error"),
}
"""Metrics of every kind of task, the headline first; `labeleff.training.goals.classification` computes them."""

DENSE = frozenset({"pixel_classes", "depth"})
"""Goals with a label a pixel."""

SCORE = Metric("score", "score", "scores")
"""Stands for metrics of several tasks that aren't the same."""


def metric(name: str) -> Metric:
    """The metric called `name`; one that nobody knows is a share of examples under its own name."""
    return METRICS.get(name, Metric(name, name, f"{name} values", of_examples=True))
