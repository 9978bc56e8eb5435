"""Images in folders of yours: PATH/train/CLASS/*.png|jpg|jpeg and PATH/test/CLASS/*.

Classes are the folders' names, sorted; images come in the order of their names. Every image becomes RGB and is
resized so that its shorter side fits, then cropped to the middle square. Files and folders whose names begin
with a dot, and files that are no images, are passed over; images of another format are an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import DataError
from labeleff.training.examples import Examples, Source, Task

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
OTHER_IMAGES = {".bmp", ".gif", ".heic", ".tif", ".tiff", ".webp"}
EXPECTED = "expected PATH/train/CLASS/*.png|jpg|jpeg and PATH/test/CLASS/*"


def load(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Load the task in the folder `options["path"]`, images `options["size"]` pixels per side.

    Raises DataError for a missing or empty folder, classes that differ between the splits, and an image that
    can't be read, naming it.
    """
    root, size = Path(str(options["path"])).expanduser(), int(options["size"])
    train, test = _listing(root / "train"), _listing(root / "test")
    _check_same_classes(root, set(train), set(test))
    total = sum(map(len, train.values())) + sum(map(len, test.values()))

    def read(listing: dict[str, list[Path]], done: int) -> Examples:
        return _examples(listing, size, lambda i: source.progress(done + i, total, f"reading images of {root.name}"))

    examples = read(train, 0)
    return Task("folder/classify", examples, read(test, len(examples)), tuple(train), f"images in {root}")


def _listing(split: Path) -> dict[str, list[Path]]:
    """List image files by class, both sorted by name."""
    try:
        classes = sorted(path for path in split.iterdir() if path.is_dir() and not path.name.startswith("."))
        files = {folder.name: [path for path in sorted(folder.iterdir()) if _is_image(path)] for folder in classes}
    except OSError as error:
        raise DataError(f"{error.filename}: can't be listed: {error.strerror}; {EXPECTED}") from error
    if not files:
        raise DataError(f"{split}: found no class folders; {EXPECTED}")
    if empty := [name for name, images in files.items() if not images]:
        raise DataError(f"{split}: found no images in class {', '.join(empty)}; {EXPECTED}")
    return files


def _is_image(path: Path) -> bool:
    """Whether a file is an image to read; DataError for an image of another format."""
    if path.name.startswith("."):
        return False
    if path.suffix.lower() in OTHER_IMAGES:
        raise DataError(f"{path}: found a {path.suffix} image, expected {', '.join(FORMATS)}; convert it")
    return path.suffix.lower() in FORMATS


def _check_same_classes(root: Path, train: set[str], test: set[str]) -> None:
    differences = [
        f"{', '.join(sorted(only))} only in {split}"
        for only, split in ((train - test, "train"), (test - train, "test"))
        if only
    ]
    if differences:
        raise DataError(f"{root}: classes differ: {'; '.join(differences)}; expected the same folders in both")
    if len(train) < 2:
        raise DataError(f"{root}: found one class, {min(train)}, expected at least two")


def _examples(listing: dict[str, list[Path]], size: int, advance: Callable[[int], None]) -> Examples:
    paths = [path for images in listing.values() for path in images]
    labels = np.repeat(np.arange(len(listing)), [len(images) for images in listing.values()])
    images = np.empty((len(paths), size, size, 3), dtype=np.uint8)
    for i, path in enumerate(paths):
        images[i] = _read_image(path, size)
        advance(i + 1)
    return Examples(torch.from_numpy(images), torch.from_numpy(labels))


def _read_image(path: Path, size: int) -> NDArray[np.uint8]:
    """Read one image, upright as its camera noted, RGB: (size, size, 3)."""
    try:
        with Image.open(path, formats=sorted(set(FORMATS.values()))) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode == "P":  # a palette may hold transparency, which RGBA knows and RGB does not
                image = image.convert("RGBA")
            fitted = ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.BILINEAR)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a readable image: {error}; replace or remove it") from error
    return np.asarray(fitted)
