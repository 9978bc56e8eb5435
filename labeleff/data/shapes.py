"""Rendered objects and scenes with four tasks: class, pose, a class a pixel, a depth a pixel.

Images are made from the split's name and their number (labeleff.scenes) and kept in the data folder; shapes of one
split are in no other. The tasks and factors are those of Newell & Deng (CVPR 2020, section 3), who rendered ShapeNet
models; here every class is a family of solids with random proportions, so that nothing has to be downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping

from labeleff.cell import OptionValue
from labeleff.data import objects, rendered
from labeleff.tensors import Source, Task

FOLDER = "shapes"
PROVENANCE = "rendered"


def classify(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Which of the ten classes a single object is of; every fifty successive images have each five times."""
    return _task("shapes/classify", options, source)


def pose(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Whether a single object is upright or to which of four sides it is tipped, on the images of `classify`."""
    return _task("shapes/pose", options, source)


def segment(options: Mapping[str, OptionValue], source: Source) -> Task:
    """The class of the object that a pixel shows, or background."""
    return _task("shapes/segment", options, source)


def depth(options: Mapping[str, OptionValue], source: Source) -> Task:
    """How far away a pixel is, along the camera's axis, on the images of `segment`."""
    return _task("shapes/depth", options, source)


def _task(name: str, options: Mapping[str, OptionValue], source: Source) -> Task:
    folder = source.folder / FOLDER
    return objects.task(name, lambda split: rendered.columns(folder, split, options, source), PROVENANCE)
