"""Whether bfloat16 is faster on this processor: measured, as its instructions don't tell.

With avx512_bf16 but without tiles (AMX), products took from a quarter to twice the time of those in float32.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from labeleff.files import cpu_info
from labeleff.training.kernels.transformer import MlpHalf

ROUNDS = 7
"""Measurements of each type, in turn; the fastest counts."""
EPSILON = 1e-6
GAIN = 0.8
"""Share of float32's time that bfloat16 must not exceed."""


def has_instructions() -> bool:
    """Whether the processor has instructions for products of bfloat16; False where the system doesn't say."""
    return "avx512_bf16" in cpu_info() or has_tiles()


def has_tiles() -> bool:
    """Whether the processor multiplies bfloat16 by tiles (AMX); False where the system doesn't say."""
    return "amx_bf16" in cpu_info()


@functools.cache
def products_gain() -> bool:
    """Whether products of matrices are faster in bfloat16, in this process's threads."""
    return has_instructions() and _gains(_product)


@functools.cache
def convolutions_gain() -> bool:
    """Whether a convolution is faster in bfloat16, there and back, in this process's threads."""
    return has_instructions() and _gains(_convolution)


@functools.cache
def transformers_gain() -> bool:
    """Whether layers of a transformer are faster in bfloat16, there and back, in this process's threads."""
    return has_instructions() and _gains(_layers)


def _gains(work: Callable[[torch.dtype], Callable[[], object]]) -> bool:
    """Time some work in both types in turn, after a round that doesn't count."""
    runs = {dtype: work(dtype) for dtype in (torch.float32, torch.bfloat16)}
    best = dict.fromkeys(runs, float("inf"))
    for number in range(ROUNDS + 1):
        for dtype, run in runs.items():
            start = time.perf_counter()
            run()
            if number:
                best[dtype] = min(best[dtype], time.perf_counter() - start)
    return best[torch.bfloat16] <= GAIN * best[torch.float32]


def _product(dtype: torch.dtype) -> Callable[[], object]:
    rows, columns = torch.ones(1024, 256, dtype=dtype), torch.ones(256, 64, dtype=dtype)
    return lambda: rows @ columns


def _convolution(dtype: torch.dtype) -> Callable[[], object]:
    maps = torch.ones(8, 48, 16, 16, dtype=dtype).to(memory_format=torch.channels_last).requires_grad_()
    kernels = torch.ones(48, 48, 3, 3, dtype=dtype).to(memory_format=torch.channels_last).requires_grad_()

    def run() -> object:
        result = F.conv2d(maps, kernels, padding=1)
        return torch.autograd.grad(result, (maps, kernels), result.detach())

    return run


def _layers(dtype: torch.dtype) -> Callable[[], object]:
    """The larger half of a transformer's block as it is trained: in float32 as one, in bfloat16 layer by layer."""
    rows, gain, offset = torch.ones(512, 96), torch.ones(96), torch.zeros(96)
    wide, narrow = (torch.ones(384, 96), torch.zeros(384)), (torch.ones(96, 384), torch.zeros(96))
    inputs = [tensor.requires_grad_() for tensor in (rows, gain, offset, *wide, *narrow)]

    def run() -> object:
        if dtype == torch.float32:
            result = MlpHalf.apply(rows, gain, offset, EPSILON, *wide, *narrow)
        else:
            with torch.autocast("cpu", torch.bfloat16):
                normed = F.layer_norm(rows, (96,), gain, offset, EPSILON)
                result = rows + F.linear(F.gelu(F.linear(normed, *wide)), *narrow)
        return torch.autograd.grad(result, inputs, torch.ones_like(result))

    return run
