"""Rendered objects and scenes with four tasks: class, pose, segmentation, depth.

Images are made from the split's name and their number (see `scenes`) and kept in the data folder; shapes of one
split are in no other. The tasks and factors are those of Newell & Deng (CVPR 2020, section 3), who rendered ShapeNet
models; here every class is a family of solids with random proportions, so that nothing has to be downloaded.
Every fifty successive images of single objects have each class five times.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import DataError
from labeleff.plugins.tasks import paper_tasks
from labeleff.plugins.tasks.paper_tasks import Columns
from labeleff.plugins.tasks.scenes.factors import Factors
from labeleff.plugins.tasks.scenes.hits import Tracer
from labeleff.plugins.tasks.scenes.render import Rendered, render
from labeleff.plugins.tasks.scenes.trace import trace
from labeleff.plugins.tasks.sources.arrays import Arrays, load_or_make
from labeleff.training.examples import Source


def columns(
    folder: Path,
    split: str,
    options: Mapping[str, OptionValue],
    source: Source,
    tracer: Tracer = trace,
    models: str = "",
) -> Columns:
    """Render the images of a split or read them from `folder`: `options[split]` of them, `size` pixels per side.

    There are maps where the options have `objects`, the number of objects in a scene. `models` identifies the shapes of
    `tracer`, where those aren't the classes' solids: other models are other images.
    """
    count, side, factors = int(options[split]), int(options["size"]), Factors.parse(str(options["factors"]))
    objects, maps = int(options.get("objects", 1)), "objects" in options
    balanced, device = options.get("poses", "free") == "balanced", torch.device(source.device)
    settings = f"{split} {count} {side} {objects} {factors} {balanced} {maps} {device.type} {_source()}{models}"
    name = f"{split}-{count}-{side}px-{objects}-{factors}"
    place = folder / f"{name}-{hashlib.sha256(settings.encode()).hexdigest()[:12]}"

    def progress(done: int, total: int) -> None:
        source.progress(done, total, f"rendering {split} images")

    def make() -> Arrays:
        if not source.make:
            raise DataError(f"{place}: not rendered yet")
        rendered = render(
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
        return {key: value.numpy() for key, value in _columns(rendered, maps=maps).items()}

    arrays = load_or_make(place, make)
    if len(arrays["images"]) != count:
        raise DataError(f"{place}: found {len(arrays['images'])} images, expected {count}; delete the folder")
    return {key: torch.from_numpy(array) for key, array in arrays.items()}


def _columns(rendered: Rendered, *, maps: bool) -> dict[str, Tensor]:
    named = {
        "images": rendered.images,
        "classes": rendered.classes,
        "poses": rendered.poses,
        "rotations": rendered.rotations,
    }
    if maps:
        assert rendered.objects is not None
        assert rendered.depths is not None
        named |= {"masks": rendered.masks, "objects": rendered.objects, "depths": rendered.depths}
    return named


@functools.cache
def _source() -> str:
    """Compute SHA-256 of the renderer's code: images of another renderer are rendered again."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "scenes").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


FOLDER = "shapes"
PROVENANCE = "rendered"


def _images(
    labels: str,  # noqa: ARG001  all that is known of an image is rendered with it
    options: Mapping[str, OptionValue],
    source: Source,
) -> tuple[Callable[[str], paper_tasks.Columns], str]:
    folder = source.folder / FOLDER
    return lambda split: columns(folder, split, options, source), PROVENANCE


classify, pose, segment, depth = paper_tasks.tasks(FOLDER, _images)
