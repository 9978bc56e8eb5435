"""A goal: what a head learns to say about an image, and how that is scored. `goals` has the three kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from labeleff.catalogue.metrics import DENSE, GOALS
from labeleff.errors import PluginError

Reduction = Literal["mean", "sum"]


class Goal(ABC):
    """One kind of answer. Scores and targets below are of B images; P stands for what is counted among them."""

    name: ClassVar[str]
    """Its name in the catalogue."""

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
        """The loss as mean or sum over what is counted, differentiable; 0 where nothing is."""

    @abstractmethod
    def counted(self, target: Tensor) -> Tensor:
        """Which labels count: bool, of the target's shape."""

    @abstractmethod
    def correct(self, scores: Tensor, target: Tensor) -> Tensor:
        """Number of images answered correctly, for learning curves; dense: the share of counted pixels, times B."""

    @abstractmethod
    def tally(self, scores: Tensor, target: Tensor) -> Tensor:
        """What `metrics` needs to know of some images; tallies of blocks add up to that of the whole split."""

    @abstractmethod
    def metrics(self, tally: Tensor) -> dict[str, float]:
        """Every metric of a split by name, the headline first; raises PluginError where nothing was counted."""

    @abstractmethod
    def chance(self, labels: Tensor) -> float:
        """The headline metric of the best constant answer on a split with these labels, in 0..1."""

    @abstractmethod
    def strata(self, labels: Tensor) -> Tensor:
        """What stratified draws are balanced over: int64 (N,)."""

    @abstractmethod
    def answers(self, target: Tensor) -> Tensor:
        """What is counted of a target, one answer a row (P,): classes int64, depths float32 in scene units."""

    def maps(self, labels: Tensor) -> LabelMaps | None:  # noqa: ARG002
        """The labels as maps that follow their images; None where an image has one label."""
        return None

    def target(self, labels: Tensor) -> Tensor:
        """What a head should say about images as they are: labels (N,), or those of the grid (N, grid, grid)."""
        return labels

    def mirrored(self, labels: Tensor) -> Tensor:
        """The labels (N,) of mirrored images, where an image has one label."""
        return labels

    def start(self, labels: Tensor) -> float | None:  # noqa: ARG002
        """Where a head's bias starts, given the labels it will learn from; None leaves it random."""
        return None


@dataclass(frozen=True)
class LabelMaps:
    """A label a pixel: (N, S, S), of which grid x grid are used, and the label `empty` of padding.

    The label of a grid cell is that of the pixel at its centre: pixel `stride * r + stride // 2` of row r, where
    `stride = S / grid`.
    """

    maps: Tensor
    grid: int
    empty: int

    @property
    def centres(self) -> Tensor:
        """Rows (and columns) of the pixels used: int64 (grid,)."""
        stride = int(self.maps.shape[1]) // self.grid
        return torch.arange(self.grid) * stride + stride // 2

    @property
    def used(self) -> Tensor:
        """The labels on the grid, un-augmented: (N, grid, grid)."""
        return self.maps[:, self.centres][:, :, self.centres]


@dataclass(frozen=True)
class Dense(Goal):
    """A label a pixel, learned and scored on a grid of `grid` x `grid` cells, as in the paper (16 x 16)."""

    kind: ClassVar[torch.dtype]
    empty: ClassVar[int]
    grid: int = 16

    def maps(self, labels: Tensor) -> LabelMaps:
        """The maps (N, S, S), checked: raises PluginError for another type, or a side that isn't a multiple of grid."""
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
        """The labels of the grid."""
        return self.maps(labels).used

    def strata(self, labels: Tensor) -> Tensor:
        """One stratum: draws are plain random."""
        return torch.zeros(len(labels), dtype=torch.int64, device=labels.device)

    def correct(self, scores: Tensor, target: Tensor) -> Tensor:
        """The share of counted pixels predicted correctly, times B."""
        return self._hits(scores, target).sum() * len(target) / self.counted(target).sum().clamp(min=1)

    @abstractmethod
    def _hits(self, scores: Tensor, target: Tensor) -> Tensor:
        """Counted pixels predicted correctly: bool, of the target's shape."""
