"""K networks of any kind by `torch.vmap`: their weights and buffers are stacked, and one call computes all.

Batch-norm works since its statistics are stacked too. What takes numbers from torch's shared generator doesn't: a
slot's numbers are to depend on its own seed (see `dropout`), so it is refused.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from labeleff.packing.grouped import Packing


class Stacked:
    """A pack in this layout; see `packs.Pack`."""

    packing: Packing = "vmap"

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self.slots = len(models)
        self._network = copy.deepcopy(models[0])
        parameters, self._buffers = stack_module_state(list(models))
        self._parameters: dict[str, Tensor] = parameters
        self.views = {name: tensor.detach() for name, tensor in (parameters | self._buffers).items()}
        self.leaves: dict[str, Tensor] = {name: p for name, p in self._parameters.items() if p.requires_grad}

    def outputs(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """What every slot's model gives for its images (K, B, ...), K in front."""

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor) -> Tensor:
            return cast(Tensor, functional_call(self._network, (parameters, buffers), (images,)))

        return torch.vmap(one, randomness="error")(self._parameters, self._buffers, images)
