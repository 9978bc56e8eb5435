"""Layers on maps that are compiled: batch-norm with an activation, 2x2 max-pooling and depthwise 3x3 convolutions.

Torch's operators read and write a map once per layer and direction; on small networks that takes a third of a step.
Here an activation is part of its batch-norm, there and back, and the way back needs the output alone. The functions
take and give what the torch layers do, equal to rounding.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
import warnings
from collections.abc import Iterator
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from labeleff.errors import LabeleffWarning
from labeleff.training.kernels.compiled import library

Activation = tuple[str, float]
"""Name and parameter of an activation."""
PLAIN: Activation = ("none", 1.0)
TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 0.03}
"""Difference from torch that is rounding, relative; rounding can take a value to the other side of a bend."""
TRIED = ((11, 29, 10, 6), (2, 300, 2, 2))
"""Shapes of the maps (N, C, H, W) that are compared."""
_NAMES = ("none", "relu", "relu6", "celu")
_PARAMETERS = (1.0, 1.0, 1.0, 0.075)
"""Parameters that the activations are compared with."""
_TYPES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
_POINTER, _LONG, _INT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
_FLOAT, _DOUBLE = ctypes.c_float, ctypes.c_double
_DEPTHWISE = [_POINTER, _POINTER, _POINTER, _LONG, _INT, _INT, _INT, _INT]
_POOL = [_POINTER, _POINTER, _POINTER, _LONG, _INT, _INT, _INT]
_SIGNATURES = {
    "depthwise": _DEPTHWISE,
    "depthwise_maps": _DEPTHWISE,
    "depthwise_kernels": _DEPTHWISE,
    "normalise": [*[_POINTER] * 3, _LONG, _INT, *[_POINTER] * 6, _DOUBLE, _DOUBLE, _INT, _FLOAT],
    "normalise_back": [*[_POINTER] * 5, _LONG, _INT, *[_POINTER] * 5, _INT, _FLOAT],
    "pool": _POOL,
    "pool_back": _POOL,
}


@functools.cache
def _kernels() -> ctypes.CDLL | None:
    """The compiled kernels with their signatures; None where there are none."""
    kernels = library()
    if kernels is None:
        return None
    for name, signature in _SIGNATURES.items():
        for suffix in [""] if signature is _DEPTHWISE else [f"_{kind}" for kind in _TYPES.values()]:
            function = getattr(kernels, name + suffix)
            function.argtypes, function.restype = signature, None
    return kernels


@functools.cache
def trusted() -> bool:
    """Whether there are kernels, and all give torch's numbers on this machine; warns where they don't."""
    if _kernels() is None:
        return False
    try:
        with torch.inference_mode(mode=False), torch.enable_grad(), torch.autocast("cpu", enabled=False):
            wrong = [name for name, ours, theirs, leaves in _trials() if not _alike(ours, theirs, leaves)]
    except (KeyError, RuntimeError) as error:  # another default type, or within a transform of torch.func
        wrong = [f"the comparison failed: {error}"]
    if wrong:
        what = ", ".join(dict.fromkeys(wrong))
        text = f"compiled kernels give other numbers than torch's on this machine ({what}): they are left aside"
        warnings.warn(text, LabeleffWarning, stacklevel=2)
    return not wrong


def _trials() -> Iterator[tuple[str, Tensor, Tensor, list[Tensor]]]:
    """Yield results by name, of the kernels and by torch in float64, with the leaves that both were computed from.

    The sizes reach every loop of the kernels: rest of channels and rows, several blocks, more channels than a row has.
    """
    for dtype, shape in itertools.product(_TYPES, TRIED):
        maps, added = (_made(shape, first, dtype) for first in (0, 1))
        exact, more, channels = maps.double(), added.double(), shape[1]
        for activation in zip(_NAMES, _PARAMETERS, strict=True):
            norm = nn.BatchNorm2d(channels, device="cpu", dtype=torch.float32)
            nn.init.constant_(norm.weight, 3.0)  # so that 6 is reached
            leaves = [maps, added, norm.weight, norm.bias]
            parts = (norm.weight.double(), norm.bias.double())
            ours = cast("Tensor", _Normalise.apply(maps, added, norm.weight, norm.bias, norm, activation))
            theirs = F.batch_norm(exact, None, None, *parts, training=True, eps=norm.eps)
            yield activation[0], ours, activated(theirs + more, activation), leaves
            assert norm.running_mean is not None
            assert norm.running_var is not None
            yield "moving mean", norm.running_mean, 0.1 * exact.mean((0, 2, 3)), []
            yield "moving variance", norm.running_var, 0.9 + 0.1 * exact.transpose(0, 1).flatten(1).var(1), []
            ours = _normalised(norm.eval(), maps, activation, None)[0]
            theirs = F.batch_norm(exact, norm.running_mean.double(), norm.running_var.double(), *parts)
            yield f"{activation[0]} in evaluation", ours, activated(theirs, activation), []
        yield "pooling", cast("Tensor", _Pool.apply(maps)), F.max_pool2d(exact, 2), [maps]
    for shape, stride in itertools.product(TRIED, (1, 2)):
        maps, taps = _made(shape, 0, torch.float32), _made((shape[1], 1, 3, 3), 2, torch.float32)
        theirs = F.conv2d(maps.double(), taps.double(), stride=stride, padding=1, groups=shape[1])
        yield f"depthwise, stride {stride}", cast("Tensor", _Depthwise.apply(maps, taps, stride)), theirs, [maps, taps]


def _made(shape: tuple[int, ...], first: int, dtype: torch.dtype) -> Tensor:
    """Values that differ, between -2 and 2, as a leaf of gradients."""
    numbers = torch.arange(first, first + math.prod(shape), device="cpu", dtype=torch.float32)
    values = 2 * (0.7391 * numbers).sin()
    return values.view(shape).to(dtype).requires_grad_()


def _alike(ours: Tensor, theirs: Tensor, leaves: list[Tensor]) -> bool:
    """Whether two results are equal to rounding, and so their gradients for a sum of fixed weights."""
    weights = 3 + _made(tuple(theirs.shape), 3, theirs.dtype).detach()  # over 0, so that no sum cancels
    pairs = [(ours, theirs)]
    if leaves:
        sides = [torch.autograd.grad(one, leaves, weights.to(one.dtype)) for one in (ours, theirs)]
        pairs += zip(*sides, strict=True)
    return all(_distance(one, other) < TOLERANCES[ours.dtype] for one, other in pairs)


def _distance(ours: Tensor, theirs: Tensor) -> float:
    """Length of the difference, relative to the length of what torch gives; infinite for what isn't finite."""
    distance = float(((ours.double() - theirs.double()).norm() / theirs.double().norm()).detach())
    return distance if math.isfinite(distance) else math.inf


