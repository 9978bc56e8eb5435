"""Toy task: procedural images of ten upright things, made from a seed.

Each image shows one tilted, textured thing at a random place and size, in colours that only lean towards its
usual ones, before a cluttered background that has no direction of its own. So which way is up can be recognised
from the thing alone, and that needs much of what recognising the class needs. Image i of a split depends on i and
the split's seed alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from labeleff.catalogue.declaration import OptionValue
from labeleff.plugins.tasks.scenes.hits import root
from labeleff.plugins.tasks.sources.toy_outlines import THINGS, Plane, Thing
from labeleff.seeding import stream_seed
from labeleff.training.examples import Examples, Source, Task
from labeleff.training.hashed_random import hash32, uniform

TILT = 0.35
"""Largest tilt in radians, 20 degrees."""

SCALE = (0.6, 0.95)
"""Least and greatest half height of a thing, in half images."""

CLUTTER = 3
"""Pieces of clutter in the background."""

NEGATIVE = 0.1
"""Share of images whose thing is darker than the background, not lighter."""

USUAL_SHARE = 0.6
"""Share of the usual colour in a thing's colour; the remainder is random."""

CHUNK = 500
"""Images drawn at once."""


def load(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Load the task: `train` and `test` images of `size` pixels per side, the same bytes every time."""
    counts = {split: int(options[split]) for split in ("train", "test")}
    splits = {split: _examples(split, count, int(options["size"]), source) for split, count in counts.items()}
    return Task("toy/classify", splits["train"], splits["test"], tuple(THINGS), "generated")


@dataclass(frozen=True)
class _ThingRng:
    """Reproducible random numbers of images, by purpose: (N, count, 1, 1) float32 in (0, 1)."""

    split: str
    index: Tensor

    def roll(self, purpose: str, count: int) -> Tensor:
        seed = stream_seed("toy", self.split, purpose)
        return uniform(hash32(seed, self.index[:, None], torch.arange(count)))[:, :, None, None]

    def noise(self, purpose: str, cells: int, size: int, channels: int = 1) -> Tensor:
        """Draw smooth noise (N, channels, size, size) in (-1, 1), with about `cells` bumps per side."""
        grid = self.roll(purpose, channels * cells * cells).view(-1, channels, cells, cells) * 2 - 1
        smooth = interpolate(grid.to(torch.float64), (size, size), mode="bilinear", align_corners=True)
        return smooth.to(torch.float32)  # which float64's last bit, that processors differ by, doesn't reach


def _examples(split: str, count: int, size: int, source: Source) -> Examples:
    """Draw `count` images and labels; every ten successive ones hold each class once."""
    tens = torch.arange(-(-count // len(THINGS)))[:, None]
    shuffled = hash32(stream_seed("toy", split, "labels"), tens, torch.arange(len(THINGS))).argsort(dim=1, stable=True)
    labels = shuffled.flatten()[:count]
    images = torch.empty(count, size, size, 3, dtype=torch.uint8)
    done = 0
    for number, thing in enumerate(THINGS.values()):
        for index in torch.split((labels == number).nonzero().flatten(), CHUNK):
            images[index] = _paint(_ThingRng(split, index), thing, size)
            done += len(index)
            source.progress(done, count, f"drawing {split} images")
    return Examples(images, labels)


def _paint(rng: _ThingRng, thing: Thing, size: int) -> Tensor:
    """Paint images (N, size, size, 3) uint8 of one thing."""
    plane, pixels = _place(rng, size)
    base = 0.5 * rng.roll("background", 3)
    canvas = base + 0.12 * rng.noise("haze", 3, size, 3)
    canvas = _clutter(rng, canvas, size)
    colours = _colours(rng, base, thing)
    grain = 1 + 0.25 * rng.noise("grain", 8, size)
    for distance, slot in thing.parts(plane):
        cover = (0.5 - distance * pixels).clamp(0, 1)[:, None]
        canvas = canvas + cover * (colours[slot] * grain - canvas)
    canvas = canvas + 0.28 * rng.roll("dirt", 1) * rng.noise("speckle", max(1, size // 2), size)
    canvas = torch.where(rng.roll("negative", 1) < NEGATIVE, 1 - canvas, canvas)
    return (canvas.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)


def _place(rng: _ThingRng, size: int) -> tuple[Plane, Tensor]:
    """Compute the pixels in the coordinates of each image's thing, and pixels per unit (N, 1, 1)."""
    scale, x, y, tilt, a, b, c, side = rng.roll("place", 8).unbind(1)
    scale = SCALE[0] + (SCALE[1] - SCALE[0]) * scale
    room = 1.0 - scale
    u, v = _turn(size, (2 * x - 1) * room, (2 * y - 1) * room, (2 * tilt - 1) * TILT, scale)
    return Plane(u, v, 2 * a - 1, 2 * b - 1, 2 * c - 1, (side > 0.5) * 2.0 - 1), scale * size / 2


def _turn(size: int, x: Tensor, y: Tensor, angle: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Compute coordinates (N, size, size) of the pixels, -1..1 over the image, from (x, y), turned and scaled."""
    line = (torch.arange(size) + 0.5) * (2 / size) - 1
    right, down = line[None, None, :] - x, line[None, :, None] - y
    angle = angle.to(torch.float64)  # see `noise`
    cos, sin = (part.to(torch.float32) / scale for part in (torch.cos(angle), torch.sin(angle)))
    return cos * right + sin * down, cos * down - sin * right


def _clutter(rng: _ThingRng, canvas: Tensor, size: int) -> Tensor:
    """Paint random ellipses and bars as clutter."""
    for piece in range(CLUTTER):
        x, y, angle, width, height, kind, *colour = rng.roll(f"clutter {piece}", 9).unbind(1)
        u, v = _turn(size, 2.2 * x - 1.1, 2.2 * y - 1.1, 2 * torch.pi * angle, torch.ones(1))
        width, height = 0.08 + 0.25 * width, 0.08 + 0.25 * height
        bar = torch.maximum(u.abs() - width, v.abs() - height)
        disc = root((u / width).square() + (v / height).square()).sub(1) * torch.minimum(width, height)
        cover = (0.5 - torch.where(kind < 0.5, bar, disc) * (size / 2)).clamp(0, 1)[:, None]
        canvas = canvas + cover * (0.8 * torch.stack(colour, 1) - canvas)
    return canvas


def _colours(rng: _ThingRng, base: Tensor, thing: Thing) -> list[Tensor]:
    """Draw two colours (N, 3, 1, 1) for each image's thing, brighter than its background `base` (N, 3, 1, 1)."""
    chance = rng.roll("colours", 6).chunk(2, dim=1)
    usual = [torch.tensor(colour)[:, None, None] for colour in (thing.first, thing.second)]
    contrast = 0.2 + 0.6 * rng.roll("contrast", 1)
    return [
        base + 0.06 + contrast * torch.lerp(roll, lean, USUAL_SHARE) for roll, lean in zip(chance, usual, strict=True)
    ]
