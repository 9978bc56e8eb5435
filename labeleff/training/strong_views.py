"""Strong views of images: two drawn operations and a cutout, like RandAugment's.

Cubuk et al. 2020, "RandAugment", with the operations and ranges of Sohn et al. 2020, "FixMatch" (appendix, list of
transformations): each operation is drawn evenly from fourteen, with a strength drawn anew for each image, and a square
of half the image's side is cut out at the end (section 2.3; DeVries & Taylor 2017). Levels are whole numbers 0..255,
and every operation does what Pillow's does, so that each can be compared with it image by image.

It differs from FixMatch's code, which applies an operation with probability 1/2 (here always, as in the paper), and
draws strengths from ten steps (here evenly). Images begin as another crop than the weak view, with the same flip (in
the code with another one), so that classes that a flip changes stay right. Pixels from outside the image, and those cut
out, have the mean colour. Every random choice is a hash of (seed, epoch, sample), and no operation mixes images.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from labeleff.seeding import stream_seed
from labeleff.training.hashed_random import below, hash32, uniform
from labeleff.training.images import Normalisation, ResidentImages

TONES = ("autocontrast", "equalize", "solarize", "posterize", "contrast", "brightness")
"""Operations that replace every level of a channel by another."""
MOVES = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
OPERATIONS = ("identity", *TONES, "color", "sharpness", *MOVES)
DEGREES, SHEAR, SHIFT = 30.0, 0.3, 0.3
"""Largest turn to either side; largest slope; largest shift as a share of the side."""
LEAST_FACTOR, MOST_FACTOR = 0.05, 0.95
"""Range of the factors of contrast, brightness, colour and sharpness; 1 would leave the image as it is."""
LEAST_BITS, MOST_BITS = 4, 8
LEVELS = 256
GATHERS = {"cpu"}
"""Devices that compute operations on the images alone that they change; others would wait for the number of these."""
_NUMBER = {name: number for number, name in enumerate(OPERATIONS)}
_LUMA = (19595, 38470, 7471)
"""Weights of red, green and blue in Pillow's grey levels, over 2**16."""
_CUT_X, _CUT_Y, _FIRST = 0, 1, 2
"""Numbers of the draws: the square that is cut out, then operation and strength one after the other."""


class StrongViews:
    """Strong views of resident images, by `operations` operations each; `seed` names their stream."""

    def __init__(self, images: ResidentImages, normalisation: Normalisation, operations: int, seed: int) -> None:
        self._levels, self._operations = images.levels(), operations
        self._seed = stream_seed("strong views", seed)
        self._mean, self._scale = (
            values.to(images.device)[:, None, None] for values in (normalisation.mean, 1 / normalisation.std)
        )

    def batch(self, samples: Tensor, epochs: Tensor) -> Tensor:
        """Make the normalised strong views (B, 3, S, S) of the images at `samples` (B,) in their `epochs` (B,)."""
        batch = self._levels.batch(samples, epochs, view=1)
        assert batch.epochs is not None
        which = torch.arange(_FIRST + 2 * self._operations, device=batch.samples.device)
        draws = hash32(self._seed, batch.epochs[:, None], batch.samples[:, None], which)
        levels = batch.images.contiguous()
        for first in range(_FIRST, _FIRST + 2 * self._operations, 2):
            operations = below(draws[:, first], len(OPERATIONS))
            levels = operate(levels, operations, uniform(draws[:, first + 1]), self._mean.round())
        return (levels - self._mean) * self._scale * _outside_square(draws, levels.shape[3])


def operate(levels: Tensor, operations: Tensor, strengths: Tensor, edge: Tensor) -> Tensor:
    """Apply to each image (B, 3, S, S) its operation (B,), of a strength (B,) in 0..1 along its range.

    `edge` (3, 1, 1) are the levels of pixels from outside the image. All levels are whole numbers in float32.
    """
    result = levels.clone()
    changes = ((MOVES, partial(_move, edge=edge)), (TONES, _toned), (("color",), _faded), (("sharpness",), _blurred))
    for names, change in changes:
        chosen = torch.stack([operations == _NUMBER[name] for name in names]).any(0)
        if levels.device.type in GATHERS:
            which = chosen.nonzero()[:, 0]
            result[which] = change(levels[which], operations[which], strengths[which])
        else:  # no shape depends on values, so that a step can be captured
            result = torch.where(chosen[:, None, None, None], change(levels, operations, strengths), result)
    return result


def _factors(strengths: Tensor) -> Tensor:
    return LEAST_FACTOR + (MOST_FACTOR - LEAST_FACTOR) * strengths


def _blend(nothing: Tensor, whole: Tensor, factors: Tensor) -> Tensor:
    """Go from `nothing` towards `whole` by a factor in 0..1; fractions of a level are dropped, as in Pillow."""
    return (nothing + factors * (whole - nothing)).floor()


def _grey(levels: Tensor) -> Tensor:
    """Compute grey levels (B, S, S) as Pillow's mode L has them: every sum is exact in float32."""
    red, green, blue = levels.unbind(1)
    return ((_LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue + 2**15) / 2**16).floor()


def _faded(levels: Tensor, _: Tensor, strengths: Tensor) -> Tensor:
    return _blend(_grey(levels)[:, None], levels, _factors(strengths)[:, None, None, None])