def usable(maps: Tensor) -> bool:
    """Whether maps (N, C, H, W) can be computed by the kernels, which have one thread: float32 or bfloat16 on a CPU."""
    return maps.dtype in _TYPES and maps.device.type == "cpu" and torch.get_num_threads() == 1 and trusted()


def _call(name: str, maps: Tensor | None, *arguments: Any) -> None:
    """Call a kernel for the type of `maps`, or one that has no types, with tensors given by their addresses."""
    suffix = "" if maps is None else f"_{_TYPES[maps.dtype]}"
    numbers = (one.data_ptr() if isinstance(one, Tensor) else one for one in arguments)
    getattr(_kernels(), name + suffix)(*numbers)


def _arranged(maps: Tensor) -> Tensor:
    return maps.contiguous(memory_format=torch.channels_last)


class _Normalise(torch.autograd.Function):
    """Batch-norm in training of maps (N, C, H, W), plus maps `added`, and an activation."""

    @staticmethod
    def forward(
        ctx: Any,
        maps: Tensor,
        added: Tensor | None,
        gain: Tensor,
        offset: Tensor,  # noqa: ARG004  is the norm's, and here for its gradient
        norm: nn.BatchNorm2d,
        activation: Activation,
    ) -> Tensor:
        """Compute the output, and update the running statistics."""
        output, maps, statistics = _normalised(norm, maps, activation, added)
        plain = activation == PLAIN  # then the output isn't needed, and may be changed by what follows
        ctx.save_for_backward(maps, maps if plain else output, gain, statistics)
        ctx.settings = (*_numbered(activation), added is not None)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients of maps, added maps, gains and offsets."""
        maps, output, gain, statistics = ctx.saved_tensors
        *activation, adds = ctx.settings
        rows, channels = maps.numel() // maps.shape[1], maps.shape[1]
        for_maps, for_added = torch.empty_like(maps), torch.empty_like(maps) if adds else None
        sums = torch.empty_like(statistics)
        tensors = (_arranged(gradients[0]), output, maps, for_maps, for_added)
        rest = (gain, *statistics.unbind(), *sums.unbind(), *activation)
        _call("normalise_back", maps, *tensors, rows, channels, *rest)
        return for_maps, for_added, sums[1], sums[0], None, None


def _numbered(activation: Activation) -> tuple[int, float]:
    return _NAMES.index(activation[0]), activation[1]


def _normalised(
    norm: nn.BatchNorm2d, maps: Tensor, activation: Activation, added: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute a layer's output; also returns the maps in order, and means and inverse standard deviations (2, C)."""
    maps, added = _arranged(maps), None if added is None else _arranged(added)
    output, rows, channels = torch.empty_like(maps), maps.numel() // maps.shape[1], maps.shape[1]
    statistics = torch.empty(2, channels, dtype=torch.float32, device="cpu")
    parts = (norm.weight, norm.bias, norm.running_mean, norm.running_var, *statistics.unbind())
    momentum = norm.momentum if norm.training else -1.0  # no statistics of these maps in evaluation
    constants = (norm.eps, momentum, *_numbered(activation))
    _call("normalise", maps, maps, added, output, rows, channels, *parts, *constants)
    return output, maps, statistics


