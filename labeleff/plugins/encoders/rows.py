"""Encoder of items whose features are in a file: it looks rows up and has no weights."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from labeleff.errors import StudyError
from labeleff.files import forget
from labeleff.plugins.encoders.interface import Encoder
from labeleff.training.examples import StoredFeatures, Task


class StoredRows(Encoder):
    """Look up the stored features of items: positions int64 (N, 1) to features float32 (N, dim)."""

    packing = "loop"

    def __init__(self, stored: StoredFeatures) -> None:
        super().__init__()
        self.dim, self._stored = int(stored.features.shape[1]), stored

    def forward(self, images: Tensor) -> Tensor:
        """Read the rows of a block of items, which become float32 here and not before."""
        rows = self._stored.rows[images[:, 0].cpu().numpy()]
        block = np.asarray(self._stored.features[rows], dtype=np.float32)
        forget(self._stored.features)  # else the whole file would count as this process's memory
        return torch.from_numpy(block).to(images.device)


def stored_rows(task: Task, name: str) -> StoredRows:
    """Build the encoder that looks up one file's rows; raises StudyError where the task has no file of this name."""
    features = task.features or {}
    if name not in features:
        raise StudyError(
            f"embedding {name!r}: {task.name} has {', '.join(features) or 'no files'}; expected one of them"
        )
    return StoredRows(features[name])
