"""ResNet9 of Newell & Deng's code (CVPR 2020), after the myrtle.ai CIFAR-10 network.

At `width = 1`, `dim = 256` it has 6,699,328 parameters, as the reference implementation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import StudyError
from labeleff.plugins.encoders.interface import Encoder
from labeleff.training.kernels.maps import normalise
from labeleff.training.kernels.normalising import chain

CELU_ALPHA = 0.075


def _conv(inside: int, outside: int) -> nn.Conv2d:
    conv = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


def _downsample(inside: int, outside: int) -> nn.Sequential:
    """Create convolution, 2x2 max-pool, batch-norm and CELU, which halve the side."""
    return nn.Sequential(_conv(inside, outside), nn.MaxPool2d(2), nn.BatchNorm2d(outside), nn.CELU(CELU_ALPHA))


class _Residual(nn.Module):
    """Two 3x3 convolutions around an identity."""

    alone = False
    """Whether the model is computed by itself; then the last batch-norm takes sum and activation along."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(width, width), nn.BatchNorm2d(width), nn.ReLU(), _conv(width, width), nn.BatchNorm2d(width)
        )

    def forward(self, maps: Tensor) -> Tensor:
        if not self.alone:
            return torch.relu(maps + self.body(maps))
        *inner, norm = self.body
        return normalise(cast("nn.BatchNorm2d", norm), chain(inner, maps), ("relu", 1.0), maps)


class ResNet9(Encoder):
    """ResNet9: images (N, 3, H, W) with H, W multiples of 8 to features (N, dim).

    A linear layer is applied at every position of the last map, then the map is averaged ("prepool").
    """

    stages = ("stem", "layer1", "layer2", "layer3", "prepool")
    packing = "grouped"

    def __init__(self, width: float = 1.0, dim: int = 256, channels: int = 3) -> None:
        super().__init__()
        w = [max(4, round(width * full)) for full in (64, 128, 256, 512)]
        self.dim = dim
        self.layers = nn.Sequential(
            nn.Sequential(_conv(channels, w[0]), nn.BatchNorm2d(w[0]), nn.ReLU()),
            nn.Sequential(_downsample(w[0], w[1]), _Residual(w[1])),
            _downsample(w[1], w[2]),
            nn.Sequential(_downsample(w[2], w[3]), _Residual(w[3])),
        )
        self.prepool = nn.Linear(w[3], dim)

    def forward(self, images: Tensor) -> Tensor:
        """Compute features (N, dim); averaging, which commutes with the linear layer, comes first as it is cheaper."""
        self._check(images)
        return self.prepool(self.layers(images).mean((2, 3)))  # type: ignore[no-any-return]

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Compute the maps of stem and three layers, and the linear layer's map of the last, with dim channels."""
        self._check(images)
        maps = {}
        for name, layer in zip(self.stages, self.layers, strict=False):
            images = maps[name] = layer(images)
        maps["prepool"] = self.prepool(images.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return maps

    def parts(self) -> dict[str, list[nn.Module]]:
        """Return the stem, the three layers and the linear layer."""
        return {name: [part] for name, part in zip(self.stages, (*self.layers, self.prepool), strict=True)}

    @staticmethod
    def _check(images: Tensor) -> None:
        if images.shape[-1] % 8 or images.shape[-2] % 8:
            raise StudyError(
                f"resnet9 halves images three times: found size {tuple(images.shape[-2:])}, expected multiples of 8"
            )


def build(options: Mapping[str, OptionValue]) -> Encoder:
    """Build a ResNet9; options `width` (factor on all channel counts) and `dim` (features)."""
    return ResNet9(float(options["width"]), int(options["dim"]))


def narrow(options: Mapping[str, OptionValue], factor: float, channels: int) -> Encoder:
    """Build a ResNet9 with `factor` times the channels and half the features, for images of `channels` channels."""
    return ResNet9(float(options["width"]) * factor, max(1, int(options["dim"]) // 2), channels)
