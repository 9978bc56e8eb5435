"""Widening 1x1 convolution, batch-norm and ReLU6 computed as one layer.

The outputs of a 1x1 convolution are linear in its inputs, so their means and variances follow from the mean and the
covariance of the narrow inputs, and normalising can be done by scaling weights. What is left to do on the wide map is
one product with an offset and a clamp, and on the way back the clamp's mask, a sum and two products. Mathematically
the three layers are the same function; in floating point sums are taken in another order. Statistics of centred inputs
keep variances from cancelling.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from labeleff.training.kernels.matrix_products import product
from labeleff.training.kernels.normalising import chain

LOW, HIGH = 0.0, 6.0
"""Bounds of ReLU6 (Howard et al. 2017; Sandler et al. 2018, section 3)."""
WIDER = 2
"""Output channels per input channel from which this pays; with fewer, covariances cost more than they save."""
ROWS = 16
"""Pixels of a batch per input channel from which this pays; with fewer, products of weights cost too much."""


class _Widen(torch.autograd.Function):
    """The three layers on rows (N, C) with weights (D, C), gains and offsets (D,)."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, gain: Tensor, offset: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute outputs (N, D), and the means and biased variances (D,) before normalisation."""
        middle = rows.mean(0)
        centred = rows - middle
        spread = product(weight, centred.t() @ centred).div_(len(rows))
        variance = (spread * weight).sum(1).clamp_(min=0.0)
        shrink = torch.rsqrt(variance + eps)
        scaled = weight * (gain * shrink)[:, None]
        output = product(centred, scaled, offset).clamp_(LOW, HIGH)  # torch's own clamp keeps what isn't a number
        mean = weight @ middle
        ctx.save_for_backward(centred, weight, gain, spread, shrink, scaled, output)
        ctx.mark_non_differentiable(mean, variance)
        return output, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Compute gradients of rows, weights, gains and offsets; the statistics have none."""
        centred, weight, gain, spread, shrink, scaled, output = ctx.saved_tensors
        inside = torch.ops.aten.hardtanh_backward(gradients[0], output, LOW, HIGH)
        for_scaled = product(centred.t(), inside.t()).t()
        for_scale = (for_scaled * weight).sum(1)
        for_variance = for_scale * gain * shrink.pow(3).mul_(-0.5)
        for_weight = for_scaled * (gain * shrink)[:, None] + spread * (2 * for_variance)[:, None]
        for_rows = None
        if ctx.needs_input_grad[0]:
            for_covariance = product(weight.t(), (weight * for_variance[:, None]).t())
            for_rows = product(inside, scaled.t()) + product(centred, for_covariance).mul_(2 / len(centred))
            for_rows -= for_rows.mean(0)
        return for_rows, for_weight, for_scale * shrink, inside.sum(0), None


class WideningConvNormReLU6(nn.Sequential):
    """A 1x1 convolution without bias to at least twice the channels, batch-norm and ReLU6, as one in training."""

    alone = True
    """Whether the network is computed by itself; in a pack each layer is computed separately."""

    def forward(self, input: Tensor) -> Tensor:
        """Compute (N, D, H, W) from (N, C, H, W), as the three layers one after another do."""
        conv, norm, clamp = cast("tuple[nn.Conv2d, nn.BatchNorm2d, nn.ReLU6]", tuple(self))
        if not self._pays(input, conv, norm):
            return chain(self, input) if self.alone else cast("Tensor", clamp(norm(conv(input))))
        pixels = input.permute(0, 2, 3, 1)
        rows = pixels.reshape(-1, conv.in_channels)
        output, mean, variance = _Widen.apply(rows, conv.weight.flatten(1), norm.weight, norm.bias, norm.eps)
        with torch.no_grad():
            for running, batch_value in (
                (norm.running_mean, mean),
                (norm.running_var, variance * len(rows) / (len(rows) - 1)),
            ):
                cast("Tensor", running).lerp_(batch_value, cast("float", norm.momentum))
        widened: Tensor = output.view(*pixels.shape[:3], -1)
        return widened.permute(0, 3, 1, 2)

    def _pays(self, input: Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> bool:
        """Whether the three layers can be computed as one for this input, and gain by it."""
        exact = input.dtype == conv.weight.dtype == norm.weight.dtype and not torch.is_autocast_enabled("cpu")
        many = input.numel() >= ROWS * conv.in_channels**2
        return self.alone and norm.training and input.device.type == "cpu" and exact and many


def is_pointwise(conv: nn.Conv2d) -> bool:
    """Whether a convolution is one product over the channels of every pixel."""
    return conv.kernel_size == (1, 1) and conv.stride == (1, 1) and conv.groups == 1 and conv.padding == (0, 0)


def widens(layer: nn.Module) -> bool:
    """Whether a module is a sequence of the three layers, with all parameters and statistics."""
    if not isinstance(layer, nn.Sequential) or len(layer) != 3:
        return False
    conv, norm, clamp = layer
    return (
        isinstance(conv, nn.Conv2d)
        and is_pointwise(conv)
        and conv.bias is None
        and conv.out_channels >= WIDER * conv.in_channels
        and isinstance(norm, nn.BatchNorm2d)
        and norm.affine
        and norm.track_running_stats
        and norm.momentum is not None
        and isinstance(clamp, nn.ReLU6)
    )
