"""Random views of images: the augmentations that SimCLR and its successors share.

torchvision draws the order of brightness, contrast, saturation and hue and clips after each. Here hue turns the
chroma plane of YIQ instead of HSV's circle, and clipping comes last; then all four commute, so no order is drawn.

In order: random resized crop, flip, colour jitter, grayscale, blur, solarisation (Chen et al. 2020, "A Simple
Framework for Contrastive Learning", appendix A; Grill et al. 2020, "Bootstrap Your Own Latent", appendix B). Every
random choice is a hash of (seed, epoch, sample, view), and no operation mixes samples, so a sample's views are the
same bits in any batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.seeding import stream_seed
from labeleff.training.hashed_random import hash32, uniform
from labeleff.training.images import Batch, Normalisation
from labeleff.training.streaming import limit, rows

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness (ITU-R BT.601), as torchvision's grayscale has them."""
_YIQ = ((*LUMA,), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
_STEPS = 1 << 16


def luma(images: Tensor) -> Tensor:
    """Compute the brightness (B, S, S) of images (B, 3, S, S)."""
    red, green, blue = images.unbind(1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def grey(images: Tensor) -> Tensor:
    """Remove the colour of images (B, 3, S, S)."""
    return luma(images)[:, None].expand_as(images)


def matrices(brightness: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Build the linear maps (B, 3, 3) of colours that scale brightness and saturation by factors and turn the hue.

    Each is (B,); `hue` is in radians. Greys stay grey, and only `brightness` changes the luma of a colour.
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
    """Change the colours of images (B, 3, S, S) in 0..1 by `draws` (B, 4) in (0, 1), clipped to 0..1.

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
    """Compute each image's mean brightness (B,) as a sum of integers, which doesn't depend on the order of adding."""
    steps = (luma(images) * _STEPS).round().to(torch.int64).sum((1, 2))
    return steps.to(torch.float32) / (_STEPS * images.shape[2] * images.shape[3])


SMALL = 32
"""Most pixels per side of images that are never blurred (Chen et al. 2020, appendix B.9, on CIFAR-10)."""
_TRIES = 10
"""Windows drawn for a crop, of which the first that lies inside the image is taken (as in torchvision)."""
_LOG_RATIO = math.log(4 / 3)
"""Aspect ratios of crops are log-uniform in 3/4..4/3."""
_FLIP, _JITTER, _GREY, _BLUR, _SOLARISE, _SIGMA, _LEFT, _TOP, _STRENGTH = range(9)
_AREA, _RATIO = 16, 16 + _TRIES
_DRAWS = 64
"""Room for one view's draws; what a view doesn't use costs nothing."""


@dataclass(frozen=True)
class Recipe:
    """Augmentations of one kind of view; everything is off at its default.

    `area`: smallest share of the image that a crop keeps, in (0, 1]. `flip`, `jitter`, `grey`, `blur`, `solarise`:
    the probability of each, in 0..1. `strengths`: the most that `jitter` changes brightness, contrast, saturation
    (all as factors, 1 - s to 1 + s) and hue (as a share of the circle, up to 0.5).
    """

    area: float = 1.0
    flip: float = 0.0
    jitter: float = 0.0
    strengths: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    grey: float = 0.0
    blur: float = 0.0
    solarise: float = 0.0


class ResidentViews:
    """A set of square images on the device that gives one view per recipe of every sample.

    `images`: uint8 (N, S, S, 3), `streamed` from the host's memory where they are too large for the device's (see
    `streaming`). `seed` names the stream of views.
    """

    def __init__(
        self,
        images: Tensor,
        normalisation: Normalisation,
        device: torch.device,
        recipes: Sequence[Recipe],
        *,
        seed: int = 0,
    ) -> None:
        self.count, self.side = int(images.shape[0]), int(images.shape[1])
        self._recipes = tuple(recipes)
        self._seed = stream_seed("views", seed)
        self.device, self.streamed = device, images.nbytes > limit(device)
        self._images = images if self.streamed else images.permute(0, 3, 1, 2).contiguous().to(device)
        self._mean = (normalisation.mean.to(device) / 255)[:, None, None]
        self._scale = (255 / normalisation.std.to(device))[:, None, None]

    @property
    def drawn_on(self) -> torch.device:
        """Device on which `samples` should be drawn, so that no copy is waited for."""
        return torch.device("cpu") if self.streamed else self.device

    def batch(self, samples: Tensor, epochs: Tensor) -> Batch:
        """Make normalised views of `samples` (B,) in their `epochs` (B,), recipe by recipe: (recipes * B, 3, S, S).

        The view that recipe v makes of sample i is in row v * B + i; `samples` and `turns` are of one recipe.
        """
        if self.streamed:
            levels = rows(self._images, samples, self.device).permute(0, 3, 1, 2).contiguous()
        else:
            levels = self._images.index_select(0, samples)
        levels = levels.to(torch.float32) / 255
        samples, epochs = (numbers.to(self.device, non_blocking=True) for numbers in (samples, epochs))
        which = torch.arange(_DRAWS, device=samples.device)
        views = []
        for number, recipe in enumerate(self._recipes):
            draws = uniform(hash32(self._seed, epochs[:, None], samples[:, None], which + _DRAWS * number))
            views.append((view(levels, recipe, draws) - self._mean) * self._scale)
        return Batch(images=torch.cat(views), samples=samples, turns=torch.zeros_like(samples))


def view(images: Tensor, recipe: Recipe, draws: Tensor) -> Tensor:
    """Make one view of each image (B, 3, S, S), values in 0..1, by `draws` (B, 64) in (0, 1)."""
    if recipe.area < 1 or recipe.flip:
        images = _sample(images, *_lines(images.shape[3], recipe, draws))
    if recipe.jitter:
        jittered = jitter(images, recipe.strengths, draws[:, _STRENGTH : _STRENGTH + 4])
        images = torch.where(_chosen(draws, _JITTER, recipe.jitter), jittered, images)
    if recipe.grey:
        images = torch.where(_chosen(draws, _GREY, recipe.grey), grey(images), images)
    if recipe.blur and images.shape[3] > SMALL:
        images = _blur(images, _chosen(draws, _BLUR, recipe.blur), draws[:, _SIGMA])
    if recipe.solarise:
        bright = _chosen(draws, _SOLARISE, recipe.solarise) & (images >= 0.5)
        images = torch.where(bright, 1 - images, images)
    return images


def _chosen(draws: Tensor, which: int, probability: float) -> Tensor:
    """Select the samples that an operation applies to: bool (B, 1, 1, 1)."""
    return (draws[:, which] < probability)[:, None, None, None]


def windows(area: float, draws: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw left, top, width and height of a random resized crop, (B,) each, as shares of the side.

    Where none of the drawn windows lies inside the image, the crop is the whole image. Unlike torchvision's, a
    window isn't rounded to whole pixels.
    """
    area_share = area + (1 - area) * draws[:, _AREA : _AREA + _TRIES]
    ratio = torch.exp(_LOG_RATIO * (2 * draws[:, _RATIO : _RATIO + _TRIES] - 1))
    width, height = torch.sqrt(area_share * ratio), torch.sqrt(area_share / ratio)
    inside = (width <= 1) & (height <= 1)
    first = inside.to(torch.int64).argmax(1, keepdim=True)
    any_inside = inside.any(1)
    width = torch.where(any_inside, width.gather(1, first)[:, 0], 1.0)
    height = torch.where(any_inside, height.gather(1, first)[:, 0], 1.0)
    return (1 - width) * draws[:, _LEFT], (1 - height) * draws[:, _TOP], width, height


def _lines(side: int, recipe: Recipe, draws: Tensor) -> tuple[Tensor, Tensor]:
    """Locate the output's columns and rows in the input, in pixels from the first one's middle: (B, S) each."""
    left, top, width, height = windows(recipe.area, draws)
    middles = (torch.arange(side, device=draws.device) + 0.5)[None, :]
    columns = torch.where((draws[:, _FLIP] < recipe.flip)[:, None], middles.flip(1), middles)
    return left[:, None] * side + width[:, None] * columns - 0.5, top[:, None] * side + height[:, None] * middles - 0.5


def _sample(images: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """Read images bilinearly at every row and column; positions outside have the value of the edge."""
    side = images.shape[3]
    scaled = [(2 * line + 1) / side - 1 for line in (columns, rows)]
    grid = torch.stack((scaled[0][:, None, :].expand(-1, side, -1), scaled[1][:, :, None].expand(-1, -1, side)), 3)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _blur(images: Tensor, chosen: Tensor, draw: Tensor) -> Tensor:
    """Blur the chosen images by a Gaussian over a tenth of the side, deviation 0.1 to 2 pixels."""
    radius = max(1, images.shape[3] // 20)
    offsets = torch.arange(-radius, radius + 1, device=images.device)[None, :]
    taps = torch.exp(-0.5 * (offsets / (0.1 + 1.9 * draw[:, None])).square())
    taps = taps / taps.sum(1, keepdim=True)
    blurred = images
    for axis in (2, 3):
        pad = (0, 0, radius, radius) if axis == 2 else (radius, radius, 0, 0)
        padded = F.pad(blurred, pad, mode="reflect")
        blurred = torch.zeros_like(images)
        for k in range(2 * radius + 1):
            blurred.addcmul_(taps[:, k, None, None, None], padded.narrow(axis, k, images.shape[3]))
    return torch.where(chosen, blurred, images)
