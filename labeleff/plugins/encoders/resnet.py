"""ResNet-18 and ResNet-50 of torchvision (He et al. 2016), also for small images.

The stem for small images is a 3x3 convolution of stride 1, without max-pool.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from torch import Tensor, nn
from torchvision.models import ResNet, resnet18, resnet50

from labeleff.catalogue.declaration import OptionValue
from labeleff.plugins.encoders.interface import Encoder, Upstream

PLANES = {"layer1": 64, "layer2": 128, "layer3": 256, "layer4": 512}
"""Width of each layer, in torchvision's `planes`."""
MULTIPLE = 8
"""Divisor of all channel counts of narrow networks."""


class ImageNetResNet(Encoder):
    """ResNet with ImageNet's stem: images (N, 3, H, W) to features (N, 512 or 2048); 32 pixels end at 1x1.

    This is torchvision's network except for its classifier, so its weights fit.
    """

    stages = ("stem", "layer1", "layer2", "layer3", "layer4")
    upstream = Upstream("fc.", "net.")

    def __init__(self, net: ResNet) -> None:
        super().__init__()
        self.dim = net.fc.in_features
        net.fc = nn.Identity()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """Compute features (N, dim)."""
        return self.net(images)  # type: ignore[no-any-return]

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Compute the maps of the stem and the four layers, the last with 512 or 2048 channels."""
        maps = {"stem": self.net.maxpool(self.net.relu(self.net.bn1(self.net.conv1(images))))}
        for above, name in itertools.pairwise(self.stages):
            maps[name] = self.net.get_submodule(name)(maps[above])
        return maps

    def parts(self) -> dict[str, list[nn.Module]]:
        """Return the stem's convolution and batch-norm, and the four layers."""
        layers = {name: [self.net.get_submodule(name)] for name in self.stages[1:]}
        return {"stem": [self.net.conv1, self.net.bn1], **layers}


class SmallImageResNet(ImageNetResNet):
    """ResNet with a stem of 3x3, stride 1 and without the first max-pool; 32 pixels end at 4x4."""

    upstream = Upstream("fc.", "net.", "net.conv1.weight")

    def __init__(self, net: ResNet, channels: int = 3) -> None:
        super().__init__(net)
        net.conv1 = nn.Conv2d(channels, net.bn1.num_features, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
        net.maxpool = nn.Identity()


def build18(options: Mapping[str, OptionValue]) -> Encoder:  # noqa: ARG001
    """Build a ResNet-18, 512 features."""
    return SmallImageResNet(resnet18())


def build50(options: Mapping[str, OptionValue]) -> Encoder:  # noqa: ARG001
    """Build a ResNet-50, 2048 features."""
    return SmallImageResNet(resnet50())


def build18_imagenet(options: Mapping[str, OptionValue]) -> Encoder:  # noqa: ARG001
    """Build a ResNet-18 with torchvision's stem, 512 features."""
    return ImageNetResNet(resnet18())


def build50_imagenet(options: Mapping[str, OptionValue]) -> Encoder:  # noqa: ARG001
    """Build a ResNet-50 with torchvision's stem, 2048 features."""
    return ImageNetResNet(resnet50())


def narrow18(options: Mapping[str, OptionValue], factor: float, channels: int) -> Encoder:  # noqa: ARG001
    """Build a ResNet-18 with about `factor` times the channel counts, for images of `channels` channels."""
    return SmallImageResNet(_narrow(resnet18(), factor), channels)


def narrow50(options: Mapping[str, OptionValue], factor: float, channels: int) -> Encoder:  # noqa: ARG001
    """Build a narrow ResNet-50, as `narrow18` does."""
    return SmallImageResNet(_narrow(resnet50(), factor), channels)


def _narrow(net: ResNet, factor: float) -> ResNet:
    """Replace every layer of a network by one `factor` times as wide, initialised as torchvision does.

    torchvision's own `width_per_group` would leave the maps between the blocks of a ResNet-50 at their full width.
    """

    def scaled(width: int) -> int:
        return max(MULTIPLE, round(factor * width / MULTIPLE) * MULTIPLE)

    net.inplanes = scaled(64)
    net.bn1 = nn.BatchNorm2d(net.inplanes)
    for number, (name, planes) in enumerate(PLANES.items()):
        full = net.get_submodule(name)
        block, stride = type(full[0]), 1 if number == 0 else 2
        layer = net._make_layer(block, scaled(planes), len(full), stride)
        for conv in (module for module in layer.modules() if isinstance(module, nn.Conv2d)):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        setattr(net, name, layer)
    net.fc = nn.Linear(net.inplanes, 1)
    return net
