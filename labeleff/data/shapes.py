"""Rendered objects and scenes with four tasks: class, pose, a class a pixel, a depth a pixel.

Images are made from the split's name and their number (labeleff.scenes) and kept in the data folder; shapes of one
split are in no other. The tasks and factors are those of Newell & Deng (CVPR 2020, section 3), who rendered ShapeNet
models; here every class is a family of solids with random proportions, so that nothing has to be downloaded.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from labeleff import scenes
from labeleff.cell import OptionValue
from labeleff.data import made
from labeleff.errors import DataError
from labeleff.goals import Classes, Depth, PixelClasses
from labeleff.scenes.classes import CLASSES
from labeleff.scenes.factors import Factors
from labeleff.scenes.poses import MIRRORED, POSES
from labeleff.scenes.render import Rendered, render
from labeleff.tensors import Examples, Source, Task

FOLDER = "shapes"
STRIDE = 8
"""Pixels a side that one label of a dense task stands for, at whose middle it is taken (16x16 labels of a 128-px image,
as in the paper)."""
PROVENANCE = "rendered"


def classify(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Which of the ten classes a single object is of; every ten successive images have each once."""
    train, test = (_arrays(split, options, source, objects=1) for split in ("train", "test"))
    return Task(
        "shapes/classify",
        Examples(train["images"], train["classes"][:, 0]),
        Examples(test["images"], test["classes"][:, 0]),
        tuple(CLASSES),
        PROVENANCE,
    )


def pose(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Whether a single object is upright or to which of four sides it is tipped, on the images of `classify`."""
    train, test = (_arrays(split, options, source, objects=1) for split in ("train", "test"))
    return Task(
        "shapes/pose",
        Examples(train["images"], train["poses"][:, 0]),
        Examples(test["images"], test["poses"][:, 0]),
        POSES,
        PROVENANCE,
        goal=Classes(mirror=MIRRORED),
    )


def segment(options: Mapping[str, OptionValue], source: Source) -> Task:
    """The class of the object that a pixel shows, or background."""
    train, test = (_arrays(split, options, source, objects=int(options["objects"])) for split in ("train", "test"))
    return Task(
        "shapes/segment",
        Examples(train["images"], train["masks"]),
        Examples(test["images"], test["masks"]),
        ("background", *CLASSES),
        PROVENANCE,
        goal=PixelClasses(grid=_grid(options)),
    )


def depth(options: Mapping[str, OptionValue], source: Source) -> Task:
    """How far away a pixel is, along the camera's axis, on the images of `segment`."""
    train, test = (_arrays(split, options, source, objects=int(options["objects"])) for split in ("train", "test"))
    return Task(
        "shapes/depth",
        Examples(train["images"], train["depths"]),
        Examples(test["images"], test["depths"]),
        ("depth",),
        PROVENANCE,
        goal=Depth(grid=_grid(options)),
    )


def _grid(options: Mapping[str, OptionValue]) -> int:
    """Labels a side of a dense task."""
    return int(options["size"]) // STRIDE


def _arrays(split: str, options: Mapping[str, OptionValue], source: Source, objects: int) -> dict[str, Tensor]:
    """What is known of a split's images; maps where there are several objects, or where masks are asked for."""
    count, side, factors = int(options[split]), int(options["size"]), Factors.parse(str(options["factors"]))
    balanced, maps = options.get("poses", "free") == "balanced", "objects" in options
    device = torch.device(source.device)
    settings = f"{split} {count} {side} {objects} {factors} {balanced} {maps} {device.type} {_source()}"
    name = f"{split}-{count}-{side}px-{objects}-{factors}"
    folder = source.folder / FOLDER / f"{name}-{hashlib.sha256(settings.encode()).hexdigest()[:12]}"

    def make() -> made.Arrays:
        numbers = torch.arange(count)

        def progress(done: int, total: int) -> None:
            source.progress(done, total, f"rendering {split} images")

        found = render(
            split, numbers, side, objects, factors, maps=maps, balanced=balanced, device=device, progress=progress
        )
        return {key: value.numpy() for key, value in _columns(found, maps=maps).items()}

    arrays = made.kept(folder, make)
    if len(arrays["images"]) != count:
        raise DataError(f"{folder}: found {len(arrays['images'])} images, expected {count}; delete the folder")
    return {key: torch.from_numpy(array) for key, array in arrays.items()}


def _columns(found: Rendered, *, maps: bool) -> dict[str, Tensor]:
    columns = {"images": found.images, "classes": found.classes, "poses": found.poses, "rotations": found.rotations}
    if maps:
        assert found.objects is not None
        assert found.depths is not None
        columns |= {"masks": found.masks, "objects": found.objects, "depths": found.depths}
    return columns


@functools.cache
def _source() -> str:
    """SHA-256 of the renderer's code: what another renderer made is made anew."""
    digest = hashlib.sha256()
    for path in sorted(Path(next(iter(scenes.__path__))).glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
