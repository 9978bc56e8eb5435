"""Products of float32 matrices by oneDNN, where torch would give them to a library that is slower here.

Torch's products on CPUs go to MKL, which keeps to AVX2 on processors that aren't Intel's, while oneDNN uses AVX-512
where it finds it: twice the speed. Both sum in float32, in another order, so results agree to rounding.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

FEW_ROWS = 256
"""Up to so many rows, turning a gradient of weights around costs more than its product gains by it."""


@functools.cache
def onednn_leads() -> bool:
    """Whether oneDNN's products are the faster ones here: AVX-512 on a processor that isn't Intel's, and MKL."""
    with_mkl = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    if not with_mkl or torch.backends.cpu.get_cpu_capability() != "AVX512" or not onednn_callable():
        return False
    facts = Path("/proc/cpuinfo")
    return facts.exists() and "GenuineIntel" not in facts.read_text(errors="replace")


def onednn_callable() -> bool:
    """Whether this torch has the product that its own compiler calls, in the form in which it is called here."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        one = torch.ones(1, 2)
        return _product(one, one).item() == 2 and _product(one, one, torch.ones(1)).item() == 3
    except (AttributeError, RuntimeError, TypeError):
        return False


def _product(rows: Tensor, columns: Tensor, offset: Tensor | None = None) -> Tensor:
    """Rows (N, C) times columns (D, C) transposed, plus an offset (D,): (N, D)."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(rows, columns, offset, "none", [], "")
    return found


class _Linear(torch.autograd.Function):
    """Rows (N, C) times weights (D, C) transposed, all products oneDNN's."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor) -> Tensor:
        """(N, D)."""
        ctx.save_for_backward(rows, weight)
        return _product(rows, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Gradients of both; that of weights with the longer side first, which is faster where there are many rows."""
        (rows, weight), [gradient] = ctx.saved_tensors, gradients
        for_rows = _product(gradient, weight.t()) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return for_rows, None
        if rows.shape[1] > gradient.shape[1] or len(rows) <= FEW_ROWS:
            return for_rows, _product(gradient.t(), rows.t())
        return for_rows, _product(rows.t(), gradient.t()).t()


def _leads_for(rows: Tensor) -> bool:
    """Whether oneDNN's products are the faster ones of these rows."""
    return rows.dtype == torch.float32 and rows.device.type == "cpu" and onednn_leads()


def product(rows: Tensor, columns: Tensor, offset: Tensor | None = None) -> Tensor:
    """Rows (N, C) times columns (D, C) transposed, plus an offset (D,): (N, D), by whichever library is faster here.

    oneDNN's product has no gradient of its own.
    """
    return _product(rows, columns, offset) if _leads_for(rows) else F.linear(rows, columns, offset)


def linear(rows: Tensor, weight: Tensor) -> Tensor:
    """`F.linear` without a bias, rows (..., C) and weights (D, C) to (..., D), by whichever library is faster here."""
    if rows.dtype != weight.dtype or torch.is_autocast_enabled("cpu") or not _leads_for(rows):
        return F.linear(rows, weight)
    product: Tensor = _Linear.apply(rows.reshape(-1, rows.shape[-1]), weight)
    return product.view(*rows.shape[:-1], -1)
