"""Random views of images: the augmentations that SimCLR and its successors share, batched on the device.

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

from labeleff.colour import grey, jitter
from labeleff.counter import hash32, uniform
from labeleff.pipeline import Batch, Normalisation
from labeleff.seeding import stream_seed
from labeleff.streaming import limit, rows

SMALL = 32
"""Most pixels a side of images that are never blurred (Chen et al. 2020, appendix B.9, on CIFAR-10)."""
_TRIES = 10
"""Windows drawn for a crop, of which the first that lies inside the image is taken (as torchvision has it)."""
_LOG_RATIO = math.log(4 / 3)
"""Aspect ratios of crops are log-uniform in 3/4..4/3."""
_FLIP, _JITTER, _GREY, _BLUR, _SOLARISE, _SIGMA, _LEFT, _TOP, _STRENGTH = range(9)
_AREA, _RATIO = 16, 16 + _TRIES
_DRAWS = 64
"""Room for one view's draws; what a view doesn't use costs nothing."""


@dataclass(frozen=True)
class Recipe:
    """How one kind of view is made; everything is off at its default.

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
    """A set of square images on the device that gives one view a recipe of every sample.

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
        """Where `samples` should be, so that nobody waits for them."""
        return torch.device("cpu") if self.streamed else self.device

    def batch(self, samples: Tensor, epochs: Tensor) -> Batch:
        """Normalised views of `samples` (B,) in their `epochs` (B,), recipe by recipe: images (recipes * B, 3, S, S).

        The view that recipe v makes of sample i is in row v * B + i; `samples` and `turns` are of one recipe.
        """
        if self.streamed:
            levels = rows(self._images, samples, self.device).permute(0, 3, 1, 2).contiguous()
        else:
            levels = self._images.index_select(0, samples)
        levels = levels.to(torch.float32) / 255
        samples, epochs = (numbers.to(self.device, non_blocking=True) for numbers in (samples, epochs))
        which = torch.arange(_DRAWS, device=samples.device)
        made = []
        for number, recipe in enumerate(self._recipes):
            draws = uniform(hash32(self._seed, epochs[:, None], samples[:, None], which + _DRAWS * number))
            made.append((view(levels, recipe, draws) - self._mean) * self._scale)
        return Batch(images=torch.cat(made), samples=samples, turns=torch.zeros_like(samples))


def view(images: Tensor, recipe: Recipe, draws: Tensor) -> Tensor:
    """One view of each of the images (B, 3, S, S), values in 0..1, as `draws` (B, 64) in (0, 1) have it."""
    if recipe.area < 1 or recipe.flip:
        images = _sampled(images, *_lines(images.shape[3], recipe, draws))
    if recipe.jitter:
        jittered = jitter(images, recipe.strengths, draws[:, _STRENGTH : _STRENGTH + 4])
        images = torch.where(_chosen(draws, _JITTER, recipe.jitter), jittered, images)
    if recipe.grey:
        images = torch.where(_chosen(draws, _GREY, recipe.grey), grey(images), images)
    if recipe.blur and images.shape[3] > SMALL:
        images = _blurred(images, _chosen(draws, _BLUR, recipe.blur), draws[:, _SIGMA])
    if recipe.solarise:
        bright = _chosen(draws, _SOLARISE, recipe.solarise) & (images >= 0.5)
        images = torch.where(bright, 1 - images, images)
    return images


def _chosen(draws: Tensor, which: int, probability: float) -> Tensor:
    """Which samples an operation is for: bool (B, 1, 1, 1)."""
    return (draws[:, which] < probability)[:, None, None, None]


def windows(area: float, draws: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Left, top, width and height of a random resized crop, (B,) each, as shares of the side.

    Where none of the drawn windows lies inside the image, the crop is the whole image. Unlike torchvision's, a
    window isn't rounded to whole pixels.
    """
    kept = area + (1 - area) * draws[:, _AREA : _AREA + _TRIES]
    ratio = torch.exp(_LOG_RATIO * (2 * draws[:, _RATIO : _RATIO + _TRIES] - 1))
    width, height = torch.sqrt(kept * ratio), torch.sqrt(kept / ratio)
    inside = (width <= 1) & (height <= 1)
    first = inside.to(torch.int64).argmax(1, keepdim=True)
    found = inside.any(1)
    width = torch.where(found, width.gather(1, first)[:, 0], 1.0)
    height = torch.where(found, height.gather(1, first)[:, 0], 1.0)
    return (1 - width) * draws[:, _LEFT], (1 - height) * draws[:, _TOP], width, height


def _lines(side: int, recipe: Recipe, draws: Tensor) -> tuple[Tensor, Tensor]:
    """Where the output's columns and rows lie in the input, in pixels from the first one's middle: (B, S) each."""
    left, top, width, height = windows(recipe.area, draws)
    middles = (torch.arange(side, device=draws.device) + 0.5)[None, :]
    columns = torch.where((draws[:, _FLIP] < recipe.flip)[:, None], middles.flip(1), middles)
    return left[:, None] * side + width[:, None] * columns - 0.5, top[:, None] * side + height[:, None] * middles - 0.5


def _sampled(images: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """Images read bilinearly at every row and column; what lies outside has the value of the edge."""
    side = images.shape[3]
    scaled = [(2 * line + 1) / side - 1 for line in (columns, rows)]
    grid = torch.stack((scaled[0][:, None, :].expand(-1, side, -1), scaled[1][:, :, None].expand(-1, -1, side)), 3)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _blurred(images: Tensor, chosen: Tensor, draw: Tensor) -> Tensor:
    """Gaussian blur over a tenth of the side, deviation 0.1 to 2 pixels, of the chosen images alone."""
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
