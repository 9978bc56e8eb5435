"""Contact sheets: rows of small pictures with a name before each row, as one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]
"""(S, S, 3)."""

GAP = 2
LINE = 20
LARGE = 64
"""Smaller pictures are enlarged to about this many pixels a side."""

PALETTE: tuple[tuple[int, int, int], ...] = (
    (40, 40, 40), (31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189),
    (140, 86, 75), (227, 119, 194), (188, 189, 34), (23, 190, 207), (255, 215, 0), (120, 120, 120),
)  # fmt: skip
"""Colours of the classes in masks, the background first."""


@dataclass(frozen=True)
class PictureRow:
    """Pictures of one size side by side, and what is written before them."""

    name: str
    pictures: Sequence[Picture]


def compose(rows: Sequence[PictureRow], legend: Sequence[str] = ()) -> Image.Image:
    """All rows under each other, and what the colours of masks stand for: `legend` in the order of `PALETTE`."""
    side = max((len(picture) for row in rows for picture in row.pictures), default=1)
    scale = max(1, LARGE // side)
    cell = side * scale + GAP
    font = ImageFont.load_default(14)
    margin = max(int(font.getlength(row.name)) for row in rows) + 12
    width = margin + cell * max(len(row.pictures) for row in rows)
    places, high = _flow(legend, font, width)
    sheet = Image.new("RGB", (width, cell * len(rows) + high), "white")
    draw = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        draw.text((6, number * cell + cell // 2), row.name, fill="black", font=font, anchor="lm")
        for column, picture in enumerate(row.pictures):
            large = Image.fromarray(np.ascontiguousarray(picture)).resize((side * scale,) * 2, Image.Resampling.NEAREST)
            sheet.paste(large, (margin + column * cell, number * cell))
    for name, colour, (x, y) in zip(legend, PALETTE, places, strict=False):
        y += cell * len(rows)
        draw.rectangle((x, y + 4, x + 11, y + 15), fill=colour)
        draw.text((x + 17, y + 10), name, fill="black", font=font, anchor="lm")
    return sheet


def _flow(names: Sequence[str], font: Any, width: int) -> tuple[list[tuple[int, int]], int]:
    """Where each name of a legend goes in lines of `width`, and how high they are together."""
    places, x, y = [], 6, 0
    for name in names:
        need = int(font.getlength(name)) + 32
        if x > 6 and x + need > width:
            x, y = 6, y + LINE
        places.append((x, y))
        x += need
    return places, y + LINE if names else 0


def coloured(mask: NDArray[np.uint8]) -> Picture:
    """A mask (S, S) of classes as a picture, in the colours of `PALETTE` (repeated where there are more classes)."""
    colours = np.array(PALETTE, dtype=np.uint8)
    return colours[np.where(mask < len(PALETTE), mask, 1 + (mask - 1) % (len(PALETTE) - 1))]


def shaded(depth: NDArray[np.int16]) -> Picture:
    """Depths (S, S) as a picture, near ones light; what has no depth (0 or less) is black."""
    known = depth > 0
    low, high = (int(depth[known].min()), int(depth[known].max())) if known.any() else (0, 1)
    grey = 235 - 200 * (depth.astype(np.float64) - low) / max(1, high - low)
    return np.repeat(np.where(known, grey, 0).astype(np.uint8)[..., None], 3, axis=2)
