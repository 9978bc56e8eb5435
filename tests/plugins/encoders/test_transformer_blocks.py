"""Lean blocks are timm's blocks: values and gradients, alone, several at once, and first tokens."""

import copy

import pytest
import torch
from timm.models.vision_transformer import Block
from torch import nn

from labeleff.plugins.encoders.transformer_blocks import LeanBlock, lean
from labeleff.training.kernels.rewrite import rewrite
from labeleff.training.kernels.transformer import FEW_TOKENS


def blocks(dtype=torch.float64):
    """A block of timm and its lean copy, with norms and biases that count."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = Block(12, 3, qkv_bias=True)
        for parameter in plain.parameters():
            nn.init.normal_(parameter, std=0.5)
    return plain.to(dtype), lean(nn.Sequential(copy.deepcopy(plain))).to(dtype)


def drawn(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).to(dtype)


def with_gradients(compute, block, tokens):
    tokens = tokens.clone().requires_grad_()
    out = compute(tokens)
    return out, torch.autograd.grad((out * drawn(*out.shape).to(out.dtype)).sum(), [tokens, *block.parameters()])


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("count", [1, 5, FEW_TOKENS + 1])
def test_values_and_gradients_are_timms(count, alone):
    plain, fast = blocks()
    tokens = drawn(2, count, 12)
    assert rewrite(fast, alone=alone)[0].alone == alone
    torch.testing.assert_close(with_gradients(fast, fast, tokens), with_gradients(plain, plain, tokens))


def test_products_in_float32_are_as_exact_as_timms():
    tokens = drawn(4, 9, 12)
    exact, _ = (with_gradients(one, one, tokens) for one in blocks())
    plain, fast = blocks(torch.float32)
    rewrite(fast)
    errors = [
        max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(grads, exact[1], strict=True))
        for grads in (with_gradients(one, one, tokens.float())[1] for one in (plain, fast))
    ]
    assert errors[1] < max(3 * errors[0], 1e-5)


def test_the_first_token_is_the_first_of_all():
    plain, fast = blocks()
    tokens = drawn(3, 7, 12)
    expected = with_gradients(lambda given: plain(given)[:, :1], plain, tokens)
    torch.testing.assert_close(with_gradients(fast[0].first, fast, tokens), expected)


def test_autocast_and_frozen_blocks_are_computed_layer_by_layer_or_without_gradients():
    plain, fast = blocks(torch.float32)
    rewrite(fast)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(fast(drawn(2, 5, 12).float()), plain(drawn(2, 5, 12).float()), rtol=0.05, atol=0.05)
    fast.requires_grad_(False)
    assert not fast(drawn(2, 5, 12).float()).requires_grad


class Other(Block):
    pass


def test_only_plain_blocks_are_replaced():
    usual = {"qkv_bias": True}
    kinds = [Block(12, 3, **usual), Other(12, 3, **usual), Block(12, 3), Block(12, 3, **usual, proj_drop=0.1)]
    kinds += [Block(12, 3, **usual, drop_path=0.1), Block(12, 3, **usual, init_values=0.1)]
    kinds += [Block(12, 3, **usual, qk_norm=True), Block(12, 3, **usual, act_layer=nn.ReLU)]
    assert [type(one) for one in lean(nn.Sequential(*kinds))] == [LeanBlock, Other, *[Block] * 6]
