"""The toy: same bytes every time, balanced, splits apart, and things that tell up from down."""

from __future__ import annotations

import pytest
import torch

from labeleff.catalogue.declaration import Spec
from labeleff.plugins.tasks.sources.toy_outlines import THINGS
from labeleff.training.examples import Source, load_task


def load(folder, train=40, test=20, size=32, **kwargs):
    spec = Spec(name="toy/classify", options={"train": train, "test": test, "size": size})
    return load_task(spec, Source(folder, offline=True, **kwargs))


def test_two_builds_are_equal(tmp_path):
    state = torch.random.get_rng_state()
    assert load(tmp_path).fingerprint == load(tmp_path).fingerprint
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_small_pool_is_the_beginning_of_a_large_one(tmp_path):
    small, large = load(tmp_path, train=23), load(tmp_path, train=60)
    assert torch.equal(small.train.images, large.train.images[:23])
    assert torch.equal(small.train.labels, large.train.labels[:23])
    assert torch.equal(small.test.images, large.test.images)


def test_shapes_types_and_balance(tmp_path):
    task = load(tmp_path, train=103, test=50, size=24)
    assert task.train.images.shape == (103, 24, 24, 3)
    assert (task.train.images.dtype, task.train.labels.dtype) == (torch.uint8, torch.int64)
    assert set(torch.bincount(task.train.labels, minlength=10).tolist()) == {10, 11}
    assert torch.bincount(task.test.labels).tolist() == [5] * 10
    assert len(task.classes) == len(set(task.classes)) == 10
    assert task.train.labels[:10].tolist() != list(range(10))


def test_no_image_comes_twice_within_or_across_splits(tmp_path):
    task = load(tmp_path, train=200, test=200)
    images = torch.cat([task.train.images, task.test.images]).flatten(1)
    assert len(torch.unique(images, dim=0)) == 400


def test_progress_counts_every_image(tmp_path):
    calls = []
    load(tmp_path, train=40, test=20, progress=lambda *call: calls.append(call))
    assert (40, 40, "drawing train images") in calls
    assert (20, 20, "drawing test images") in calls


@pytest.mark.parametrize("name", THINGS)
def test_things_have_an_up_and_a_down(tmp_path, name):
    """The mean silhouette of a thing differs from itself turned by any quarter."""
    task = load(tmp_path, train=1000, test=10)
    images = task.train.images[task.train.labels == task.classes.index(name)].float().mean(3)
    inner = (images - images.mean((1, 2), keepdim=True)).abs().mean(0)
    inner = (inner - inner.mean()) / inner.std()
    for turns in (1, 2, 3):
        alike = (inner * inner.rot90(turns)).mean()
        assert alike < 0.97, f"{name} turned by {90 * turns} degrees"
