"""Colour jitter as one affine map a pixel.

torchvision draws the order of brightness, contrast, saturation and hue and clips after each. Here hue turns the
chroma plane of YIQ instead of HSV's circle, and clipping comes last; then all four commute, so no order is drawn.
"""

from __future__ import annotations

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness (ITU-R BT.601), as torchvision's grayscale has them."""
_YIQ = ((*LUMA,), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
_STEPS = 1 << 16


def luma(images: Tensor) -> Tensor:
    """Brightness (B, S, S) of images (B, 3, S, S)."""
    red, green, blue = images.unbind(1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def grey(images: Tensor) -> Tensor:
    """The images (B, 3, S, S) without colour."""
    return luma(images)[:, None].expand_as(images)


def matrices(brightness: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """The linear maps (B, 3, 3) of colours that scale brightness and saturation by factors and turn the hue.

    Each is (B,); `hue` is in radians. Greys keep their colour, and but for `brightness` every colour keeps its luma.
    """
    yiq = torch.tensor(_YIQ, dtype=torch.float64)
    turn = torch.tensor(((0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0)), dtype=torch.float64)
    to_grey = torch.tensor((LUMA,), dtype=torch.float64).expand(3, 3)
    parts = (to_grey, torch.eye(3, dtype=torch.float64) - to_grey, torch.linalg.inv(yiq) @ turn @ yiq)
    still, chroma, quarter = (part.to(hue.device, torch.float32) for part in parts)
    factors = torch.stack((torch.ones_like(hue), saturation * torch.cos(hue), saturation * torch.sin(hue)))
    factors = (factors * brightness)[:, :, None, None]
    return factors[0] * still + factors[1] * chroma + factors[2] * quarter


def jitter(images: Tensor, strengths: tuple[float, float, float, float], draws: Tensor) -> Tensor:
    """Images (B, 3, S, S) in 0..1, their colours changed as `draws` (B, 4) in (0, 1) have it, clipped to 0..1.

    `strengths`: the most by which the factors of brightness, contrast and saturation (each at least 0) lie off 1,
    and by which the hue turns, as a share of the circle. Contrast is about the image's mean luma.
    """
    most = torch.tensor(strengths, device=images.device)
    offsets = most * (2 * draws - 1)
    brightness, contrast, saturation = (1 + offsets[:, :3]).clamp(min=0).unbind(1)
    m = (contrast[:, None, None] * matrices(brightness, saturation, 2 * torch.pi * offsets[:, 3]))[..., None, None]
    red, green, blue = images[:, :1], images[:, 1:2], images[:, 2:]
    changed = m[:, :, 0] * red + m[:, :, 1] * green + m[:, :, 2] * blue
    return (changed + ((1 - contrast) * brightness * _mean_luma(images))[:, None, None, None]).clamp(0, 1)


def _mean_luma(images: Tensor) -> Tensor:
    """Mean brightness of each image, (B,): a sum of whole numbers, so that the order of adding is no matter."""
    steps = (luma(images) * _STEPS).round().to(torch.int64).sum((1, 2))
    return steps.to(torch.float32) / (_STEPS * images.shape[2] * images.shape[3])
