"""Classification goal: one class per image.

The task is that of Newell & Deng (CVPR 2020). Where their code and the text differ, or the code is wrong, the class
below says what is done here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.errors import PluginError
from labeleff.training.goals.interface import Goal, Reduction

UNKNOWN = -1
"""Label of a test example whose class no training example has: whatever is predicted is wrong, and has no loss."""


def _some(count: float) -> float:
    """Return the count; raises PluginError where it is 0."""
    if not count:
        raise PluginError("no label of the split is counted: every pixel of its maps is marked as without one")
    return count


@dataclass(frozen=True)
class Classes(Goal):
    """One class per image; labels int64 (N,), scores (B, classes).

    Where a mirrored image has another class, as poses do, `mirror` gives it for every class, e.g. (0, 3, 2, 1, 4). The
    paper's code mirrors images and leaves the poses' labels as they were.
    """

    name = "classes"
    mirror: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.mirror is not None and [self.mirror[c] for c in self.mirror] != list(range(len(self.mirror))):
            raise PluginError(f"mirror: found {self.mirror}, expected classes that mirroring twice brings back")

    def outputs(self, classes: int) -> int:
        """Number of scores: one per class."""
        return classes

    def loss(self, scores: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
        """Compute the cross-entropy of scores (B, classes) with classes (B,), without those that are UNKNOWN."""
        return F.cross_entropy(scores, target, reduction=reduction, ignore_index=UNKNOWN)

    def counted(self, target: Tensor) -> Tensor:
        """Count every class that has a score."""
        return target != UNKNOWN

    def correct(self, scores: Tensor, target: Tensor) -> Tensor:
        """Count the images whose class has the highest score."""
        return (scores.argmax(1) == target).sum()

    def tally(self, scores: Tensor, target: Tensor) -> Tensor:
        """Count correct images and all images: int64 (2,)."""
        return torch.stack((self.correct(scores, target), torch.tensor(len(target), device=target.device)))

    def metrics(self, tally: Tensor) -> dict[str, float]:
        """Compute `accuracy`, the share of images classified correctly."""
        correct, count = tally.tolist()
        return {"accuracy": correct / _some(count)}

    def chance(self, labels: Tensor) -> float:
        """Compute the share of the commonest class."""
        return int(torch.bincount(labels).max()) / len(labels)

    def strata(self, labels: Tensor) -> Tensor:
        """Use the classes as strata."""
        return labels

    def answers(self, target: Tensor) -> Tensor:
        """Return the classes (P,)."""
        return target

    def mirrored(self, labels: Tensor) -> Tensor:
        """Return the labels of mirrored images."""
        return labels if self.mirror is None else torch.tensor(self.mirror, device=labels.device)[labels]

    def by_class(self, classes: int) -> Classes:
        """Return the goal that also measures balanced accuracy."""
        return ClassesAlike(self.mirror, classes)


@dataclass(frozen=True)
class ClassesAlike(Classes):
    """One class per image of `classes`, with balanced accuracy beside accuracy."""

    classes: int = 0

    def tally(self, scores: Tensor, target: Tensor) -> Tensor:
        """Count correct images and all images of each class: int64 (2, classes)."""
        hits = target[scores.argmax(1) == target]
        return torch.stack([torch.bincount(of, minlength=self.classes) for of in (hits, target)])

    def metrics(self, tally: Tensor) -> dict[str, float]:
        """Compute `accuracy`, and `balanced_accuracy`, the mean over classes that occur of the share that is right."""
        correct, counts = tally.double()
        seen = counts > 0
        balanced = float((correct[seen] / counts[seen]).mean()) if bool(seen.any()) else 0.0
        return {"accuracy": float(correct.sum()) / _some(float(counts.sum())), "balanced_accuracy": balanced}


CLASSES = Classes()
"""The usual goal."""


def ranks(labels: Tensor) -> Tensor:
    """Number the labels (n,) of each class from 1 on, in their order: int64 (n,)."""
    same = F.one_hot(labels)
    return (same.cumsum(0) * same).sum(1)
