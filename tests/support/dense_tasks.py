"""Small synthetic tasks of every target type on the same images: a coloured square on a grey wall."""

from __future__ import annotations

import torch
from torch import Tensor

from labeleff.catalogue.declaration import Plugin
from labeleff.training.examples import Examples, Source, Task
from labeleff.training.goals.classification import Classes
from labeleff.training.goals.depth import Depth
from labeleff.training.goals.interface import Goal
from labeleff.training.goals.segmentation import PixelClasses

SIDE, GRID = 32, 4
STRIDE, SQUARE = SIDE // GRID, SIDE // 2
GOALS: dict[str, Goal] = {
    "squares/classify": Classes(),
    "squares/pose": Classes(mirror=(1, 0)),
    "squares/segment": PixelClasses(GRID),
    "squares/depth": Depth(GRID),
}
CLASSES = {
    "squares/classify": ("red", "green", "blue"),
    "squares/pose": ("left", "right"),
    "squares/segment": ("wall", "red", "green", "blue"),
    "squares/depth": (),
}


def _split(name: str, count: int, seed: int) -> Examples:
    dice = torch.Generator().manual_seed(seed)
    colours = torch.arange(count) % 3
    rows, columns = (torch.randint(0, SIDE - SQUARE + 1, (count,), generator=dice) for _ in range(2))
    line = torch.arange(SIDE)
    inside = (line >= rows[:, None]) & (line < rows[:, None] + SQUARE)
    across = (line >= columns[:, None]) & (line < columns[:, None] + SQUARE)
    square = inside[:, :, None] & across[:, None, :]
    images = torch.randint(60, 120, (count, SIDE, SIDE, 3), generator=dice)
    for c in range(3):
        images[..., c] += 100 * (square & (colours == c)[:, None, None])
    segments = torch.where(square, colours[:, None, None] + 1, 0).to(torch.uint8)
    segments[:, 0] = 255
    depths = torch.where(square, 5_000, 12_000 + 100 * line[:, None]).to(torch.int16)
    depths[:, :, 0] = 0
    labels: dict[str, Tensor] = {
        "squares/classify": colours,
        "squares/pose": (columns > (SIDE - SQUARE) // 2).to(torch.int64),
        "squares/segment": segments,
        "squares/depth": depths,
    }
    return Examples(images.to(torch.uint8), labels[name])


def task(name: str, train: int = 60, test: int = 30) -> Task:
    return Task(name, _split(name, train, 0), _split(name, test, 1), CLASSES[name], "made", goal=GOALS[name])


def load_classify(options, source: Source) -> Task:
    return task("squares/classify", int(options["train"]))


def load_pose(options, source: Source) -> Task:
    return task("squares/pose", int(options["train"]))


def load_segment(options, source: Source) -> Task:
    return task("squares/segment", int(options["train"]))


def load_depth(options, source: Source) -> Task:
    return task("squares/depth", int(options["train"]))


def _plugin(name: str, goal: str, **more: object) -> Plugin:
    code = f"support.dense_tasks:load_{name.partition('/')[2]}"
    return Plugin(name, "squares", code, options={"train": 60}, goal=goal, **more)  # type: ignore[arg-type]


PLUGINS = (
    _plugin("squares/classify", "classes", classes=3),
    _plugin("squares/pose", "classes", classes=2, images_of="squares/classify"),
    _plugin("squares/segment", "pixel_classes", classes=4, images_of="squares/classify"),
    _plugin("squares/depth", "depth", images_of="squares/classify"),
)
