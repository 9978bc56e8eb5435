"""Metrics by name: their words, range and direction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Units:
    """Units of a metric. Curves see scores in 0..1 of which more is better, people the metric's own values.

    The map is affine: the score 0 is the value `worst`, the score 1 is `best`.
    """

    worst: float = 0.0
    best: float = 1.0
    percent: bool = True
    """Whether values are printed in percent."""

    @property
    def lower(self) -> bool:
        """Whether less is better."""
        return self.best < self.worst

    @property
    def over(self) -> str:
        """Word for the side of better values: `over`, or `under` where less is better."""
        return "under" if self.lower else "over"

    @property
    def fall(self) -> str:
        """Word for getting worse: `fall`, or `rise` where less is better."""
        return "rise" if self.lower else "fall"

    @property
    def mark(self) -> str:
        """Text after a value: ` %`, or nothing."""
        return " %" if self.percent else ""

    @property
    def axis(self) -> str:
        """Text after the quantity of a heading or an axis: ` (%)`, or nothing."""
        return " (%)" if self.percent else ""

    @property
    def size(self) -> float:
        """Size of a score of 1, in printed numbers."""
        return abs(self.best - self.worst) * (100.0 if self.percent else 1.0)

    @property
    def digits(self) -> int:
        """Number of decimals that values are printed with: one in percent, else three digits of the range or more."""
        return 1 if self.percent else max(0, 3 - math.floor(math.log10(self.size)))

    def score(self, value: float) -> float:
        """Map a value to its score."""
        return (value - self.worst) / (self.best - self.worst)

    def value(self, score: float) -> float:
        """Map a score to its value: a share in 0..1 where values are printed in percent."""
        return self.worst + (self.best - self.worst) * score

    def change(self, difference: float) -> float:
        """Map a difference of scores to that of values: under 0 for a better score where less is better."""
        return (self.best - self.worst) * difference

    def ends(self, low: float | None, high: float | None) -> tuple[float | None, float | None]:
        """Map the ends of an interval of scores to the lower and the upper one of values."""
        ends = [None if end is None else self.value(end) for end in (low, high)]
        return (ends[1], ends[0]) if self.lower else (ends[0], ends[1])

    def changes(self, low: float | None, high: float | None) -> tuple[float | None, float | None]:
        """Map the ends of an interval of a difference of scores to those of the difference of values."""
        ends = [None if end is None else self.change(end) for end in (low, high)]
        return (ends[1], ends[0]) if self.lower else (ends[0], ends[1])

    def in_order(self, low: float, high: float) -> tuple[float, float]:
        """Two scores in the order of their values."""
        return (high, low) if self.lower else (low, high)

    def formula(self, text: str) -> str:
        """A formula of a score as that of the value."""
        if (self.worst, self.best) == (0.0, 1.0):
            return text
        return f"{self.worst:.6g} {'-' if self.lower else '+'} {abs(self.best - self.worst):.6g} ({text})"

    def shown(self, score: float) -> float:
        """The number that is printed for a score: a percentage, or the value itself."""
        return 100 * self.value(score) if self.percent else self.value(score)

    def text(self, score: float | None) -> str:
        """Print a score's value, without mark: `61.3`; empty for None."""
        return "" if score is None else f"{self.shown(score):.{self.digits}f}"

    def spread(self, deviation: float, digits: int | None = None) -> str:
        """Print the size of a difference of scores, without mark: `1.2`, with as many decimals as a value."""
        return f"{self.size * deviation:.{self.digits if digits is None else digits}f}"

    def points(self, deviation: float, more: int = 0) -> str:
        """Print the size of a difference of scores: `1.2 points`, or `0.012`; with `more` decimals than a value."""
        return f"{self.spread(deviation, self.digits + more)}{' points' if self.percent else ''}"

    def near(self, deviation: float) -> str:
        """Print the size of a round difference of scores: `2 points`, or `0.05`."""
        return f"{self.size * deviation:.3g}{' points' if self.percent else ''}"

    def short(self, score: float) -> str:
        """Print a score's value with up to six digits and its mark: `92.5 %`."""
        return f"{self.shown(score):g}{self.mark}"

    def exact(self, score: float) -> str:
        """Print a score's value with all its digits and its mark: `92.5 %`."""
        return f"{self.shown(score):.10g}{self.mark}"


SHARES = Units()
"""Units of accuracies: shares in 0..1, printed in percent."""


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
    worst: float = 0.0
    """Value of the worst result, inf where there is none; tables may have worse ones where it is `open`."""
    best: float = 1.0
    """Value of a perfect result."""
    percent: bool = True
    """Whether its values are shares, printed in percent."""
    open: bool = False
    """Whether values may be worse than `worst`."""
    chance: float | None = None
    """Value of guessing where that is the same for every task; None where it depends on the task."""

    @property
    def lower(self) -> bool:
        """Whether less is better."""
        return self.best < self.worst

    @property
    def of_pixels(self) -> bool:
        """Whether it is measured over pixels."""
        return any(self.name in GOALS[goal] for goal in DENSE)

    @property
    def one(self) -> str:
        """The name with its article: `an accuracy`."""
        spelt = self.words.startswith(("a", "e", "i", "o", "u", "AUROC", "F1", "FID", "R2", "RMSE"))
        return f"{'an' if spelt else 'a'} {self.words}"


def _within(factor: str) -> Metric:
    words = f"of depths within {factor}"
    meaning = f"pixels of the grid with max(p/g, g/p) < {factor}, p the predicted and g the true depth"
    return Metric(f"within_{factor}", f"share {words}", f"shares {words}", meaning)


