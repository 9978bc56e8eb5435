"""K networks as one that is K times as wide.

Slot k has the channels from k C to (k + 1) C of every map. Convolutions become grouped ones, batch-norm
goes over K C channels, linear layers become K products in one call, and channelwise layers stay as they are. Every
weight and statistic of the wide network holds those of the K slots along its first axis, so packing is exact.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from labeleff.training.kernels.convolutions import PointwiseConv2d, SmallDepthwiseConv2d
from labeleff.training.kernels.normalising import UncountedBatchNorm2d

Packing = Literal["loop", "grouped", "vmap"]
"""Way of computing models as one; `loop` computes each by itself."""

CONVOLUTIONS = (nn.Conv2d, PointwiseConv2d, SmallDepthwiseConv2d)
NORMS = (nn.BatchNorm2d, UncountedBatchNorm2d)
CHANNELWISE = (nn.ReLU, nn.ReLU6, nn.CELU, nn.Identity, nn.MaxPool2d)


class GroupedLinear(nn.Linear):
    """K linear layers side by side: (..., K C) to (..., K D), weights (K D, C)."""

    slots: int

    def forward(self, input: Tensor) -> Tensor:
        """Pass each slot's channels through its own layer."""
        rows = input.reshape(-1, self.slots, input.shape[-1] // self.slots).transpose(0, 1)
        product = torch.bmm(rows, self.weight.view(self.slots, -1, self.weight.shape[1]).mT)
        if self.bias is not None:
            product = product + self.bias.view(self.slots, 1, -1)
        return product.transpose(0, 1).reshape(*input.shape[:-1], -1)


def _is_leaf(layer: nn.Module) -> bool:
    """Whether a layer can be made K times as wide."""
    if type(layer) in CONVOLUTIONS:
        return bool(layer.padding_mode == "zeros")
    if type(layer) in NORMS:
        return bool(layer.track_running_stats and layer.affine and layer.momentum is not None)
    return type(layer) in (nn.Linear, *CHANNELWISE)


def groupable(model: nn.Module) -> bool:
    """Whether a model can be packed side by side: it declares so (`packing`), and all of its layers are supported.

    A network that declares so leaves its channels to its layers; `nn.Sequential` does.
    """
    if _is_leaf(model):
        return True
    if getattr(model, "packing", None) == "grouped":
        inside = list(model.modules())
        owners = [m for m in inside if any(True for _ in m.parameters(recurse=False))]
        alike = all(getattr(m, "packing", "grouped") == "grouped" for m in inside)
        return alike and all(map(_is_leaf, owners)) and not any(isinstance(m, nn.Dropout) for m in inside)
    return isinstance(model, nn.Sequential) and all(map(groupable, model))


def _concatenate(layers: Sequence[Any], name: str) -> Any:
    """Concatenate the tensors `name` of K layers, as a parameter where they are parameters."""
    parts = [getattr(layer, name) for layer in layers]
    if parts[0] is None:
        return None
    whole = torch.cat([part.detach() for part in parts])
    if whole.ndim == 4 and parts[0].is_contiguous(memory_format=torch.channels_last):
        whole = whole.contiguous(memory_format=torch.channels_last)
    return nn.Parameter(whole, parts[0].requires_grad) if isinstance(parts[0], nn.Parameter) else whole


def _widen(layer: Any, layers: Sequence[Any]) -> None:
    """Turn a copy of a slot's layer in place into the layer of all K slots, so that references to it stay valid."""
    slots = len(layers)
    names = ("weight", "bias", "running_mean", "running_var") if type(layer) in NORMS else ("weight", "bias")
    for name in names:
        setattr(layer, name, _concatenate(layers, name))
    if type(layer) in CONVOLUTIONS:
        layer.__class__ = nn.Conv2d
        layer.groups, layer.in_channels, layer.out_channels = (
            slots * size for size in (layer.groups, layer.in_channels, layer.out_channels)
        )
    elif type(layer) in NORMS:
        layer.__class__ = UncountedBatchNorm2d
        layer.num_features *= slots
    else:
        layer.__class__ = GroupedLinear
        layer.slots = slots


def widen_models(models: Sequence[nn.Module]) -> nn.Module:
    """Build one network of all K models, in the mode of the first; the models stay as they are."""
    wide = copy.deepcopy(models[0])
    for name, layer in wide.named_modules():
        if isinstance(layer, nn.ReLU6):
            layer.inplace = False  # else its backward pass needs a copy of its input
        elif _is_leaf(layer) and type(layer) not in CHANNELWISE:
            _widen(layer, [model.get_submodule(name) for model in models])
    return wide


class Grouped:
    """A pack with slots side by side on the channel axis; see `layouts.Pack`."""

    packing: Packing = "grouped"

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self.slots = len(models)
        self.network = widen_models(models)
        tensors = [*self.network.named_parameters(), *self.network.named_buffers()]
        whole = {name: tensor.detach() for name, tensor in tensors if tensor.ndim}
        self.views = {name: tensor.view(self.slots, -1, *tensor.shape[1:]) for name, tensor in whole.items()}
        self.leaves: dict[str, Tensor] = {n: p for n, p in self.network.named_parameters() if p.requires_grad}

    def outputs(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Compute every slot's outputs for its images (K, B, 3, H, W), K in front."""
        wide = images.permute(1, 3, 4, 0, 2).flatten(3).permute(0, 3, 1, 2)
        result: Tensor | tuple[Tensor, ...] = self.network(wide)
        if isinstance(result, Tensor):
            return self._split_slots(result)
        return tuple(map(self._split_slots, result))

    def _split_slots(self, output: Tensor) -> Tensor:
        return output.reshape(len(output), self.slots, -1, *output.shape[2:]).movedim(1, 0)
