"""Rendered objects and scenes with four tasks: class, pose, a class a pixel, a depth a pixel.

Images are made from the split's name and their number (labeleff.scenes) and kept in the data folder; shapes of one
split are in no other. The tasks and factors are those of Newell & Deng (CVPR 2020, section 3), who rendered ShapeNet
models; here every class is a family of solids with random proportions, so that nothing has to be downloaded.
Every fifty successive images of single objects have each class five times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from labeleff.cell import OptionValue
from labeleff.data import objects, rendered
from labeleff.tensors import Source

FOLDER = "shapes"
PROVENANCE = "rendered"


def _images(
    labels: str,  # noqa: ARG001  all that is known of an image is rendered with it
    options: Mapping[str, OptionValue],
    source: Source,
) -> tuple[Callable[[str], objects.Columns], str]:
    folder = source.folder / FOLDER
    return lambda split: rendered.columns(folder, split, options, source), PROVENANCE


classify, pose, segment, depth = objects.tasks(FOLDER, _images)
