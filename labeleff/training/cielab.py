"""CIELAB on the device: lightness and colour of images as separate channels.

L, a and b are those of CIE 15 under D65 for the observer of 2 degrees; red, green and blue are sRGB's (IEC 61966-2-1).
The rounded constants are scikit-image's, so that nothing but rounding is lost.

sRGB (IEC 61966-2-1) to CIE 1976 L*a*b* at the white of D65. Jittered images may leave 0..1; every curve goes on beyond
(as scRGB has it), so nothing is clipped and everything has a gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labeleff.training.images import Normalisation

WHITE = (0.95047, 1.0, 1.08883)
"""X, Y and Z of the white point."""
XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
"""Rows X, Y and Z as sums of linear red, green and blue (scikit-image's constants)."""
BREAK = 0.2068966
"""Value of f above which light is its cube; below, it is a straight line."""
GAMUT = 0.005
"""Largest distance from 0..1 of linear light that float16 may explain; none of the 2**24 colours exceeds 0.001."""


def linear(lightness: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Convert L in 0..100, a and b to linear red, green and blue, float64; in 0..1 where a screen has the colour."""
    fy = (lightness + 16) / 116
    curved = (fy + a / 500, fy, fy - b / 200)
    x, y, z = (
        white * torch.where(f > BREAK, f * f * f, (f - 16 / 116) / 7.787)
        for white, f in zip(WHITE, curved, strict=True)
    )
    back = torch.linalg.inv(torch.tensor(XYZ, dtype=torch.float64)).tolist()
    red, green, blue = (row[0] * x + row[1] * y + row[2] * z for row in back)
    return red, green, blue


def levels(light: Tensor) -> Tensor:
    """Round linear light to the nearest of sRGB's 256 levels, uint8; values beyond 0..1 get the first or last level."""
    halves = (torch.arange(255, dtype=torch.float64) + 0.5) / 255
    edges = torch.where(halves > 0.04045, ((halves + 0.055) / 1.055) ** 2.4, halves / 12.92)
    return torch.bucketize(light, edges).to(torch.uint8)


_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
"""Linear sRGB to XYZ; each row sums to the white point's coordinate."""
_DELTA = 6 / 29
_BLOCK = 1024


def _linear(levels: Tensor) -> Tensor:
    """Convert sRGB levels in 0..1 to linear light: a straight line near and under 0, a power above."""
    return torch.where(levels <= 0.04045, levels / 12.92, ((levels.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def _perceived(light: Tensor) -> Tensor:
    """Apply CIE's cube root, which is linear near and under 0."""
    root = light.clamp(min=_DELTA**3) ** (1 / 3)
    return torch.where(light > _DELTA**3, root, light / (3 * _DELTA**2) + 4 / 29)


def lab(images: Tensor) -> Tensor:
    """Convert sRGB images (B, 3, H, W) in 0..1 to L*a*b*: L* in 0..100, a* and b* within about +-110."""
    red, green, blue = _linear(images).unbind(1)
    x, y, z = (_perceived((r * red + g * green + b * blue) / (r + g + b)) for r, g, b in _XYZ)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), 1)


class Lab(nn.Module):
    """A layer from normalised RGB to normalised L*a*b*; its statistics are buffers, saved and moved with an encoder.

    Until `measure` has seen images, the statistics are round numbers.
    """

    def __init__(self) -> None:
        super().__init__()
        for name, values in (
            ("rgb_mean", (0.5, 0.5, 0.5)),
            ("rgb_std", (0.25, 0.25, 0.25)),
            ("mean", (50.0, 0.0, 0.0)),
            ("std", (25.0, 20.0, 20.0)),
        ):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1))
        self.rgb_mean: Tensor
        self.rgb_std: Tensor
        self.mean: Tensor
        self.std: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """Convert images normalised as for `measure` to L*a*b* (B, 3, H, W), normalised per channel."""
        return (lab(images * self.rgb_std + self.rgb_mean) - self.mean) / self.std

    def measure(self, images: Tensor, normalisation: Normalisation) -> None:
        """Set the normalisation of RGB, and measure L*a*b* statistics over uint8 images (N, H, W, 3), in blocks."""
        total = torch.zeros(2, 3, dtype=torch.float64)
        for block in torch.split(images, _BLOCK):
            values = lab(block.permute(0, 3, 1, 2).to(torch.float64) / 255)
            total += torch.stack((values.sum((0, 2, 3)), values.square().sum((0, 2, 3)))).cpu()
        mean, square = total / (images.numel() // 3)
        std = (square - mean.square()).clamp(min=1.0).sqrt()
        statistics = (normalisation.mean / 255, normalisation.std / 255, mean, std)
        for buffer, values in zip((self.rgb_mean, self.rgb_std, self.mean, self.std), statistics, strict=True):
            buffer.copy_(values.view(3, 1, 1))
