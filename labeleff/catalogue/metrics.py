"""Metrics by name: their words, range and direction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One metric of a test split."""

    name: str
    """Name in records."""
    words: str
    """Name in texts, singular."""
    plural: str
    """Name in texts, plural."""
    meaning: str = ""
    """Definition in one clause; empty where the name says it."""
    share: bool = True
    """Whether it lies in 0..1 and higher is better, so that labels can be counted against it."""
    of_examples: bool = False
    """Whether it is a share of independent test examples, so that its sampling error follows from their number."""

    @property
    def one(self) -> str:
        """The name with its article: `an accuracy`."""
        return f"{'an' if self.words[:1] in tuple('aeiou') else 'a'} {self.words}"


def _within(factor: str) -> Metric:
    words = f"of depths within {factor}"
    meaning = f"pixels of the grid with max(p/g, g/p) < {factor}, p the predicted and g the true depth"
    return Metric(f"within_{factor}", f"share {words}", f"shares {words}", meaning)


_METRICS = (
    Metric("accuracy", "accuracy", "accuracies", of_examples=True),
    Metric(
        "balanced_accuracy",
        "balanced accuracy",
        "balanced accuracies",
        "share of a class's examples that is classified correctly, averaged over the classes of the test split",
    ),
    Metric("macro_f1", "macro-F1", "macro-F1 values", "F1 of a class, averaged over classes in truth or prediction"),
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
    "item_classes": ("accuracy", "balanced_accuracy", "macro_f1"),
    "pixel_classes": ("pixel_accuracy", "mean_iou"),
    "depth": ("within_1.25", "within_1.1", "rmse", "mean_absolute_error"),
}
"""Metrics of every target type, the headline first; `labeleff.training.goals` computes them."""

DENSE = frozenset({"pixel_classes", "depth"})
"""Target types with a label per pixel."""

SCORE = Metric("score", "score", "scores")
"""Placeholder for the metrics of several tasks that aren't the same."""


def metric(name: str) -> Metric:
    """The metric called `name`; an unknown one is taken as a share of examples."""
    return METRICS.get(name, Metric(name, name, f"{name} values", of_examples=True))
