"""Batch-norm that takes its activation along, and sequences of layers that let it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from torch import Tensor, nn

from labeleff.training.kernels.maps import activation_of, normalise, normalised_by_torch, pool


class UncountedBatchNorm2d(nn.BatchNorm2d):
    """Batch-norm of fixed momentum without the step counter, which such a layer never reads."""

    alone = False
    """Whether the model is computed by itself, so that compiled kernels may compute it."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, H, W) as `nn.BatchNorm2d` does."""
        return normalise(self, input) if self.alone else normalised_by_torch(self, input)


class FusedSequential(nn.Sequential):
    """A sequence in which batch-norms take the activation that follows along."""

    alone = False
    """Whether the model is computed by itself; in a pack each layer is computed separately."""

    def forward(self, input: Tensor) -> Tensor:
        """Compute what the layers one after another do."""
        return chain(self, input) if self.alone else cast("Tensor", super().forward(input))  # type: ignore[no-untyped-call]


def chain(layers: Iterable[nn.Module], maps: Tensor) -> Tensor:
    """Apply layers one after another to maps (N, C, H, W), batch-norms together with what follows them."""
    waiting: nn.BatchNorm2d | None = None
    for layer in layers:
        if waiting is not None:
            activation, norm, waiting = activation_of(layer), waiting, None
            if activation is not None:
                maps = normalise(norm, maps, activation)
                continue
            maps = norm(maps)
        if isinstance(layer, UncountedBatchNorm2d):
            waiting = layer
        else:
            maps = pool(maps) if halves(layer) else layer(maps)
    return maps if waiting is None else cast("Tensor", waiting(maps))


def halves(layer: nn.Module) -> bool:
    """Whether a layer takes maxima of 2x2 pixels."""
    if type(layer) is not nn.MaxPool2d or layer.ceil_mode or layer.return_indices:
        return False
    return (layer.kernel_size, layer.stride, layer.padding, layer.dilation) == (2, 2, 0, 1)


def fuses(layer: nn.Module) -> bool:
    """Whether a module is a plain sequence that has batch-norms or halves maps."""
    if not isinstance(layer, nn.Sequential) or type(layer).forward is not nn.Sequential.forward:
        return False
    return any(isinstance(one, nn.BatchNorm2d) or halves(one) for one in layer)
