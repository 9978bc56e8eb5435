"""Contact sheets of images, with their masks and depths."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from labeleff.catalogue import lookup
from labeleff.errors import DataError, StudyError, UnknownNameError
from labeleff.files import write_whole
from labeleff.plugins.tasks.scenes.classes import CLASSES
from labeleff.plugins.tasks.scenes.factors import Factors
from labeleff.plugins.tasks.scenes.render import render
from labeleff.reporting.figures.glyphs import code, find_families, font_file, warn_of
from labeleff.training.examples import Source, Task, load_task
from labeleff.training.goals.depth import Depth
from labeleff.training.goals.segmentation import PixelClasses

Picture = NDArray[np.uint8]
"""An image, uint8 (S, S, 3)."""

GAP = 2
LINE = 20
SIZE = 14
"""Size of names in pixels."""
LARGE = 64
"""Pixels per side, about, to which smaller pictures are enlarged."""

PALETTE: tuple[tuple[int, int, int], ...] = (
    (40, 40, 40), (31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189),
    (140, 86, 75), (227, 119, 194), (188, 189, 34), (23, 190, 207), (255, 215, 0), (120, 120, 120),
)  # fmt: skip
"""Colours of the classes in masks, the background first."""


@dataclass(frozen=True)
class PictureRow:
    """Pictures of one size side by side, with the name written before them."""

    name: str
    pictures: Sequence[Picture]


class Writing:
    """Names in any script: each in installed fonts that have its characters, in codes where none has them."""

    def __init__(self, names: Sequence[str]) -> None:
        """Find fonts for all names; warns once of what no font has."""
        self._runs = {name: [(name, ImageFont.load_default(SIZE))] for name in names if name.isascii()}
        missing = set[str]()
        for name in set(names) - self._runs.keys():
            families = find_families(name)
            missing |= set(name) - families.keys()
            runs = itertools.groupby(name, families.get)
            self._runs[name] = [_run(family, "".join(chars)) for family, chars in runs]
        warn_of(missing)

    def length(self, name: str) -> int:
        """Width of a written name in pixels."""
        return int(sum(font.getlength(text) for text, font in self._runs[name]))

    def draw(self, draw: ImageDraw.ImageDraw, x: int, y: int, name: str) -> None:
        """Write a name, its left end at `x` and its middle at the height `y`."""
        left = float(x)
        for text, font in self._runs[name]:
            draw.text((left, y), text, fill="black", font=font, anchor="lm")
            left += font.getlength(text)


def _run(family: str | None, text: str) -> tuple[str, Any]:
    """Text in one font; where none has its characters, their codes in Pillow's own."""
    if family is None:
        return "".join(code(char) for char in text), ImageFont.load_default(SIZE)
    path, face = font_file(family)
    return text, ImageFont.truetype(path, SIZE, index=face)


