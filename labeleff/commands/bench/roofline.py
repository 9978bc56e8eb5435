"""What this machine can do at best, measured: a large matrix product, and an encoder's largest convolution.

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
"""Seconds that one reading takes at least."""


@dataclass(frozen=True)
class Convolution:
    """A network's convolution with the most operations an image."""

    shape: str
    """Channels in, channels out, kernel and side of its output, in words."""
    rate: float
    """Operations/s of its forward pass."""


def operations(call: Callable[[], object]) -> int:
    """Floating-point operations of the products and convolutions in a call (a product and a sum are two)."""
    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def best_rate(call: Callable[[], object], count: int, device: torch.device, repeats: int = REPEATS) -> float:
    """Operations/s of a call that has `count` of them: what the machine can do when nobody disturbs it.

    That is the fastest of some readings.
    """
    times, best = 1, math.inf
    call()
    done = 0
    while done < repeats:
        began = now(device)
        for _ in range(times):
            call()
        took = now(device) - began
        if took < LEAST:
            times *= 2
            continue
        best, done = min(best, took / times), done + 1
    return count / best


@functools.cache
def product_rate(compute: Compute) -> float:
    """Operations/s of a large matrix product of noise."""
    size = SIZES[compute.device.type]
    dice = torch.Generator(compute.device).manual_seed(0)
    one, other = (torch.randn(size, size, device=compute.device, generator=dice) for _ in range(2))
    if compute.precision == "bf16":
        one, other = one.bfloat16(), other.bfloat16()
    return best_rate(lambda: product(one, other), operations(lambda: one @ other), compute.device)


def example_operations(encoder: Spec, batch: int) -> tuple[float, float]:
    """Operations an image of training and of its forward pass alone, by the network as it is written.

    The backward pass takes twice the forward pass, but for the first convolution, whose images need no gradient. (Torch
    counts gradients of depthwise convolutions as if they were full ones.)
    """
    net = build_encoder(encoder, 0)
    model = nn.Sequential(net, linear_head(net.dim, 10, 0)).train()
    images = torch.zeros(batch, 3, SIZE, SIZE)
    forward = operations(lambda: model(images)) / batch
    found = _convolutions(net)
    return 3 * forward - (2 * found[0][0] if found else 0), forward


def _convolutions(net: nn.Module) -> list[tuple[int, nn.Conv2d, tuple[int, ...]]]:
    """In the order of a pass: products of an image, the layer, and the shape that it is given."""
    found = []

    def note(layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        found.append((output[0].numel() * layer.weight[0].numel(), layer, tuple(given[0].shape[1:])))

    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    net(torch.zeros(2, 3, SIZE, SIZE))
    for hook in hooks:
        hook.remove()
    return found


def largest_convolution(encoder: Spec, batch: int, compute: Compute) -> Convolution | None:
    """That of an encoder, timed by itself on a batch; None where it has none."""
    found = _convolutions(build_encoder(encoder, 0))
    if not found:
        return None
    _, layer, shape = max(found, key=lambda one: one[0])
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
