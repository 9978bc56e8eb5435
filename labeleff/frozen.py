"""What frozen protocols get: the features of labelled examples, encoded once for all sets of labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import nn

from labeleff.device import Compute
from labeleff.goal import Dense
from labeleff.ladder import Indices
from labeleff.protocols import Labelled, LabelledFeatures
from labeleff.scoring import grid_features, predict

LARGEST = 2**28
"""Most numbers in the features of sets that are solved in one go; a set alone may have more."""


class EncodedLabels:
    """All labelled examples of some sets, encoded by one frozen model, from which each set's problem is picked.

    `model` gives features (B, dim), or where the goal is dense a map (B, dim, h, w). `union` are sorted positions in
    the training split that hold every set, `labelled` gives the examples at such positions.
    """

    def __init__(
        self, model: nn.Module, labelled: Callable[[Indices], Labelled], union: Indices, compute: Compute
    ) -> None:
        self._data = labelled(union)
        self._union, self._device = union, compute.device
        self._outputs = predict(model, self._data.on(compute.device).resident, compute)

    def problem(self, indices: Indices, seed: int = 0) -> LabelledFeatures:
        """The features and labels of one set: a row an image or, where the goal is dense, a counted grid cell."""
        positions = torch.from_numpy(np.searchsorted(self._union, indices))
        goal, features = self._data.goal, self._outputs[positions.to(self._device)]
        target = goal.target(self._data.examples.labels[positions]).to(self._device)
        if isinstance(goal, Dense):
            features = grid_features(features, goal)[goal.counted(target)]
        return LabelledFeatures(features, goal.answers(target), self._data.outputs, goal, seed)

    def packs(self, sets: Sequence[Indices]) -> Iterator[list[Indices]]:
        """The sets in order, as many together as memory should hold at once."""
        goal, size = self._data.goal, 0
        pack: list[Indices] = []
        cells = goal.grid**2 if isinstance(goal, Dense) else 1
        for indices in sets:
            numbers = len(indices) * cells * int(self._outputs.shape[1])
            if pack and size + numbers > LARGEST:
                yield pack
                pack, size = [], 0
            pack.append(indices)
            size += numbers
        yield pack
