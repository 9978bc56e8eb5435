"""The kinds of goals: a class an image, a class a pixel, a depth a pixel.

The tasks are those of Newell & Deng (CVPR 2020). Where their code and the text differ, or the code is wrong, the
classes below say what is done here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.errors import PluginError
from labeleff.goal import Dense, Goal, Reduction

NOT_COUNTED = 255
"""Label of a pixel that is neither trained on nor scored, in maps of classes."""
UNIT = 2e-4
"""Scene units a step of a depth map."""


def _some(count: float) -> float:
    """The count, checked."""
    if not count:
        raise PluginError("no label of the split is counted: every pixel of its maps is marked as without one")
    return count


@dataclass(frozen=True)
class Classes(Goal):
    """One class an image; labels int64 (N,), scores (B, classes).

    Where a mirrored image has another class, as poses do, `mirror` gives it for every class, e.g. (0, 3, 2, 1, 4). The
    paper's code mirrors images and leaves the poses' labels as they were.
    """

    name = "classes"
    mirror: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.mirror is not None and [self.mirror[c] for c in self.mirror] != list(range(len(self.mirror))):
            raise PluginError(f"mirror: found {self.mirror}, expected classes that mirroring twice brings back")

    def outputs(self, classes: int) -> int:
        """One score a class."""
        return classes

    def loss(self, scores: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
        """Cross-entropy."""
        return F.cross_entropy(scores, target, reduction=reduction)

    def counted(self, target: Tensor) -> Tensor:
        """All of them."""
        return torch.ones_like(target, dtype=torch.bool)

    def correct(self, scores: Tensor, target: Tensor) -> Tensor:
        """Images whose class has the highest score."""
        return (scores.argmax(1) == target).sum()

    def tally(self, scores: Tensor, target: Tensor) -> Tensor:
        """Numbers of correct images and of all: int64 (2,)."""
        return torch.stack((self.correct(scores, target), torch.tensor(len(target), device=target.device)))

    def metrics(self, tally: Tensor) -> dict[str, float]:
        """`accuracy`: share of images classified correctly."""
        correct, count = tally.tolist()
        return {"accuracy": correct / _some(count)}

    def chance(self, labels: Tensor) -> float:
        """Share of the commonest class."""
        return int(torch.bincount(labels).max()) / len(labels)

    def strata(self, labels: Tensor) -> Tensor:
        """The classes."""
        return labels

    def answers(self, target: Tensor) -> Tensor:
        """The classes."""
        return target

    def mirrored(self, labels: Tensor) -> Tensor:
        """The labels of mirrored images."""
        return labels if self.mirror is None else torch.tensor(self.mirror, device=labels.device)[labels]


CLASSES = Classes()
"""The usual goal."""


@dataclass(frozen=True)
class PixelClasses(Dense):
    """A class a pixel (segmentation): uint8 maps, 0 the background and 255 not counted, scores (B, classes, G, G).

    The loss is unweighted and the background is a class like others. The paper reports pixel accuracy alone.
    """

    name = "pixel_classes"
    kind = torch.uint8
    empty = NOT_COUNTED

    def outputs(self, classes: int) -> int:
        """One score a class, background included."""
        return classes

    def counted(self, target: Tensor) -> Tensor:
        """Pixels that have a class."""
        return target != NOT_COUNTED

    def loss(self, scores: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
        """Cross-entropy a counted pixel."""
        total = F.cross_entropy(scores, target.to(torch.int64), ignore_index=NOT_COUNTED, reduction="sum")
        return total if reduction == "sum" else total / self.counted(target).sum().clamp(min=1)

    def _hits(self, scores: Tensor, target: Tensor) -> Tensor:
        return scores.argmax(1) == target

    def tally(self, scores: Tensor, target: Tensor) -> Tensor:
        """Confusion matrix: rows are labels, columns predictions, int64 (classes, classes)."""
        classes, kept = scores.shape[1], self.counted(target)
        pairs = target[kept].to(torch.int64) * classes + scores.argmax(1)[kept]
        return torch.bincount(pairs, minlength=classes**2).view(classes, classes)

    def metrics(self, tally: Tensor) -> dict[str, float]:
        """`pixel_accuracy`, and `mean_iou` over the classes that occur in truth or prediction."""
        correct = tally.diagonal().double()
        union = tally.sum(0) + tally.sum(1) - correct
        seen = union > 0
        accuracy = float(correct.sum()) / _some(int(tally.sum()))
        return {"pixel_accuracy": accuracy, "mean_iou": float((correct[seen] / union[seen]).mean())}

    def chance(self, labels: Tensor) -> float:
        """Share of the commonest class among the counted pixels of the grid."""
        counts = torch.bincount(self.answers(self.target(labels)))
        return int(counts.max()) / _some(int(counts.sum())) if len(counts) else _some(0)

    def answers(self, target: Tensor) -> Tensor:
        """Classes of the counted pixels."""
        return target[self.counted(target)].to(torch.int64)


@dataclass(frozen=True)
class Depth(Dense):
    """A depth a pixel: int16 maps in steps of 2e-4 scene units, 0 or less not counted, scores (B, 1, G, G).

    A pixel is correct where max(p / g, g / p) < 1.25. In the paper's code negative predictions always are; here a
    prediction that isn't a positive, finite number never is. There a pixel without depth gets the batch's largest
    one; here it isn't counted.
    """

    name = "depth"
    kind = torch.int16
    empty = 0

    def outputs(self, classes: int) -> int:  # noqa: ARG002
        """The depth, in scene units."""
        return 1

    def counted(self, target: Tensor) -> Tensor:
        """Pixels that have a depth."""
        return target > 0

    def loss(self, scores: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
        """Absolute error in scene units, a counted pixel (L1)."""
        kept = self.counted(target)
        error = torch.where(kept, scores[:, 0] - target * UNIT, 0.0).abs().sum()
        return error if reduction == "sum" else error / kept.sum().clamp(min=1)

    def _within(self, scores: Tensor, target: Tensor, factor: float) -> Tensor:
        truth, said = target.double() * UNIT, scores[:, 0].double()
        near = (said < factor * truth) & (truth < factor * said)
        return near & self.counted(target)

    def _hits(self, scores: Tensor, target: Tensor) -> Tensor:
        return self._within(scores, target, 1.25)

    def tally(self, scores: Tensor, target: Tensor) -> Tensor:
        """Pixels counted, within 1.25, within 1.1, sums of squared and absolute errors: float64 (5,)."""
        kept = self.counted(target)
        error = scores[:, 0][kept].double() - target[kept].double() * UNIT
        within = [self._within(scores, target, factor).sum() for factor in (1.25, 1.1)]
        sums = (kept.sum(), *within, error.square().sum(), error.abs().sum())
        return torch.stack([one.double() for one in sums])

    def metrics(self, tally: Tensor) -> dict[str, float]:
        """Shares of counted pixels within a factor, and errors in scene units."""
        count, within, closer, squares, errors = tally.tolist()
        count = _some(count)
        return {
            "within_1.25": within / count,
            "within_1.1": closer / count,
            "rmse": (squares / count) ** 0.5,
            "mean_absolute_error": errors / count,
        }

    def chance(self, labels: Tensor) -> float:
        """The largest share of counted pixels of the grid that one depth c is correct for, exactly.

        c is correct for the depths between c / 1.25 and 1.25 c, so for a set of them if and only if the greatest is
        under 25 / 16 of the least.
        """
        used = self.target(labels)
        steps = used[self.counted(used)].to(torch.int64)
        upto = torch.bincount(steps, minlength=1).cumsum(0)
        least = torch.arange(1, len(upto))
        greatest = torch.clamp((25 * least - 1) // 16, max=len(upto) - 1)
        return int((upto[greatest] - upto[least - 1]).max()) / _some(len(steps)) if len(steps) else _some(0)

    def answers(self, target: Tensor) -> Tensor:
        """Depths of the counted pixels in scene units."""
        return target[self.counted(target)].to(torch.float32) * UNIT

    def start(self, labels: Tensor) -> float:
        """The median of the labelled depths of the grid, so that training doesn't begin with learning their scale."""
        depths = self.answers(self.target(labels))
        _some(len(depths))
        return float(depths.median())
