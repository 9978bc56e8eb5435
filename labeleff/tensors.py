"""The types that plug-ins speak. Images are uint8, NHWC, as they are stored; labels are int64."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor


@dataclass(frozen=True)
class Examples:
    """Labelled images: `images` uint8 (N, H, W, 3) in 0..255, `labels` int64 (N,) in 0..classes-1."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return int(self.labels.shape[0])


@dataclass(frozen=True)
class Task:
    """A data set with its splits. Only the runner sees `test`; pretexts see `train.images` alone."""

    name: str
    train: Examples
    test: Examples
    classes: tuple[str, ...]
    provenance: str
    """Where the images came from, in words for the report, e.g. `generated` or `official archive`."""

    @property
    def chance(self) -> float:
        """Accuracy of always giving the commonest class of the test split, in 0..1."""
        return int(torch.bincount(self.test.labels).max()) / len(self.test)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over shapes and bytes of the four arrays."""
        digest = hashlib.sha256()
        for array in (self.train.images, self.train.labels, self.test.images, self.test.labels):
            digest.update(str(tuple(array.shape)).encode())
            digest.update(array.contiguous().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Source:
    """Where data plug-ins keep and find files.

    `folder` is the data directory (created when needed); with `offline` nothing may touch the network;
    `progress(done, total, what)` is called with bytes or items done while something long goes on.
    """

    folder: Path
    offline: bool = False
    progress: Callable[[int, int, str], None] = lambda *_: None
