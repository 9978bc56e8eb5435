"""Blocks of timm's vision transformers, computed faster: weights and results stay, what isn't read isn't computed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from labeleff.training.kernels.transformer import FEW_TOKENS, AttentionHalf, MlpHalf


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Compute attention of queries (B, heads, T, D) to keys and values (B, heads, S, D): (B, heads, T, D).

    Few tokens are attended to by plain products, as torch's kernel for CPUs can't be computed for several networks at
    once.
    """
    if key.shape[-2] > FEW_TOKENS:
        return F.scaled_dot_product_attention(query, key, value)
    return torch.softmax(query * query.shape[-1] ** -0.5 @ key.mT, -1).to(value.dtype) @ value


def _by_heads(rows: Tensor, heads: int) -> Tensor:
    """View vectors (B, T, C) as (B, heads, T, C / heads)."""
    return rows.reshape(*rows.shape[:2], heads, -1).transpose(1, 2)


class LeanBlock(Block):  # type: ignore[misc]
    """A pre-norm block without dropout or scales: tokens (B, T, C) to (B, T, C), by two functions where that pays."""

    alone = False
    """Whether the model is computed by itself; several at once need layers that `torch.vmap` knows."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Compute all tokens."""
        if self._pays(tokens):
            return self._by_halves(tokens)
        parts = self.attn.qkv(self.norm1(tokens)).chunk(3, -1)
        seen = attend(*(_by_heads(part, self.attn.num_heads) for part in parts))
        return self._after(tokens, seen)

    def first(self, tokens: Tensor) -> Tensor:
        """Compute the first token (B, 1, C) alone, from the keys and values of all."""
        width, normed, heads = tokens.shape[2], self.norm1(tokens), self.attn.num_heads
        weight, bias = self.attn.qkv.weight, self.attn.qkv.bias
        query = F.linear(normed[:, :1], weight[:width], bias[:width])
        key, value = F.linear(normed, weight[width:], bias[width:]).chunk(2, -1)
        return self._after(tokens[:, :1], attend(*(_by_heads(part, heads) for part in (query, key, value))))

    def _after(self, tokens: Tensor, seen: Tensor) -> Tensor:
        """Compute what follows the attention of every head to tokens, `seen` (B, heads, T, C / heads)."""
        tokens = tokens + self.attn.proj(seen.transpose(1, 2).flatten(2))
        return tokens + self.mlp(self.norm2(tokens))  # type: ignore[no-any-return]

    def _pays(self, tokens: Tensor) -> bool:
        """Whether both functions can be used and gain."""
        exact = tokens.dtype == self.norm1.weight.dtype and not torch.is_autocast_enabled("cpu")
        return self.alone and exact and tokens.device.type == "cpu" and tokens.shape[1] <= FEW_TOKENS

    def _by_halves(self, tokens: Tensor) -> Tensor:
        attention, mlp = self.attn, self.mlp
        norm, layers = self.norm1, (*_weights(attention.qkv), *_weights(attention.proj))
        tokens = AttentionHalf.apply(tokens, *_weights(norm), norm.eps, *layers, attention.num_heads)
        norm, layers = self.norm2, (*_weights(mlp.fc1), *_weights(mlp.fc2))
        rows: Tensor = MlpHalf.apply(tokens.flatten(0, 1), *_weights(norm), norm.eps, *layers)
        return rows.view_as(tokens)


def _weights(layer: nn.Module) -> tuple[Tensor, Tensor]:
    return layer.weight, layer.bias  # type: ignore[return-value]


def lean(network: nn.Module) -> nn.Module:
    """Replace the forward pass of every plain block of a network in place; others stay as they are."""
    for block in network.modules():
        if type(block) is Block and _plain(block):
            block.__class__ = LeanBlock
    return network


def _plain(block: Block) -> bool:
    """Whether a block has biases and GELU, and neither scales, norms of queries, dropped paths nor dropout."""
    attention, mlp = block.attn, block.mlp
    usual = (attention.q_norm, attention.k_norm, block.ls1, block.ls2, block.drop_path1, block.drop_path2)
    biased = all(layer.bias is not None for layer in (attention.qkv, attention.proj, mlp.fc1, mlp.fc2))
    dropping = any(isinstance(layer, nn.Dropout) and layer.p > 0 for layer in block.modules())
    return biased and not dropping and type(mlp.act) is nn.GELU and all(type(one) is nn.Identity for one in usual)
