"""Rendered images of a split with all that is known of them, made once and kept with their checksums."""

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
from labeleff.data.objects import Columns
from labeleff.errors import DataError
from labeleff.scenes.factors import Factors
from labeleff.scenes.render import Rendered, render
from labeleff.scenes.seen import Tracer
from labeleff.scenes.trace import trace
from labeleff.tensors import Source


def columns(
    folder: Path,
    split: str,
    options: Mapping[str, OptionValue],
    source: Source,
    tracer: Tracer = trace,
    models: str = "",
) -> Columns:
    """The images of a split, rendered or out of `folder`: `options[split]` of them, `size` pixels a side.

    There are maps where the options have `objects`, the number of objects in a scene. `models` says what `tracer`
    knows, where that isn't the classes' own solids: other models are other images.
    """
    count, side, factors = int(options[split]), int(options["size"]), Factors.parse(str(options["factors"]))
    objects, maps = int(options.get("objects", 1)), "objects" in options
    balanced, device = options.get("poses", "free") == "balanced", torch.device(source.device)
    settings = f"{split} {count} {side} {objects} {factors} {balanced} {maps} {device.type} {_source()}{models}"
    name = f"{split}-{count}-{side}px-{objects}-{factors}"
    place = folder / f"{name}-{hashlib.sha256(settings.encode()).hexdigest()[:12]}"

    def progress(done: int, total: int) -> None:
        source.progress(done, total, f"rendering {split} images")

    def make() -> made.Arrays:
        found = render(
            split,
            torch.arange(count),
            side,
            objects,
            factors,
            maps=maps,
            balanced=balanced,
            device=device,
            tracer=tracer,
            progress=progress,
        )
        return {key: value.numpy() for key, value in _columns(found, maps=maps).items()}

    arrays = made.kept(place, make)
    if len(arrays["images"]) != count:
        raise DataError(f"{place}: found {len(arrays['images'])} images, expected {count}; delete the folder")
    return {key: torch.from_numpy(array) for key, array in arrays.items()}


def _columns(found: Rendered, *, maps: bool) -> dict[str, Tensor]:
    named = {"images": found.images, "classes": found.classes, "poses": found.poses, "rotations": found.rotations}
    if maps:
        assert found.objects is not None
        assert found.depths is not None
        named |= {"masks": found.masks, "objects": found.objects, "depths": found.depths}
    return named


@functools.cache
def _source() -> str:
    """SHA-256 of the renderer's code: what another renderer made is made anew."""
    digest = hashlib.sha256()
    for path in sorted(Path(next(iter(scenes.__path__))).glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
