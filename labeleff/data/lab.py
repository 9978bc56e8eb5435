"""CIELAB to the levels of a screen: back from what the paper's preprocessing made with scikit-image's `rgb2lab`.

L, a and b are those of CIE 15 under D65 for the observer of 2 degrees; red, green and blue are sRGB's (IEC 61966-2-1).
The rounded constants are scikit-image's, so that nothing but rounding is lost.
"""

from __future__ import annotations

import torch
from torch import Tensor

WHITE = (0.95047, 1.0, 1.08883)
"""X, Y and Z of white."""
XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
"""X, Y and Z of linear red, green and blue."""
BREAK = 0.2068966
"""Where the cube root of L, a and b begins; below, it is a straight line."""
GAMUT = 0.005
"""How far out of 0..1 linear light may be that float16 brought there; of all 2**24 colours none gets beyond 0.001."""


def linear(lightness: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Linear red, green and blue, in 0..1 where a screen has the colour, of L in 0..100 and a and b; float64."""
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
    """The nearest of sRGB's 256 levels, uint8, of linear light; what lies beyond 0..1 gets the first or last level."""
    halves = (torch.arange(255, dtype=torch.float64) + 0.5) / 255
    edges = torch.where(halves > 0.04045, ((halves + 0.055) / 1.055) ** 2.4, halves / 12.92)
    return torch.bucketize(light, edges).to(torch.uint8)
