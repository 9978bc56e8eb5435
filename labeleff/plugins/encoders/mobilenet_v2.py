"""MobileNetV2 (Sandler et al. 2018), exactly torchvision's, up to its 1280 features.

Dropout and classifier are left to the head. `stem = "imagenet"` keeps torchvision's strides (a 32-px image ends at
1x1); `stem = "cifar"` keeps stride 1 in the first two downsamplings (it ends at 4x4), which small images need.

`bn_momentum` is the share of a batch's statistics that enters the moving ones per step, `bn_eps` is added to variances;
the defaults are PyTorch's. Keras's MobileNetV2 keeps 0.999 of the moving statistics per step and adds 0.001, which is
`bn_momentum = 0.001, bn_eps = 0.001` here. `init = "glorot"` starts the convolutions as Keras does (Glorot and Bengio
2010, uniform), "kaiming" as torchvision does. Keras pads strided layers at the far sides alone: maps of even sides are
then those of this network, mirrored in both directions, kernels too, so that nothing is gained or lost by it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from torch import Tensor, nn
from torchvision.models import mobilenet_v2

from labeleff.catalogue.declaration import OptionValue
from labeleff.plugins.encoders.interface import Encoder, Upstream

BORDERS = (0, 2, 4, 7, 14, 19)
"""Layers at which the stages begin; torchvision's 2, 4, 7 and 14 halve the side."""


class MobileNetV2(Encoder):
    """MobileNetV2: images (N, 3, H, W) to features (N, 1280)."""

    dim = 1280
    upstream = Upstream("classifier.")
    stages = ("stage1", "stage2", "stage3", "stage4", "stage5")
    packing = "grouped"

    def __init__(self, stem: str = "imagenet", factor: float = 1.0) -> None:
        super().__init__()
        self.features = mobilenet_v2(width_mult=factor).features
        if stem == "cifar":
            strided = [m for m in self.features.modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
            for conv in strided[:2]:
                conv.stride = (1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Compute features (N, 1280): the last map averaged over its positions."""
        return self.features(images).mean((2, 3))  # type: ignore[no-any-return]

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Compute the last map before every downsampling, and the last of all, with 1280 channels."""
        maps = {}
        for name, (first, end) in zip(self.stages, itertools.pairwise(BORDERS), strict=True):
            for layer in self.features[first:end]:
                images = layer(images)
            maps[name] = images
        return maps

    def parts(self) -> dict[str, list[nn.Module]]:
        """Return torchvision's layers, in the order of the maps."""
        borders = itertools.pairwise(BORDERS)
        return {name: list(self.features[a:b]) for name, (a, b) in zip(self.stages, borders, strict=True)}


def build(options: Mapping[str, OptionValue]) -> Encoder:
    """Build a MobileNetV2; options `stem`, `bn_momentum`, `bn_eps`, `init`."""
    return _configured(MobileNetV2(str(options["stem"])), options)


def narrow(options: Mapping[str, OptionValue], factor: float, channels: int) -> Encoder:
    """Build a MobileNetV2 with about `factor` times the channels and 640 features, for images of `channels` channels.

    torchvision rounds channel counts to multiples of 8, and keeps 1280 features at any width; here the last layer is
    half as wide.
    """
    net = MobileNetV2(str(options["stem"]), factor)
    net.dim //= 2
    first, last = net.features[0][0], net.features[-1][0]
    net.features[0][0] = _like(first, channels, first.out_channels)
    net.features[-1][0] = _like(last, last.in_channels, net.dim)
    net.features[-1][1] = nn.BatchNorm2d(net.dim)
    return _configured(net, options)


def _configured(net: MobileNetV2, options: Mapping[str, OptionValue]) -> MobileNetV2:
    """Set the batch-norm constants and the initial weights of a network by its options."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum, module.eps = float(options["bn_momentum"]), float(options["bn_eps"])
        elif isinstance(module, nn.Conv2d) and options["init"] == "glorot":
            _start_as_keras(module)
    return net


def _start_as_keras(conv: nn.Conv2d) -> None:
    """Draw weights evenly within sqrt(6 / (inputs + outputs)) per position, as Keras counts them.

    Keras's depthwise kernels are (h, w, C, 1): all C channels count as inputs of one output.
    """
    inside, outside = (conv.in_channels, conv.out_channels) if conv.groups == 1 else (conv.in_channels, 1)
    limit = math.sqrt(6 / (math.prod(conv.kernel_size) * (inside + outside)))
    nn.init.uniform_(conv.weight, -limit, limit)


def _like(conv: nn.Conv2d, inside: int, outside: int) -> nn.Conv2d:
    """Create a convolution with other channel counts, initialised as torchvision does."""
    new = nn.Conv2d(inside, outside, conv.kernel_size, conv.stride, conv.padding, bias=False)  # type: ignore[arg-type]
    nn.init.kaiming_normal_(new.weight, mode="fan_out")
    return new
