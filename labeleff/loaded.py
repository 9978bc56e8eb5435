"""A task in this process, and what is worked out from it once."""

from __future__ import annotations

import functools

import numpy as np
import torch

from labeleff.labelled import LabelledExamples
from labeleff.pipeline import Normalisation
from labeleff.protocols import Labelled
from labeleff.tensors import Examples, Task


class LoadedTask:
    """A task in this process, and what is worked out from it once."""

    def __init__(self, task: Task, device: torch.device) -> None:
        self.task = task
        self._device = device

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the task's arrays."""
        return self.task.fingerprint

    @functools.cached_property
    def normalisation(self) -> Normalisation | None:
        """Channel statistics of the training images; labels play no part. None for stories."""
        return Normalisation.of(self.task.train.inputs) if self.task.text is None else None

    @functools.cached_property
    def test_examples(self) -> LabelledExamples:
        """The test images or stories on the device, with their labels."""
        return LabelledExamples(self.task.test, self.task.goal, self.normalisation, self._device)

    def labelled(self, indices: np.ndarray, others: bool = False) -> Labelled:
        """Exactly these training examples with their labels; with `others` also the rest of them, without."""
        chosen, train = torch.from_numpy(indices), self.task.train
        examples = Examples(train.inputs[chosen], train.labels[chosen])
        rest = torch.ones(len(train), dtype=torch.bool)
        rest[chosen] = False
        unlabelled = train.inputs[rest] if others else None
        return Labelled(examples, self.task.outputs, self.normalisation, self.task.goal, unlabelled)
