"""Public data sets by name, downloaded and checked by torchvision when they are first used.

CIFAR-100 (Krizhevsky 2009), STL-10 (Coates et al. 2011), whose 100,000 images without labels feed pretexts, SVHN
(Netzer et al. 2011), and EuroSAT (Helber et al. 2019), which has no official split: in each class every fifth image,
in the order of names, is a test image.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import DataError
from labeleff.plugins.tasks.folder import read_picture
from labeleff.plugins.tasks.pictures.decoding import from_array
from labeleff.plugins.tasks.pictures.making import Origin, Part, make_task
from labeleff.training.examples import Source, Task

FOLDER = "torchvision"
EVERY = 5
"""Number of EuroSAT images of a class that hold one for testing."""


def _open(title: str, source: Source, dataset: Callable[..., Any], *which: object) -> Any:
    """Open a data set of torchvision, or the split `which`, below the data folder; DataError where it can't be had."""
    root = source.folder / FOLDER
    try:
        if not source.offline:
            root.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(io.StringIO()):
            return dataset(root, *which, download=not source.offline)
    except (OSError, RuntimeError, ValueError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        also = ", and offline nothing is fetched" if source.offline else ""
        raise DataError(
            f"{title} can't be had{also}: {error}. Put torchvision's files of it into {root.absolute()}, or run once "
            "with network access and without --offline"
        ) from error


def _part(images: NDArray[np.uint8], labels: Any, title: str) -> Part:
    """A split from images (N, H, W, 3)."""
    pictures = (from_array(image, f"{title}, image {number}", "white") for number, image in enumerate(images))
    return Part(len(images), pictures, np.asarray(labels, dtype=np.int64))


def _origin(name: str, title: str, classes: Any, **facts: Any) -> Origin:
    return Origin(name, [str(one) for one in classes], f"{title}, by torchvision", title, facts)


def cifar100(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Load CIFAR-100: 50,000 + 10,000 photographs of 100 classes; DataError where it can't be had."""
    from torchvision.datasets import CIFAR100  # takes seconds to import, and is rarely needed

    train, test = (_open("CIFAR-100", source, CIFAR100, training) for training in (True, False))
    origin = _origin("cifar100/classify", "CIFAR-100", train.classes)
    parts = [_part(split.data, split.targets, origin.title) for split in (train, test)]
    return make_task(origin, parts, options, source)


def stl10(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Load STL-10: 5,000 + 8,000 photographs of 10 classes, and 100,000 without labels for pretexts."""
    from torchvision.datasets import STL10

    train, test, more = (_open("STL-10", source, STL10, split) for split in ("train", "test", "unlabeled"))
    origin = _origin("stl10/classify", "STL-10", train.classes)
    parts = [_part(split.data.transpose(0, 2, 3, 1), split.labels, origin.title) for split in (train, test, more)]
    return make_task(origin, parts, options, source)


def svhn(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Load SVHN: 73,257 + 26,032 digits of house numbers, 32x32."""
    from torchvision.datasets import SVHN

    splits = [_open("SVHN", source, SVHN, split) for split in ("train", "test")]
    origin = _origin("svhn/classify", "SVHN", range(10))
    parts = [_part(split.data.transpose(0, 2, 3, 1), split.labels, origin.title) for split in splits]
    return make_task(origin, parts, options, source)


def eurosat(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Load EuroSAT: 27,000 satellite images of 10 kinds of land, of which every fifth of a class is for testing."""
    from torchvision.datasets import EuroSAT

    opened = _open("EuroSAT", source, EuroSAT)
    samples = [*_numbered(sorted(opened.samples))]
    origin = _origin("eurosat/classify", "EuroSAT", opened.classes, split=f"every {EVERY}th of a class is for testing")

    def part(*, test: bool) -> Part:
        chosen = [(path, label) for path, label, number in samples if (number % EVERY == EVERY - 1) == test]
        pictures = (read_picture(Path(path), str(options["background"])) for path, _ in chosen)
        return Part(len(chosen), pictures, np.array([label for _, label in chosen], dtype=np.int64))

    return make_task(origin, (part(test=False), part(test=True)), options, source)


def _numbered(samples: list[tuple[str, int]]) -> Iterator[tuple[str, int, int]]:
    """Yield path, label and the number among those of its class, from 0."""
    counts: dict[int, int] = {}
    for path, label in samples:
        number = counts.setdefault(label, 0)
        counts[label] += 1
        yield path, label, number
