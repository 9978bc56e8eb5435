"""Interface of goals: what a head predicts about an image, and how that is scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from labeleff.catalogue.metrics import DENSE, GOALS
from labeleff.errors import PluginError

Reduction = Literal["mean", "sum"]


class Goal(ABC):
    """A kind of target. Scores and targets below are of B images, of which P labels are counted."""

    name: ClassVar[str]
    """Name in the catalogue."""
    gathers: ClassVar[bool] = False
    """Whether a tally keeps every example's scores, for metrics that need their ranks."""

    @property
    def headline(self) -> str:
        """Name of the metric that a study reports on by default."""
        return GOALS[self.name][0]

    @property
    def dense(self) -> bool:
        """Whether every pixel has a label."""
        return self.name in DENSE

    @abstractmethod
    def outputs(self, classes: int) -> int:
        """Number of scores that a head gives for a task of `classes` classes."""

    @abstractmethod
    def loss(self, scores: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
        """Compute the loss as mean or sum over counted labels, differentiable; 0 where none is counted."""

    @abstractmethod
    def counted(self, target: Tensor) -> Tensor:
        """Mark the labels that count: bool, of the target's shape."""

    @abstractmethod
    def correct(self, scores: Tensor, target: Tensor) -> Tensor:
        """Count correct images, for learning curves; dense goals: the share of correct counted pixels, times B."""

    @abstractmethod
    def tally(self, scores: Tensor, target: Tensor) -> Tensor:
        """Sum up what `metrics` needs, or gather it in one row per example; `joined` makes one tally of several."""

    def joined(self, tallies: Sequence[Tensor]) -> Tensor:
        """Join tallies of blocks to that of all of them: their sum, or all their rows."""
        return torch.cat([*tallies]) if self.gathers else torch.stack([*tallies]).sum(0)

    def class_hits(self, tally: Tensor) -> list[int]:  # noqa: ARG002
        """Count the examples of each class that are classified correctly; empty where a goal doesn't tell."""
        return []

    def class_counts(self, labels: Tensor, classes: int) -> list[int]:  # noqa: ARG002
        """Count the examples of each of `classes`; empty where `class_hits` is."""
        return []

    def by_class(self, classes: int) -> Goal:  # noqa: ARG002
        """Return the goal that also measures all of `classes` alike; itself where it does that or can't."""
        return self

    def of_shares(self) -> Goal:
        """Return the goal of scores that are no logits, and that can be compared between examples as they are."""
        return self

    @abstractmethod
    def metrics(self, tally: Tensor) -> dict[str, float]:
        """Compute every metric of a split by name, the headline first, without those that have no value there.

        Raises PluginError where nothing was counted.
        """

    @abstractmethod
    def chance(self, labels: Tensor) -> float:
        """Compute the headline metric of the best constant answer on a split with these labels, in 0..1."""

    @abstractmethod
    def strata(self, labels: Tensor) -> Tensor:
        """Return the strata that draws are balanced over: int64 (N,)."""

    @abstractmethod
    def answers(self, target: Tensor) -> Tensor:
        """Return the counted labels of a target, one per row (P,): classes int64, depths float32 in scene units."""

    def maps(self, labels: Tensor) -> LabelMaps | None:  # noqa: ARG002
        """Return the labels as maps that follow their images; None where an image has one label."""
        return None

    def target(self, labels: Tensor) -> Tensor:
        """Return the targets of un-augmented images: labels (N,), or those of the grid (N, grid, grid)."""
        return labels

    def mirrored(self, labels: Tensor) -> Tensor:
        """Return the labels (N,) of mirrored images, where an image has one label."""
        return labels

    def start(self, labels: Tensor) -> float | None:  # noqa: ARG002
        """Compute a head's initial bias from the labels it will learn from; None leaves it random."""
        return None


@dataclass(frozen=True)
class LabelMaps:
    """One label per pixel: (N, S, S), of which grid x grid are used, and the label `empty` of padding.

    A grid cell has the label of the pixel at its centre: pixel `stride * r + stride // 2` of row r, where
    `stride = S / grid`.
    """

    maps: Tensor
    grid: int
    empty: int

    @property
    def centres(self) -> Tensor:
        """Rows (and columns) of the grid's pixels: int64 (grid,)."""
        stride = int(self.maps.shape[1]) // self.grid
        return torch.arange(self.grid) * stride + stride // 2

    @property
    def used(self) -> Tensor:
        """Labels on the grid, un-augmented: (N, grid, grid)."""
        return self.maps[:, self.centres][:, :, self.centres]


@dataclass(frozen=True)
class Dense(Goal):
    """One label per pixel, learned and scored on a grid of `grid` x `grid` cells, as in the paper (16 x 16)."""

    kind: ClassVar[torch.dtype]
    empty: ClassVar[int]
    grid: int = 16

    def maps(self, labels: Tensor) -> LabelMaps:
        """Check and return the maps (N, S, S).

        Raises PluginError for another type, or a side that isn't a multiple of `grid`.
        """
        if labels.dtype != self.kind or labels.ndim != 3 or labels.shape[1] != labels.shape[2]:
            found = f"{str(labels.dtype).removeprefix('torch.')} {tuple(labels.shape)}"
            expected = str(self.kind).removeprefix("torch.")
            raise PluginError(f"{self.name}: found labels {found}, expected square maps (N, S, S) of {expected}")
        if labels.shape[1] % self.grid:
            raise PluginError(
                f"{self.name}: found maps of {labels.shape[1]} pixels a side, expected a multiple of {self.grid}"
            )
        return LabelMaps(labels, self.grid, self.empty)

    def target(self, labels: Tensor) -> Tensor:
        """Return the labels of the grid (N, grid, grid)."""
        return self.maps(labels).used

    def strata(self, labels: Tensor) -> Tensor:
        """Return one stratum for all, so that draws are plain random."""
        return torch.zeros(len(labels), dtype=torch.int64, device=labels.device)

    def correct(self, scores: Tensor, target: Tensor) -> Tensor:
        """Compute the share of counted pixels predicted correctly, times B."""
        return self._hits(scores, target).sum() * len(target) / self.counted(target).sum().clamp(min=1)

    @abstractmethod
    def _hits(self, scores: Tensor, target: Tensor) -> Tensor:
        """Mark the counted pixels predicted correctly: bool, of the target's shape."""