def compose(rows: Sequence[PictureRow], legend: Sequence[str] = ()) -> Image.Image:
    """Draw all rows under each other, with a legend of the masks' colours in the order of `PALETTE`."""
    side = max((len(picture) for row in rows for picture in row.pictures), default=1)
    scale = max(1, LARGE // side)
    cell = side * scale + GAP
    write = Writing([*(row.name for row in rows), *legend])
    margin = max(write.length(row.name) for row in rows) + 12
    width = margin + cell * max(len(row.pictures) for row in rows)
    places, high = _flow(legend, write, width)
    sheet = Image.new("RGB", (width, cell * len(rows) + high), "white")
    draw = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        write.draw(draw, 6, number * cell + cell // 2, row.name)
        for column, picture in enumerate(row.pictures):
            large = Image.fromarray(np.ascontiguousarray(picture)).resize((side * scale,) * 2, Image.Resampling.NEAREST)
            sheet.paste(large, (margin + column * cell, number * cell))
    for name, colour, (x, y) in zip(legend, PALETTE, places, strict=False):
        y += cell * len(rows)
        draw.rectangle((x, y + 4, x + 11, y + 15), fill=colour)
        write.draw(draw, x + 17, y + 10, name)
    return sheet


def _flow(names: Sequence[str], write: Writing, width: int) -> tuple[list[tuple[int, int]], int]:
    """Place each name of a legend in lines of `width`; returns the places and the height of all lines, in pixels."""
    places, x, y = [], 6, 0
    for name in names:
        need = write.length(name) + 32
        if x > 6 and x + need > width:
            x, y = 6, y + LINE
        places.append((x, y))
        x += need
    return places, y + LINE if names else 0


def colour_mask(mask: NDArray[np.uint8]) -> Picture:
    """Colour a mask (S, S) of classes by `PALETTE`, whose colours repeat where there are more classes."""
    colours = np.array(PALETTE, dtype=np.uint8)
    return colours[np.where(mask < len(PALETTE), mask, 1 + (mask - 1) % (len(PALETTE) - 1))]


def shade_depth(depth: NDArray[np.int16]) -> Picture:
    """Shade depths (S, S), near ones light; pixels without a depth (0 or less) are black."""
    valid = depth > 0
    low, high = (int(depth[valid].min()), int(depth[valid].max())) if valid.any() else (0, 1)
    grey = 235 - 200 * (depth.astype(np.float64) - low) / max(1, high - low)
    return np.repeat(np.where(valid, grey, 0).astype(np.uint8)[..., None], 3, axis=2)


SHAPES = "shapes"
"""Name that stands for all tasks on rendered images."""
SHAPES_OPTIONS: Mapping[str, Any] = {"factors": "TCVL", "size": 64, "objects": 1}
SPLITS = ("train", "validation", "test")
APART = 100
"""Least distance between numbers of single objects that never have the same shape."""
LEGEND = ("background", *CLASSES)


def show(name: str, options: Mapping[str, Any], split: str, columns: int, source: Source, out: Path) -> str:
    """Write a contact sheet of a task's images to `out` (PNG), and say in words what it shows.

    `name` is a task of images, or `shapes` for rendered ones, which has the split `validation` as well. Raises
    StudyError or UnknownNameError for a wrong name, DataError where images are missing or `out` can't be written.
    """
    sheet, what = _shapes(options, split, columns) if name == SHAPES else _task(name, options, split, columns, source)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    try:
        write_whole(out, buffer.getvalue())
    except OSError as error:
        raise DataError(f"{out}: can't be written: {error.strerror or error}; choose another with --out") from error
    return what


def _shapes(values: Mapping[str, Any], split: str, columns: int) -> tuple[Image.Image, str]:
    """Draw rendered single objects class by class, or scenes with their masks and depths."""
    for key in values:
        if key not in SHAPES_OPTIONS:
            raise UnknownNameError("option of shapes", key, SHAPES_OPTIONS)
    if split not in SPLITS:
        raise UnknownNameError("split of shapes", split, SPLITS)
    options = lookup.complete("task", "shapes/segment", {**SHAPES_OPTIONS, **values}).options
    factors, side, objects = Factors.parse(str(options["factors"])), int(options["size"]), int(options["objects"])
    what = f"{split} images of {side} pixels, factors {factors}"
    if objects == 1:
        return single_objects(factors, side, split, columns), f"single objects: {what}"
    return scenes_with_maps(factors, side, split, columns, objects), f"scenes of {objects} objects: {what}"


def single_objects(factors: Factors, side: int, split: str, columns: int) -> Image.Image:
    """Draw one row per class with `columns` objects, each of another shape."""
    numbers = (torch.arange(columns)[:, None] * APART + torch.arange(50)).flatten()
    scenes = render(split, numbers, side, 1, factors)
    rows = []
    for label, name in enumerate(CLASSES):
        positions = (scenes.classes[:, 0] == label).nonzero()[:, 0].view(columns, 5)
        chosen = positions[torch.arange(columns), torch.arange(columns) % 5]
        rows.append(PictureRow(name, [image.numpy() for image in scenes.images[chosen]]))
    return compose(rows)


def scenes_with_maps(factors: Factors, side: int, split: str, columns: int, objects: int) -> Image.Image:
    """Draw three groups of rows: images, their masks, their depths."""
    rows = []
    for start in range(0, 3 * columns, columns):
        scenes = render(split, torch.arange(start, start + columns), side, objects, factors, maps=True)
        rows += _with_maps(scenes.images, scenes.masks, scenes.depths)
    return compose(rows, LEGEND)


def _with_maps(images: Tensor, masks: Tensor | None, depths: Tensor | None) -> list[PictureRow]:
    rows = [PictureRow("image", [image.numpy() for image in images])]
    if masks is not None:
        rows.append(PictureRow("class", [colour_mask(mask.numpy()) for mask in masks]))
    if depths is not None:
        rows.append(PictureRow("depth", [shade_depth(depth.numpy()) for depth in depths]))
    return rows


def _task(name: str, values: Mapping[str, Any], split: str, columns: int, source: Source) -> tuple[Image.Image, str]:
    """Draw images of any task: class by class, or with the maps that are its labels."""
    examples = lookup.find("task", name).examples
    if examples != "images":
        raise StudyError(f"task {name!r} has {examples}, expected a task of images")
    if split not in {"train", "test"}:
        raise UnknownNameError(f"split of {name!r}", split, ("train", "test"))
    task = load_task(lookup.complete("task", name, values), source)
    count, side = (task.train if split == "train" else task.test).images.shape[:2]
    return _sheet(task, split, columns), f"{name}: {count:,} {split} images of {side} pixels"


def _sheet(task: Task, split: str, columns: int) -> Image.Image:
    examples = task.train if split == "train" else task.test
    images, labels = examples.images, examples.labels
    if isinstance(task.goal, PixelClasses):
        return compose(_with_maps(images[:columns], labels[:columns], None), task.classes)
    if isinstance(task.goal, Depth):
        return compose(_with_maps(images[:columns], None, labels[:columns]))
    rows = []
    for label, name in enumerate(task.classes):
        positions = (labels == label).nonzero()[:columns, 0]
        rows.append(PictureRow(name, [images[position].numpy() for position in positions]))
    return compose(rows)
