"""torchvision's ResNet-18 and ResNet-50, as they are, or with the stem for small images: 3x3 stride 1, no max-pool."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torchvision.models import ResNet, resnet18, resnet50

from labeleff.cell import OptionValue
from labeleff.encoders import Encoder, Upstream


class SmallImageResNet(Encoder):
    """Images (N, 3, H, W) to the globally averaged last map (N, 512 or 2048)."""

    upstream = Upstream("fc.", "net.", "net.conv1.weight")

    def __init__(self, net: ResNet) -> None:
        super().__init__()
        self.dim = net.fc.in_features
        net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
        net.maxpool = nn.Identity()
        net.fc = nn.Identity()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, dim)."""
        return self.net(images)  # type: ignore[no-any-return]


class ImageNetResNet(Encoder):
    """The same with torchvision's own stem (7x7, stride 2, max-pool), so that its weights fit; 32 pixels end at 1x1."""

    upstream = Upstream("fc.", "net.")

    def __init__(self, net: ResNet) -> None:
        super().__init__()
        self.dim = net.fc.in_features
        net.fc = nn.Identity()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, dim)."""
        return self.net(images)  # type: ignore[no-any-return]


def build18(options: Mapping[str, OptionValue]) -> Encoder:  # noqa: ARG001
    """A fresh ResNet-18, 512 features."""
    return SmallImageResNet(resnet18())


def build50(options: Mapping[str, OptionValue]) -> Encoder:  # noqa: ARG001
    """A fresh ResNet-50, 2048 features."""
    return SmallImageResNet(resnet50())


def build18_imagenet(options: Mapping[str, OptionValue]) -> Encoder:  # noqa: ARG001
    """A fresh ResNet-18 with torchvision's stem, 512 features."""
    return ImageNetResNet(resnet18())


def build50_imagenet(options: Mapping[str, OptionValue]) -> Encoder:  # noqa: ARG001
    """A fresh ResNet-50 with torchvision's stem, 2048 features."""
    return ImageNetResNet(resnet50())
