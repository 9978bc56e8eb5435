"""Products of float32 matrices by oneDNN, where torch's own choice is slower.

Torch's products on CPUs go to MKL, which keeps to AVX2 on processors that aren't Intel's, while oneDNN uses AVX-512
where it finds it: twice the speed. Both sum in float32, in another order, so results agree to rounding.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.files import cpu_info

FEW_ROWS = 256
"""Rows up to which transposing a gradient of weights costs more than its product gains."""


@functools.cache
def onednn_is_faster() -> bool:
    """Whether oneDNN's products are faster on this machine: AVX-512 on a processor that isn't Intel's, and MKL."""
    with_mkl = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    if not with_mkl or torch.backends.cpu.get_cpu_capability() != "AVX512" or not onednn_callable():
        return False
    return cpu_info() != "" and "GenuineIntel" not in cpu_info()


def onednn_callable() -> bool:
    """Whether this torch has oneDNN's product as its compiler calls it, with the expected signature."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        one = torch.ones(1, 2)
        return _product(one, one).item() == 2 and _product(one, one, torch.ones(1)).item() == 3
    except (AttributeError, RuntimeError, TypeError):
        return False


def _product(rows: Tensor, columns: Tensor, offset: Tensor | None = None) -> Tensor:
    """Multiply rows (N, C) by columns (D, C) transposed and add an offset (D,): (N, D), by oneDNN."""
    products: Tensor = torch.ops.mkldnn._linear_pointwise(rows, columns, offset, "none", [], "")
    return products


class _Linear(torch.autograd.Function):
    """The product of rows (N, C) and weights (D, C) transposed, forward and backward by oneDNN."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor) -> Tensor:
        """Compute the product (N, D)."""
        ctx.save_for_backward(rows, weight)
        return _product(rows, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Compute both gradients; that of weights with the longer side first, which is faster for many rows."""
        (rows, weight), [gradient] = ctx.saved_tensors, gradients
        for_rows = _product(gradient, weight.t()) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return for_rows, None
        if rows.shape[1] > gradient.shape[1] or len(rows) <= FEW_ROWS:
            return for_rows, _product(gradient.t(), rows.t())
        return for_rows, _product(rows.t(), gradient.t()).t()


def _onednn_is_faster_for(rows: Tensor) -> bool:
    """Whether oneDNN's products are faster for these rows."""
    return rows.dtype == torch.float32 and rows.device.type == "cpu" and onednn_is_faster()


def product(rows: Tensor, columns: Tensor, offset: Tensor | None = None) -> Tensor:
    """Multiply rows (N, C) by columns (D, C) transposed and add an offset (D,): (N, D), by the faster library.

    oneDNN's product has no gradient of its own.
    """
    return _product(rows, columns, offset) if _onednn_is_faster_for(rows) else F.linear(rows, columns, offset)


def linear(rows: Tensor, weight: Tensor) -> Tensor:
    """Compute `F.linear` without bias of rows (..., C) and weights (D, C): (..., D), by the faster library."""
    if rows.dtype != weight.dtype or torch.is_autocast_enabled("cpu") or not _onednn_is_faster_for(rows):
        return F.linear(rows, weight)
    product: Tensor = _Linear.apply(rows.reshape(-1, rows.shape[-1]), weight)
    return product.view(*rows.shape[:-1], -1)


def _sum(rows: Tensor, columns: Tensor, offset: Tensor, added: Tensor) -> Tensor:
    """Multiply as `_product` does and add rows (N, D) in the same pass."""
    sums: Tensor = torch.ops.mkldnn._linear_pointwise.binary(rows, added, columns, offset, "add")
    return sums


@functools.cache
def _onednn_adds() -> bool:
    """Whether this torch has oneDNN's product with a sum, with the expected signature."""
    if not onednn_callable():
        return False
    try:
        return _sum(torch.ones(1, 2), torch.ones(1, 2), torch.ones(1), torch.ones(1, 1)).item() == 4
    except (AttributeError, RuntimeError, TypeError):
        return False


def biased(rows: Tensor, weight: Tensor, bias: Tensor, added: Tensor | None = None) -> Tensor:
    """Multiply rows (N, C) by weights (D, C) transposed, add a bias (D,) and `added` (N, D): (N, D), without gradient.

    oneDNN adds while it multiplies; torch first copies the bias to every row, and sums in a pass of its own.
    """
    if rows.dtype == torch.float32 and rows.device.type == "cpu" and _onednn_adds():
        return _product(rows, weight, bias) if added is None else _sum(rows, weight, bias, added)
    result = F.linear(rows, weight, bias)
    return result if added is None else result.add_(added)
