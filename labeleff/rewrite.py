"""Exact rewrites of layers that compute the same function faster; weights and state dictionaries don't change.

A layer keeps its parameters and only its forward pass is exchanged, so a rewritten network loads and saves like
the original. Equality with the original is tested; the gain on CPU is measured in `benchmarks/`.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution as one matrix product over the channels-last view."""

    def forward(self, input: Tensor) -> Tensor:
        """As `nn.Conv2d`: (N, C, H, W) to (N, D, H, W)."""
        weight = self.weight.view(self.out_channels, self.in_channels)
        return F.linear(input.permute(0, 2, 3, 1), weight, self.bias).permute(0, 3, 1, 2)


@functools.cache
def _taps(height: int, width: int, stride: int) -> tuple[tuple[int, ...], ...]:
    """Which of the 9 kernel taps joins each output position (rows) to each input position; 9 means none."""
    rows = range(0, height, stride)
    columns = range(0, width, stride)
    table = []
    for y in rows:
        for x in columns:
            near = [(j - y + 1, i - x + 1) for j in range(height) for i in range(width)]
            table.append(tuple(3 * a + b if 0 <= a < 3 and 0 <= b < 3 else 9 for a, b in near))
    return tuple(table)


class SmallDepthwiseConv2d(nn.Conv2d):
    """A 3x3 depthwise convolution that, on maps of at most 2x2, multiplies only the taps that meet the map."""

    def forward(self, input: Tensor) -> Tensor:
        """As `nn.Conv2d` with padding 1: (N, C, H, W) to (N, C, H / stride, W / stride)."""
        height, width = int(input.shape[2]), int(input.shape[3])
        if max(height, width) > 2:
            return super().forward(input)
        stride = int(self.stride[0])
        pixels = input.permute(0, 2, 3, 1).flatten(1, 2)
        kernel = self.weight.view(self.out_channels, 9).t().to(input.dtype)
        outputs = []
        for row in _taps(height, width, stride):
            terms = [pixels[:, place] * kernel[tap] for place, tap in enumerate(row) if tap < 9]
            outputs.append(functools.reduce(torch.add, terms))
        rows = len(range(0, height, stride))
        stacked = torch.stack(outputs, 1)
        return stacked.view(len(stacked), rows, -1, self.out_channels).permute(0, 3, 1, 2)


class UncountedBatchNorm2d(nn.BatchNorm2d):
    """Batch-norm of fixed momentum without the step counter, which such a layer never reads."""

    def forward(self, input: Tensor) -> Tensor:
        """As `nn.BatchNorm2d`."""
        momentum = 0.0 if self.momentum is None else self.momentum
        return F.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            momentum,
            self.eps,
        )


def _is_pointwise(layer: nn.Conv2d) -> bool:
    return layer.kernel_size == (1, 1) and layer.stride == (1, 1) and layer.groups == 1 and layer.padding == (0, 0)


def _is_depthwise(layer: nn.Conv2d) -> bool:
    return (
        layer.groups == layer.in_channels == layer.out_channels
        and layer.kernel_size == (3, 3)
        and layer.padding == (1, 1)
        and layer.stride in {(1, 1), (2, 2)}
        and layer.bias is None
    )


def rewrite(network: nn.Module, *, taps: bool = True) -> nn.Module:
    """Exchange the forward passes of a network's layers in place, where an exact faster form is known.

    Without `taps` depthwise convolutions stay: their taps are many small operations, which a GPU pays for.
    """
    for layer in network.modules():
        if type(layer) is nn.Conv2d and _is_pointwise(layer):
            layer.__class__ = PointwiseConv2d
        elif taps and type(layer) is nn.Conv2d and _is_depthwise(layer):
            layer.__class__ = SmallDepthwiseConv2d
        elif type(layer) is nn.BatchNorm2d and layer.momentum is not None and layer.track_running_stats:
            layer.__class__ = UncountedBatchNorm2d
        elif isinstance(layer, nn.ReLU6):
            layer.inplace = False
    return network
