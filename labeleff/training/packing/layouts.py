"""Layouts of K models as one: side by side on the channel axis, or under `vmap`.

Batch-norm works since its statistics are stacked too. Layers that draw from torch's shared generator are refused, as a
slot's numbers must depend on its own seed (see `hashed_random`).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from labeleff.training.packing.grouped import Grouped, Packing, groupable
from labeleff.training.slots import BatchObjective, Slot


class Stacked:
    """A pack with stacked weights, computed under `vmap`; see `Pack`."""

    packing: Packing = "vmap"

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self.slots = len(models)
        self._network = copy.deepcopy(models[0])
        parameters, self._buffers = stack_module_state(list(models))
        self._parameters: dict[str, Tensor] = parameters
        self.views = {name: tensor.detach() for name, tensor in (parameters | self._buffers).items()}
        self.leaves: dict[str, Tensor] = {name: p for name, p in self._parameters.items() if p.requires_grad}

    def outputs(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Compute every slot's outputs for its images (K, B, ...), K in front."""

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor) -> Tensor:
            return cast(Tensor, functional_call(self._network, (parameters, buffers), (images,)))

        return torch.vmap(one, randomness="error")(self._parameters, self._buffers, images)


class Pack(Protocol):
    """K models of one shape that are computed together."""

    packing: Packing
    slots: int
    views: dict[str, Tensor]
    """Weights and buffers by their name in a slot's model, with a leading axis K; they share memory with the pack."""
    leaves: dict[str, Tensor]
    """Trainable tensors, by which gradients are taken, by name."""

    def outputs(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Compute every slot's outputs for its images (K, B, ...), K in front."""
        ...


def packing_of(model: nn.Module) -> Packing:
    """Choose how copies of a model are computed as one; `loop` where they can't be."""
    if any(getattr(module, "packing", None) == "loop" for module in model.modules()):
        return "loop"
    return "grouped" if groupable(model) else "vmap"


def packable(slots: Sequence[Slot]) -> bool:
    """Whether slots can be trained as one: their models are alike and they share one objective."""
    first = slots[0]
    return (
        isinstance(first.objective, BatchObjective)
        and all(slot.objective == first.objective for slot in slots)
        and packing_of(first.model) != "loop"
        and all(_shape(slot.model) == _shape(first.model) for slot in slots)
    )


def _shape(model: nn.Module) -> list[tuple[str, torch.Size, bool]]:
    state = [*model.named_parameters(), *model.named_buffers()]
    return [(name, tensor.shape, tensor.requires_grad) for name, tensor in state]


def pack(models: Sequence[nn.Module], packing: Packing) -> Pack:
    """Pack copies of the models as one; each model's own weights stay where they are."""
    return Grouped(models) if packing == "grouped" else Stacked(models)


def put(into: Pack, slot: int, model: nn.Module) -> None:
    """Copy a model's weights and buffers to the slot numbered `slot`."""
    for name, tensor in _state(model):
        if name in into.views:
            into.views[name][slot].copy_(tensor.detach())


def take(outof: Pack, slot: int, model: nn.Module) -> None:
    """Copy the weights and buffers of the slot numbered `slot` to a model."""
    with torch.no_grad():
        for name, tensor in _state(model):
            if name in outof.views:
                tensor.copy_(outof.views[name][slot])


def _state(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]