def _loss(name: str, words: str, plural: str = "", meaning: str = "", best: float = 0.0) -> Metric:
    """A metric from `best` upwards of which less is better."""
    plural = plural or f"{words} values"
    return Metric(name, words, plural, meaning, share=False, worst=math.inf, best=best, percent=False, open=True)


def _signed(name: str, words: str, *, beyond: bool = False, worst: float = -1.0, chance: float | None = None) -> Metric:
    """A metric up to 1 that may be under 0."""
    return Metric(name, words, f"{words} values", share=False, worst=worst, percent=False, open=beyond, chance=chance)


UNSEEN = "unseen_accuracy"
"""Metric of tasks of stories beside those of their goal."""

_METRICS = (
    Metric("accuracy", "accuracy", "accuracies", of_examples=True),
    Metric(
        UNSEEN,
        "accuracy on unseen questions",
        "accuracies on unseen questions",
        "share answered correctly of the test questions that aren't, with the same story, among the n labelled ones",
    ),
    Metric(
        "balanced_accuracy",
        "balanced accuracy",
        "balanced accuracies",
        "share of a class's examples that is classified correctly, averaged over the classes of the test split",
    ),
    Metric(
        "auroc",
        "AUROC",
        "AUROC values",
        "area under the ROC curve of a class or label against the rest, averaged over those that occur",
        chance=0.5,
    ),
    Metric("map", "mAP", "mAP values", "average precision of a class or label, averaged over those that occur"),
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
    _loss("rmse", "RMSE", "RMSEs", "root mean square error of depths, in scene units"),
    _loss("mean_absolute_error", "mean absolute error", "mean absolute errors", "of depths, in scene units"),
    _signed("r2", "R2", beyond=True, worst=0.0, chance=0.0),
    _signed("spearman", "Spearman correlation", chance=0.0),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _METRICS}

GOALS: Mapping[str, tuple[str, ...]] = {
    "classes": ("accuracy",),
    "item_classes": ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "map"),
    "item_labels": ("map", "auroc"),
    "item_values": ("r2", "spearman"),
    "pixel_classes": ("pixel_accuracy", "mean_iou"),
    "depth": ("within_1.25", "within_1.1", "rmse", "mean_absolute_error"),
}
"""Metrics of every target type, the headline first; `labeleff.training.goals` computes them."""

DENSE = frozenset({"pixel_classes", "depth"})
"""Target types with a label per pixel."""

SINGLE = frozenset({"classes", "item_classes"})
"""Target types with one class per example, which every protocol works on."""

CALIBRATION = ("ece", "brier", "nll")
"""Metrics of predicted probabilities, which records have beside those of a goal where an example has one class."""

QUADRATIC = "quadratic_score"
"""Name of 1 - Brier score / 2: the Brier score as one in 0..1 of which more is better, derived where it is read.

Unlike the calibration error it is best for the true probabilities alone, so that labels can be counted against it: who
always predicts the shares of the classes has no calibration error.
"""

SCORE = Metric("score", "score", "scores")
"""Placeholder for the metrics of several tasks that aren't the same."""


def _share(name: str, words: str, plural: str = "", chance: float | None = None) -> Metric:
    """A metric in 0..1 of which more is better, whose sampling error the number of examples doesn't give."""
    return Metric(name, words, plural or f"{words} values", chance=chance)


def _error(name: str, words: str, plural: str, *, of_examples: bool = False, beyond: bool = False) -> Metric:
    """A share of which less is better; `beyond`: it may be over 1."""
    return Metric(name, words, plural, share=False, of_examples=of_examples, worst=1.0, best=0.0, open=beyond)


_PUBLISHED = (
    _error("error", "error", "errors", of_examples=True),
    _error("wer", "word error rate", "word error rates", beyond=True),
    _error("cer", "character error rate", "character error rates", beyond=True),
    _error("eer", "equal error rate", "equal error rates"),
    _error("ece", "calibration error", "calibration errors"),
    _loss("loss", "loss", "losses"),
    _loss("nll", "negative log-likelihood"),
    _loss("bpc", "number of bits per character", "numbers of bits per character"),
    _loss("brier", "Brier score", "Brier scores"),
    _loss("perplexity", "perplexity", "perplexities", best=1.0),
    _loss("mse", "mean square error", "mean square errors"),
    _loss("mape", "mean absolute percentage error", "mean absolute percentage errors"),
    _loss("fid", "FID", "FIDs"),
    _signed("kappa", "Cohen's kappa", chance=0.0),
    _signed("mcc", "Matthews correlation", chance=0.0),
    _signed("pearson", "Pearson correlation", chance=0.0),
    Metric(QUADRATIC, "quadratic score", "quadratic scores", "1 - Brier score / 2, of probabilities as predicted"),
    _share("average_precision", "average precision"),
    _share("f1", "F1", "F1 scores"),
    _share("dice", "Dice score", "Dice scores"),
    _share("iou", "IoU", "IoUs"),
    _share("balanced_accuracy", "balanced accuracy", "balanced accuracies"),
)
PUBLISHED: Mapping[str, Metric] = {**METRICS, **{metric.name: metric for metric in _PUBLISHED}}
"""Metrics of studies and of other people's tables, by name; `catalogue.metric_names` has what else they are called."""


def metric(name: str) -> Metric:
    """The metric called `name`; an unknown one is taken as a share of examples."""
    return PUBLISHED.get(name, Metric(name, name, f"{name} values", of_examples=True))
