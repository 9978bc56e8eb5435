"""Exact rewrites of layers to faster forms; weights and state dictionaries stay.

A layer keeps its parameters and only its forward pass is exchanged, so a rewritten network loads and saves like
the original. Equality with the original is tested; the gain on CPU is measured in `benchmarks/`.
"""

from __future__ import annotations

from torch import nn

from labeleff.training.kernels.convolutions import PointwiseConv2d, SmallDepthwiseConv2d, SmallMapConv2d
from labeleff.training.kernels.normalising import FusedSequential, UncountedBatchNorm2d, fuses
from labeleff.training.kernels.widening import WideningConvNormReLU6, is_pointwise, widens


def _is_plain(layer: nn.Conv2d) -> bool:
    """Whether a convolution has 3x3 kernels, padding 1 and no bias."""
    kind = (layer.kernel_size, layer.padding, layer.dilation, layer.padding_mode, layer.bias)
    return kind == ((3, 3), (1, 1), (1, 1), "zeros", None)


def _is_depthwise(layer: nn.Conv2d) -> bool:
    apart = layer.groups == layer.in_channels == layer.out_channels
    return apart and layer.stride in {(1, 1), (2, 2)} and _is_plain(layer)


def rewrite(network: nn.Module, *, alone: bool = True) -> nn.Module:
    """Replace the forward passes of a network's layers in place, where an exact faster form exists.

    `alone` is for a network that is computed by itself on a CPU. Otherwise depthwise convolutions stay, as their taps
    are many small operations, which are slow on a GPU, and products are those that several networks can share. Layers
    that an encoder brings choose by themselves: those with an attribute `alone` are told.
    """
    for layer in network.modules():
        if type(layer) is nn.Conv2d and is_pointwise(layer):
            layer.__class__ = PointwiseConv2d
        elif alone and type(layer) is nn.Conv2d and _is_depthwise(layer):
            layer.__class__ = SmallDepthwiseConv2d
        elif alone and type(layer) is nn.Conv2d and layer.groups == 1 and layer.stride == (1, 1) and _is_plain(layer):
            layer.__class__ = SmallMapConv2d
        elif type(layer) is nn.BatchNorm2d and layer.momentum is not None and layer.track_running_stats:
            layer.__class__ = UncountedBatchNorm2d
        elif isinstance(layer, nn.ReLU6):
            layer.inplace = False
        elif alone and widens(layer):
            layer.__class__ = WideningConvNormReLU6
        elif alone and fuses(layer):
            layer.__class__ = FusedSequential
        if hasattr(layer, "alone"):
            layer.alone = alone  # type: ignore[assignment]
    return network
