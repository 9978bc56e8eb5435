"""Faster depthwise and pointwise convolutions, and gradients of 3x3 kernels on small maps."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from labeleff.training.kernels import bf16, maps
from labeleff.training.kernels.matrix_products import linear

MANY = 64
"""Channels from which the compiled depthwise convolution is faster than oneDNN's."""
SMALL, MEDIUM, BROAD = 16, 64, 256
"""Pixels of a map up to which kernels' gradients are products: any, and those of at least BROAD channels."""


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution as one matrix product over the channels-last view."""

    alone = False
    """Whether the model is computed by itself; then products that `torch.vmap` can't compute are allowed."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (N, C, H, W) to (N, D, H, W), as `nn.Conv2d` does."""
        weight, rows = self.weight.view(self.out_channels, self.in_channels), input.permute(0, 2, 3, 1)
        if self.alone and self.bias is None:
            return linear(rows, weight).permute(0, 3, 1, 2)
        return F.linear(rows, weight, self.bias).permute(0, 3, 1, 2)


_Table = tuple[tuple[int, ...], ...]


@functools.cache
def _taps(height: int, width: int, stride: int) -> _Table:
    """List which of the 9 kernel taps joins each output position (rows) to each input position; 9 means none."""
    rows = range(0, height, stride)
    columns = range(0, width, stride)
    table = []
    for y in rows:
        for x in columns:
            near = [(j - y + 1, i - x + 1) for j in range(height) for i in range(width)]
            table.append(tuple(3 * a + b if 0 <= a < 3 and 0 <= b < 3 else 9 for a, b in near))
    return tuple(table)


class _FewTaps(torch.autograd.Function):
    """Convolution of pixels (N, P, C) by a kernel (9, C) and a table of `_taps`, with a manual backward pass.

    Torch's own would fill a whole map with zeros for every pixel that is read.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(pixels: Tensor, kernel: Tensor, table: _Table) -> Tensor:
        """Sum the pixels near every output, each times its tap: (N, O, C)."""
        rows = ([(place, tap) for place, tap in enumerate(row) if tap < 9] for row in table)
        sums = [_products([(pixels[:, place], kernel[tap]) for place, tap in row]) for row in rows]
        return torch.stack(sums, 1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, _Table], output: Tensor) -> None:  # noqa: ARG004
        """Save the tensors that the backward pass needs."""
        ctx.save_for_backward(*inputs[:2])
        ctx.table = inputs[2]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        """Compute the gradients of pixels and kernel."""
        (pixels, kernel), [gradient] = ctx.saved_tensors, gradients
        pairs = [(o, place, tap) for o, row in enumerate(ctx.table) for place, tap in enumerate(row) if tap < 9]
        for_pixels = [
            _products([(gradient[:, o], kernel[tap]) for o, at, tap in pairs if at == place])
            for place in range(pixels.shape[1])
        ]
        for_taps = [
            _products([(gradient[:, o], pixels[:, place]) for o, place, at in pairs if at == tap]).sum(0)
            if any(at == tap for *_, at in pairs)
            else torch.zeros_like(kernel[tap])
            for tap in range(9)
        ]
        return torch.stack(for_pixels, 1), torch.stack(for_taps), None


def _products(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Sum the products of pairs."""
    first, *others = pairs
    return functools.reduce(lambda total, pair: torch.addcmul(total, *pair), others, first[0] * first[1])


class SmallDepthwiseConv2d(nn.Conv2d):
    """A 3x3 depthwise convolution by compiled kernels; without them, maps of at most 2x2 meet the taps they have."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (N, C, H, W) to (N, C, H / stride, W / stride), as `nn.Conv2d` with padding 1 does."""
        height, width, stride = int(input.shape[2]), int(input.shape[3]), int(self.stride[0])
        compiled = maps.depthwise(input, self.weight, stride) if self.out_channels >= MANY else None
        if compiled is not None:
            return compiled
        if max(height, width) > 2:
            return super().forward(input)
        pixels = input.permute(0, 2, 3, 1).flatten(1, 2)
        kernel = self.weight.view(self.out_channels, 9).t().to(input.dtype).contiguous()
        outputs: Tensor = _FewTaps.apply(pixels, kernel, _taps(height, width, stride))
        rows = len(range(0, height, stride))
        return outputs.view(len(outputs), rows, -1, self.out_channels).permute(0, 3, 1, 2)


class _KernelsByProduct(torch.autograd.Function):
    """Convolution of maps (N, C, H, W) by kernels (D, C, 3, 3) with padding 1; kernels' gradients are one product.

    oneDNN splits that sum over images, and takes up to six times as long where maps are small.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, kernels: Tensor) -> Tensor:
        """Compute the output (N, D, H, W)."""
        ctx.save_for_backward(maps, kernels)
        return F.conv2d(maps, kernels, padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor]:
        """Compute the gradients of maps and kernels."""
        (maps, kernels), [gradient] = ctx.saved_tensors, gradients
        for_maps = None
        if ctx.needs_input_grad[0]:
            one, nothing = (1, 1), (0, 0)
            asked = (None, one, one, one, False, nothing, 1, (True, False, False))
            for_maps = torch.ops.aten.convolution_backward(gradient, maps, kernels, *asked)[0]
        images, channels, height, width = maps.shape
        padded = F.pad(maps.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).contiguous()
        line, row = (width + 2) * channels, 3 * channels  # three neighbours in a row of pixels lie in one piece
        shape, strides = (images, height, width, 3, row), ((height + 2) * line, line, channels, line, 1)
        near = padded.as_strided(shape, strides).reshape(-1, 9 * channels)
        products = gradient.permute(0, 2, 3, 1).reshape(len(near), -1).t() @ near
        return for_maps, products.view(-1, 3, 3, channels).permute(0, 3, 1, 2)


class SmallMapConv2d(nn.Conv2d):
    """A 3x3 convolution with padding 1 and no bias whose kernels learn by products on small maps of bfloat16."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (N, C, H, W) to (N, D, H, W), as `nn.Conv2d` does."""
        if not self._pays(input):
            return super().forward(input)
        outputs: Tensor = _KernelsByProduct.apply(input.bfloat16(), self.weight.bfloat16())
        return outputs

    def _pays(self, input: Tensor) -> bool:
        """Whether this is computed in bfloat16 and with gradients of kernels, on maps where products are faster."""
        small = input[0, 0].numel() <= (MEDIUM if self.in_channels >= BROAD else SMALL)
        if not small or input.device.type != "cpu" or not bf16.has_tiles():
            return False
        asked = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else input.dtype
        return asked == torch.bfloat16 and self.weight.requires_grad and torch.is_grad_enabled()
