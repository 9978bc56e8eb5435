"""Halves of a pre-norm transformer block with hand-written backward passes.

Each half is `tokens + f(norm(tokens))`. What is computed is what the separate layers compute. Biases and the sum are
added by the product itself, scores of few tokens are kept instead of computed again, gradients of queries, keys and
values are written to one place, and gradients that nobody else reads are overwritten.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from labeleff.training.kernels.matrix_products import biased

_aten = torch.ops.aten
FEW_TOKENS = 128
"""Tokens up to which keeping all scores is faster than computing them again."""


def _norm(rows: Tensor, gain: Tensor, offset: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise rows (N, C); also returns means and inverse standard deviations (N, 1)."""
    normed, mean, inverse = _aten.native_layer_norm(rows, [rows.shape[1]], gain, offset, eps)
    return normed, mean, inverse


def _norm_backward(gradient: Tensor, rows: Tensor, *saved: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the gradients of rows, gain and offset from that of normalised rows; `saved` is as of `_norm`."""
    mean, inverse, gain, offset = saved
    return _aten.native_layer_norm_backward(  # type: ignore[no-any-return]
        gradient, rows, [rows.shape[1]], mean, inverse, gain, offset, [True, True, True]
    )


class MlpHalf(torch.autograd.Function):
    """`rows + second(gelu(first(norm(rows))))` of rows (N, C), weights (H, C) and (C, H)."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        gain: Tensor,
        offset: Tensor,
        eps: float,
        first: Tensor,
        first_bias: Tensor,
        second: Tensor,
        second_bias: Tensor,
    ) -> Tensor:
        """Compute the output (N, C)."""
        normed, mean, inverse = _norm(rows, gain, offset, eps)
        before = biased(normed, first, first_bias)
        after = _aten.gelu(before)
        ctx.save_for_backward(rows, mean, inverse, gain, offset, normed, before, after, first, second)
        return biased(after, second, second_bias, rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients of rows, norm and both layers."""
        rows, mean, inverse, gain, offset, normed, before, after, first, second = ctx.saved_tensors
        [gradient] = gradients
        inside = gradient @ second
        for_second, for_second_bias = gradient.t() @ after, gradient.sum(0)
        _aten.gelu_backward.grad_input(inside, before, grad_input=inside)
        for_first, for_first_bias = inside.t() @ normed, inside.sum(0)
        for_rows, for_gain, for_offset = _norm_backward(inside @ first, rows, mean, inverse, gain, offset)
        for_rows += gradient
        return for_rows, for_gain, for_offset, None, for_first, for_first_bias, for_second, for_second_bias


class AttentionHalf(torch.autograd.Function):
    """`tokens + outlet(attention(inlet(norm(tokens))))` of tokens (B, T, C), weights (3 C, C) and (C, C)."""

    @staticmethod
    def forward(
        ctx: Any,
        tokens: Tensor,
        gain: Tensor,
        offset: Tensor,
        eps: float,
        inlet: Tensor,
        inlet_bias: Tensor,
        outlet: Tensor,
        outlet_bias: Tensor,
        heads: int,
    ) -> Tensor:
        """Compute the output (B, T, C)."""
        batch, count, width = tokens.shape
        rows = tokens.reshape(-1, width)
        normed, mean, inverse = _norm(rows, gain, offset, eps)
        mixed = biased(normed, inlet, inlet_bias).view(batch, count, 3, heads, -1)
        parts = mixed.permute(2, 0, 3, 1, 4).contiguous().view(3, batch * heads, count, -1)
        query, key, value = parts
        scores = torch.baddbmm(query.new_empty(1), query, key.mT, beta=0, alpha=query.shape[2] ** -0.5)
        shares = torch.softmax(scores, -1)
        seen = torch.bmm(shares, value).view(batch, heads, count, -1).transpose(1, 2).reshape(-1, width)
        ctx.save_for_backward(rows, mean, inverse, gain, offset, normed, parts, shares, seen, inlet, outlet)
        ctx.shape = (batch, count, heads)
        return biased(seen, outlet, outlet_bias, rows).view_as(tokens)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients of tokens, norm and both layers."""
        rows, mean, inverse, gain, offset, normed, parts, shares, seen, inlet, outlet = ctx.saved_tensors
        (batch, count, heads), (query, key, value) = ctx.shape, parts
        gradient = gradients[0].reshape(rows.shape)
        for_outlet, for_outlet_bias = gradient.t() @ seen, gradient.sum(0)
        for_seen = (gradient @ outlet).view(batch, count, heads, -1).transpose(1, 2).reshape(value.shape)
        for_scores = torch.bmm(for_seen, value.mT)
        _aten._softmax_backward_data.out(for_scores, shares, -1, shares.dtype, grad_input=for_scores)
        for_parts = torch.empty_like(parts)
        torch.bmm(shares.mT, for_seen, out=for_parts[2])
        scale, into_query, into_key = query.shape[2] ** -0.5, for_parts[0], for_parts[1]
        torch.baddbmm(into_query, for_scores, key, beta=0, alpha=scale, out=into_query)
        torch.baddbmm(into_key, for_scores.mT, query, beta=0, alpha=scale, out=into_key)
        mixed = for_parts.view(3, batch, heads, count, -1).permute(1, 3, 0, 2, 4).reshape(len(rows), -1)
        for_inlet, for_inlet_bias = mixed.t() @ normed, mixed.sum(0)
        for_rows, for_gain, for_offset = _norm_backward(mixed @ inlet, rows, mean, inverse, gain, offset)
        for_rows += gradient
        for_tokens = for_rows.view(batch, count, -1)
        return for_tokens, for_gain, for_offset, None, for_inlet, for_inlet_bias, for_outlet, for_outlet_bias, None