def normalise(
    norm: nn.BatchNorm2d, maps: Tensor, activation: Activation = PLAIN, added: Tensor | None = None
) -> Tensor:
    """Compute activation(norm(maps) + added) of maps (N, C, H, W), and update the running statistics in training."""
    if not _fits(norm, maps, added):
        normed = normalised_by_torch(norm, maps)
        return activated(normed if added is None else normed + added, activation)
    if not norm.training:
        return _normalised(norm, maps, activation, added)[0]
    return cast("Tensor", _Normalise.apply(maps, added, norm.weight, norm.bias, norm, activation))


def _fits(norm: nn.BatchNorm2d, maps: Tensor, added: Tensor | None) -> bool:
    """Whether the kernels can compute a batch-norm: with all its parts in float32, without gradient in evaluation."""
    parts = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    if any(part is None or part.dtype != torch.float32 for part in parts) or norm.momentum is None:
        return False
    if added is not None and (added.dtype != maps.dtype or added.shape != maps.shape):
        return False
    if not norm.training and torch.is_grad_enabled():
        return False
    return maps.ndim == 4 and maps.numel() > maps.shape[1] and usable(maps)


def normalised_by_torch(norm: nn.BatchNorm2d, maps: Tensor) -> Tensor:
    """Compute a batch-norm of fixed momentum without its step counter, which such a layer never reads."""
    momentum = 0.0 if norm.momentum is None else norm.momentum
    return F.batch_norm(
        maps, norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.training, momentum, norm.eps
    )


def activated(maps: Tensor, activation: Activation) -> Tensor:
    """Apply an activation to maps."""
    name, alpha = activation
    if name == "celu":
        return F.celu(maps, alpha)
    return maps if name == "none" else torch.relu(maps) if name == "relu" else F.relu6(maps)


def activation_of(layer: nn.Module) -> Activation | None:
    """The activation that a layer is, where the kernels have it."""
    if type(layer) is nn.CELU and layer.alpha > 0:
        return "celu", layer.alpha
    return {nn.ReLU: ("relu", 1.0), nn.ReLU6: ("relu6", 1.0)}.get(type(layer))


class _Pool(torch.autograd.Function):
    """Maxima of 2x2 pixels of maps (N, C, H, W), H and W even."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> Tensor:
        """Compute the maxima (N, C, H / 2, W / 2)."""
        maps = _arranged(maps)
        images, channels, height, width = ctx.size = maps.shape
        shape = (images, channels, height // 2, width // 2)
        output = torch.empty(shape, dtype=maps.dtype, memory_format=torch.channels_last)
        which = torch.empty(output.numel(), dtype=torch.int32)
        _call("pool", maps, maps, output, which, images, height, width, channels)
        ctx.save_for_backward(which)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Give the gradient of a maximum to the pixel that has it."""
        [which], [gradient] = ctx.saved_tensors, gradients
        images, channels, height, width = ctx.size
        for_maps = torch.empty(ctx.size, dtype=gradient.dtype, memory_format=torch.channels_last)
        _call("pool_back", gradient, _arranged(gradient), which, for_maps, images, height, width, channels)
        return for_maps


def pool(maps: Tensor) -> Tensor:
    """Compute the maxima of 2x2 pixels of maps (N, C, H, W): (N, C, H // 2, W // 2)."""
    if maps.ndim == 4 and maps.shape[2] % 2 == maps.shape[3] % 2 == 0 and usable(maps):
        return cast("Tensor", _Pool.apply(maps))
    return F.max_pool2d(maps, 2)


class _Depthwise(torch.autograd.Function):
    """Convolution of maps (N, C, H, W) by one kernel (3, 3) a channel, (C, 1, 3, 3) in all, with padding 1."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, kernels: Tensor, stride: int) -> Tensor:
        """Compute the output (N, C, ceil(H / stride), ceil(W / stride))."""
        maps, by_tap = _arranged(maps), kernels.flatten(1).t().contiguous()
        images, channels, height, width = maps.shape
        shape = (images, channels, (height - 1) // stride + 1, (width - 1) // stride + 1)
        output = torch.empty(shape, memory_format=torch.channels_last)
        _call("depthwise", None, maps, by_tap, output, images, height, width, channels, stride)
        ctx.save_for_backward(maps, by_tap)
        ctx.stride = stride
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None]:
        """Compute the gradients of maps and kernels."""
        (maps, by_tap), gradient = ctx.saved_tensors, _arranged(gradients[0])
        images, channels, height, width = maps.shape
        sizes = (images, height, width, channels, ctx.stride)
        for_maps = None
        if ctx.needs_input_grad[0]:
            for_maps = torch.empty_like(maps)
            _call("depthwise_maps", None, gradient, by_tap, for_maps, *sizes)
        for_taps = torch.empty_like(by_tap)
        _call("depthwise_kernels", None, maps, gradient, for_taps, *sizes)
        return for_maps, for_taps.t().reshape(channels, 1, 3, 3), None


def depthwise(maps: Tensor, kernels: Tensor, stride: int) -> Tensor | None:
    """Convolve maps (N, C, H, W) by kernels (C, 1, 3, 3) with padding 1; None where the kernels can't."""
    if maps.dtype != torch.float32 or kernels.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
        return None
    return cast("Tensor", _Depthwise.apply(maps, kernels, stride)) if usable(maps) else None