def _blurred(levels: Tensor, _: Tensor, strengths: Tensor) -> Tensor:
    return _blend(_smooth(levels), levels, _factors(strengths)[:, None, None, None])


def _smooth(levels: Tensor) -> Tensor:
    """Average every pixel with its eight neighbours, itself five times; the border stays (Pillow's SMOOTH)."""
    rows = levels[:, :, :-2] + levels[:, :, 1:-1] + levels[:, :, 2:]
    inner = levels[:, :, 1:-1, 1:-1]
    total = rows[:, :, :, :-2] + rows[:, :, :, 1:-1] + rows[:, :, :, 2:] + 4 * inner
    smooth = levels.clone()
    smooth[:, :, 1:-1, 1:-1] = (total / 13 + 0.5).floor()
    return smooth


def _move(levels: Tensor, operations: Tensor, strengths: Tensor, edge: Tensor) -> Tensor:
    """Turn, shear or shift images by the nearest pixel; shears are about the upper left corner."""
    side, signed = levels.shape[3], 2 * strengths - 1

    def of(name: str, most: float) -> Tensor:
        return torch.where(operations == _NUMBER[name], most * signed, 0.0)[:, None, None]

    angle = of("rotate", -math.radians(DEGREES))
    cos, sin, middle = angle.cos(), angle.sin(), side / 2
    line = torch.arange(side, device=levels.device) + 0.5
    x, y = line[None, None, :], line[None, :, None]
    column = middle + cos * (x - middle) + (sin * (y - middle) + of("shear_x", SHEAR) * y)
    row = middle + cos * (y - middle) + (of("shear_y", SHEAR) * x - sin * (x - middle))
    column, row = (column + of("translate_x", SHIFT * side)).floor(), (row + of("translate_y", SHIFT * side)).floor()
    inside = (column >= 0) & (column < side) & (row >= 0) & (row < side)
    source = torch.where(inside, row * side + column, 0.0).to(torch.int64).flatten(1)
    found = levels.flatten(2).gather(2, source[:, None].expand(-1, 3, -1)).view_as(levels)
    return torch.where(inside[:, None], found, edge)


def _toned(levels: Tensor, operations: Tensor, strengths: Tensor) -> Tensor:
    """Replace every level of a channel by another."""
    tables = _tones(levels, operations, strengths)
    return tables.gather(2, levels.flatten(2).to(torch.int64)).view_as(levels)


def _tones(levels: Tensor, operations: Tensor, strengths: Tensor) -> Tensor:
    """Build tables (B, 3, 256) of the level that replaces each level."""
    values = levels.flatten(2).to(torch.int64)
    counts = torch.zeros(*levels.shape[:2], LEVELS, dtype=torch.int64, device=levels.device)
    counts.scatter_add_(2, values, torch.ones_like(values))
    level = torch.arange(LEVELS, device=levels.device).expand_as(counts)
    strengths = strengths[:, None, None]
    grey = _grey(levels).to(torch.int64).flatten(1)
    middle = (grey.sum(1) / grey.shape[1] + 0.5).floor()[:, None, None]
    bits = MOST_BITS - LEAST_BITS - (strengths * (MOST_BITS - LEAST_BITS + 1)).floor().to(torch.int64)
    tables = {
        "solarize": torch.where(level < (strengths * LEVELS).floor(), level, LEVELS - 1 - level),
        "posterize": level >> bits << bits,
        "contrast": _blend(middle, level, _factors(strengths)),
        "brightness": _blend(torch.zeros_like(middle), level, _factors(strengths)),
        "autocontrast": _stretched(counts, level),
        "equalize": _equalised(counts, level),
    }
    table = level.to(levels.dtype)
    for name, other in tables.items():
        table = torch.where((operations == _NUMBER[name])[:, None, None], other.to(levels.dtype), table)
    return table


def _stretched(counts: Tensor, level: Tensor) -> Tensor:
    """Stretch the levels of every channel to 0..255; a channel of one level stays."""
    present = counts > 0
    low = torch.where(present, level, LEVELS).amin(2, keepdim=True)
    high = torch.where(present, level, -1).amax(2, keepdim=True)
    table = (level - low).clamp(min=0) * (LEVELS - 1) // (high - low).clamp(min=1)
    return torch.where(high > low, table.clamp(max=LEVELS - 1), level)


def _equalised(counts: Tensor, level: Tensor) -> Tensor:
    """Make the levels of every channel about equally common; a channel of one level stays."""
    high = torch.where(counts > 0, level, -1).amax(2, keepdim=True)
    step = (counts.sum(2, keepdim=True) - counts.gather(2, high)) // (LEVELS - 1)
    before = counts.cumsum(2) - counts
    table = ((step // 2 + before) // step.clamp(min=1)).clamp(max=LEVELS - 1)
    return torch.where(step > 0, table, level)


def _outside_square(draws: Tensor, side: int) -> Tensor:
    """Build masks (B, 1, S, S): 0 in a square of half the side around a drawn pixel, 1 outside."""
    line, half = torch.arange(side, device=draws.device)[None, :], side // 4
    x, y = below(draws[:, _CUT_X], side)[:, None], below(draws[:, _CUT_Y], side)[:, None]
    columns, rows = ((line >= at - half) & (line < at + half) for at in (x, y))
    return (~(rows[:, :, None] & columns[:, None, :])).to(torch.float32)[:, None]
