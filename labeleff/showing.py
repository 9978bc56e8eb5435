"""`labeleff data show`: what a task's images look like."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from labeleff import catalogue
from labeleff.contact_sheet import PictureRow, coloured, compose, shaded
from labeleff.data import load_task
from labeleff.errors import DataError, StudyError, UnknownNameError
from labeleff.files import write_whole
from labeleff.goals import Depth, PixelClasses
from labeleff.scenes.classes import CLASSES
from labeleff.scenes.factors import Factors
from labeleff.scenes.render import render
from labeleff.tensors import Source, Task

SHAPES = "shapes"
"""Stands for the tasks on rendered images."""
SHAPES_OPTIONS: Mapping[str, Any] = {"factors": "TCVL", "size": 64, "objects": 1}
SPLITS = ("train", "validation", "test")
APART = 100
"""Single objects whose numbers are this far apart never have one shape."""
LEGEND = ("background", *CLASSES)


def show(name: str, options: Mapping[str, Any], split: str, columns: int, source: Source, out: Path) -> str:
    """Write a contact sheet of a task's images to `out` (PNG), and say in words what it shows.

    `name` is a task of images, or `shapes` for rendered ones, which has the split `validation` as well. Raises
    StudyError or UnknownNameError for what isn't known, DataError where the images can't be had or `out` not written.
    """
    sheet, what = _shapes(options, split, columns) if name == SHAPES else _task(name, options, split, columns, source)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    try:
        write_whole(out, buffer.getvalue())
    except OSError as error:
        raise DataError(f"{out}: can't be written: {error.strerror or error}; choose another with --out") from error
    return what


def _shapes(given: Mapping[str, Any], split: str, columns: int) -> tuple[Image.Image, str]:
    """Single objects class by class, or scenes with their masks and depths."""
    for key in given:
        if key not in SHAPES_OPTIONS:
            raise UnknownNameError("option of shapes", key, SHAPES_OPTIONS)
    if split not in SPLITS:
        raise UnknownNameError("split of shapes", split, SPLITS)
    options = catalogue.complete("task", "shapes/segment", {**SHAPES_OPTIONS, **given}).options
    factors, side, objects = Factors.parse(str(options["factors"])), int(options["size"]), int(options["objects"])
    what = f"{split} images of {side} pixels, factors {factors}"
    if objects == 1:
        return single_objects(factors, side, split, columns), f"single objects: {what}"
    return scenes_with_maps(factors, side, split, columns, objects), f"scenes of {objects} objects: {what}"


def single_objects(factors: Factors, side: int, split: str, columns: int) -> Image.Image:
    """One row per class with `columns` objects, each of another shape."""
    numbers = (torch.arange(columns)[:, None] * APART + torch.arange(50)).flatten()
    found = render(split, numbers, side, 1, factors)
    rows = []
    for label, name in enumerate(CLASSES):
        of = (found.classes[:, 0] == label).nonzero()[:, 0].view(columns, 5)
        chosen = of[torch.arange(columns), torch.arange(columns) % 5]
        rows.append(PictureRow(name, [image.numpy() for image in found.images[chosen]]))
    return compose(rows)


def scenes_with_maps(factors: Factors, side: int, split: str, columns: int, objects: int) -> Image.Image:
    """Three times a row of images, one of their masks and one of their depths."""
    rows = []
    for start in range(0, 3 * columns, columns):
        found = render(split, torch.arange(start, start + columns), side, objects, factors, maps=True)
        rows += _with_maps(found.images, found.masks, found.depths)
    return compose(rows, LEGEND)


def _with_maps(images: Tensor, masks: Tensor | None, depths: Tensor | None) -> list[PictureRow]:
    rows = [PictureRow("image", [image.numpy() for image in images])]
    if masks is not None:
        rows.append(PictureRow("class", [coloured(mask.numpy()) for mask in masks]))
    if depths is not None:
        rows.append(PictureRow("depth", [shaded(depth.numpy()) for depth in depths]))
    return rows


def _task(name: str, given: Mapping[str, Any], split: str, columns: int, source: Source) -> tuple[Image.Image, str]:
    """Images of any task: class by class, or with the maps that are its labels."""
    examples = catalogue.lookup("task", name).examples
    if examples != "images":
        raise StudyError(f"task {name!r} has {examples}, expected a task of images")
    if split not in {"train", "test"}:
        raise UnknownNameError(f"split of {name!r}", split, ("train", "test"))
    task = load_task(catalogue.complete("task", name, given), source)
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
        of = (labels == label).nonzero()[:columns, 0]
        rows.append(PictureRow(name, [images[place].numpy() for place in of]))
    return compose(rows)
