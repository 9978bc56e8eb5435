"""The machine's peaks: a large matrix product, and an encoder's largest convolution.

Both are computed as a training computes them: by the library that is faster here (`products`), and rewritten
(`rewrite`).

A share of the roofline is (operations of an example, as torch counts them, times examples/s) over the operations/s of
the matrix product, in the precision of the work. Depthwise convolutions, normalisation and everything that is bound by
memory count as time but hardly as operations, so small networks are far from 1 by nature.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from labeleff.catalogue.declaration import Spec
from labeleff.plugins.encoders.interface import build_encoder, linear_head
from labeleff.scheduling.speeds import SIZE
from labeleff.training.device import Compute, now
from labeleff.training.kernels.matrix_products import product
from labeleff.training.kernels.rewrite import rewrite

SIZES = {"cpu": 1536, "cuda": 8192}
"""Rows and columns of the matrices."""
REPEATS = 5
LEAST = 0.05
"""Least seconds of one timing."""


@dataclass(frozen=True)
class Convolution:
    """A network's convolution with the most operations per image."""

    shape: str
    """Channels in, channels out, kernel and side of its output, in words."""
    rate: float
    """Operations/s of its forward pass."""


def operations(call: Callable[[], object]) -> int:
    """Count the floating-point operations of products and convolutions in a call (a multiply-add is two)."""
    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def best_rate(call: Callable[[], object], count: int, device: torch.device, repeats: int = REPEATS) -> float:
    """Time a call that has `count` operations, and give operations/s of the fastest of `repeats` timings.

    That is what the machine can do when no other program disturbs it.
    """
    times, best = 1, math.inf
    call()
    done = 0
    while done < repeats:
        start = now(device)
        for _ in range(times):
            call()
        seconds = now(device) - start
        if seconds < LEAST:
            times *= 2
            continue
        best, done = min(best, seconds / times), done + 1
    return count / best


@functools.cache
def product_rate(compute: Compute) -> float:
    """Measure the operations/s of a large matrix product of noise."""
    size = SIZES[compute.device.type]
    generator = torch.Generator(compute.device).manual_seed(0)
    one, other = (torch.randn(size, size, device=compute.device, generator=generator) for _ in range(2))
    if compute.precision == "bf16":
        one, other = one.bfloat16(), other.bfloat16()
    return best_rate(lambda: product(one, other), operations(lambda: one @ other), compute.device)


def example_operations(encoder: Spec, batch: int) -> tuple[float, float]:
    """Count the operations per image of training and of its forward pass alone, for the network as it is written.

    The backward pass takes twice the forward pass, except for the first convolution, whose images need no gradient.
    (Torch counts gradients of depthwise convolutions as if they were full ones.)
    """
    net = build_encoder(encoder, 0)
    model = nn.Sequential(net, linear_head(net.dim, 10, 0)).train()
    images = torch.zeros(batch, 3, SIZE, SIZE)
    forward = operations(lambda: model(images)) / batch
    convolutions = _convolutions(net)
    return 3 * forward - (2 * convolutions[0][0] if convolutions else 0), forward


def _convolutions(net: nn.Module) -> list[tuple[int, nn.Conv2d, tuple[int, ...]]]:
    """List (multiplications per image, layer, shape of its input) of convolutions in the order of a forward pass."""
    convolutions = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        convolutions.append((output[0].numel() * layer.weight[0].numel(), layer, tuple(inputs[0].shape[1:])))

    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    net(torch.zeros(2, 3, SIZE, SIZE))
    for hook in hooks:
        hook.remove()
    return convolutions


def largest_convolution(encoder: Spec, batch: int, compute: Compute) -> Convolution | None:
    """Time an encoder's largest convolution by itself on a batch; None where it has none."""
    convolutions = _convolutions(build_encoder(encoder, 0))
    if not convolutions:
        return None
    _, layer, shape = max(convolutions, key=lambda one: one[0])
    images = compute.arrange(torch.randn(batch, *shape, device=compute.device))

    @torch.no_grad()
    def forward() -> None:
        with compute.autocast():
            placed(images)

    placed = compute.place(layer)
    count = operations(forward)
    rewrite(nn.Sequential(placed), alone=compute.device.type == "cpu")

    kernel = "x".join(map(str, layer.kernel_size))
    words = f"{layer.in_channels} to {layer.out_channels} channels, {kernel} on {shape[1]}x{shape[2]}, batch {batch}"
    return Convolution(words, best_rate(forward, count, compute.device))
