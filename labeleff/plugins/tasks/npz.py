"""Images in one `.npz` file in the layout of MedMNIST (Yang et al. 2023, Scientific Data 10, 41).

`train_images` is (N, H, W) or (N, H, W, 3), `train_labels` (N,) or (N, 1), and the same for `test_...`. What is under
`val_...` isn't used. Nothing is unpickled.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import DataError
from labeleff.plugins.tasks.pictures.decoding import Picture, from_array
from labeleff.plugins.tasks.pictures.making import Labels, Origin, Part, make_task
from labeleff.training.examples import Source, Task

NAMES = ("train_images", "train_labels", "test_images", "test_labels")


def load(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Load the task in the file `options["path"]`; classes are named by their numbers, sorted.

    Raises DataError naming file and array for one that is missing, damaged, of several labels per image, or of
    another shape.
    """
    path = source.place(str(options["path"]))
    arrays, unused = _read(path)
    labels = {split: _labels(arrays, split, path) for split in ("train", "test")}
    classes = np.unique(np.concatenate([*labels.values()]))
    if len(np.unique(labels["train"])) < 2:
        raise DataError(f"{path}, train_labels: found one class, expected at least two")
    parts = [
        Part(
            len(labels[split]),
            _pictures(arrays[f"{split}_images"], f"{path}, {split}_images", str(options["background"])),
            np.searchsorted(classes, labels[split]).astype(np.int64),
        )
        for split in ("train", "test")
    ]
    said = [f"{path}: not read: {', '.join(f'{name} {shape}' for name, shape in unused.items())}"] if unused else []
    facts = {"not read": {f"in {name}": shape[0] for name, shape in unused.items() if shape}} if unused else {}
    origin = Origin("npz/classify", [*map(str, classes)], f"arrays in {path}", f"images of {path.name}", facts, said)
    return make_task(origin, parts, options, source)


def _read(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, tuple[int, ...]]]:
    """Read the arrays of both splits, and the shapes of others."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: found one array, expected a .npz file with {', '.join(NAMES)}")
            if missing := [name for name in NAMES if name not in file.files]:
                raise DataError(
                    f"{path}: found no {', '.join(missing)}, expected {', '.join(NAMES)}; there are "
                    f"{', '.join(file.files) or 'no arrays'}"
                )
            arrays = {name: file[name] for name in NAMES}
            return arrays, {name: file[name].shape for name in file.files if name not in NAMES}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: not a readable .npz file: {error}") from error


def _labels(arrays: Mapping[str, NDArray[Any]], split: str, path: Path) -> Labels:
    """Labels (N,) of one split, checked against its images."""
    labels, images, where = arrays[f"{split}_labels"], arrays[f"{split}_images"], f"{path}, {split}_labels"
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(f"{where}: found shape {labels.shape}, expected (N,) or (N, 1): one label per image")
    if labels.dtype.kind not in "iub":
        raise DataError(f"{where}: found {labels.dtype}, expected integers")
    if images.ndim not in {3, 4} or len(images) != len(labels) or not len(labels):
        raise DataError(
            f"{path}, {split}_images: found shape {images.shape} beside {len(labels):,} labels, expected (N, H, W) or "
            "(N, H, W, C), as many images as labels"
        )
    return labels.astype(np.int64)


def _pictures(images: NDArray[Any], where: str, background: str) -> Iterator[Picture]:
    return (from_array(image, f"{where}, image {number}", background) for number, image in enumerate(images))
