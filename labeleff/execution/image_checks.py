"""Facts about a task's images that users count on: leaks to the test split, copies, equal images, absent classes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from labeleff.training.examples import Examples, Task

Numbers = NDArray[np.int64]
"""Number of the content of every image: equal images have equal numbers. int64 (N,)."""
_BLOCK = 4096


def image_facts(task: Task, labelled: Iterable[Numbers] = ()) -> dict[str, Any]:
    """Count leaks and copies of a task of images, pixel by pixel as networks see them; empty for stories.

    `labelled` are the positions of the labelled images of each draw, at the largest rung.
    """
    if task.text is not None or task.features is not None:
        return {}
    content = _numbers(task.train.inputs, task.test.inputs)
    count = len(task.train)
    train, test = content[:count], content[count:]
    counts: dict[str, int] = {
        "test images in training": int(np.isin(test, train).sum()),
        "copies in training": count - len(np.unique(train)),
        "copies in test": len(test) - len(np.unique(test)),
        "copies among labelled": max((len(of) - len(np.unique(train[of])) for of in labelled), default=0),
    }
    facts: dict[str, Any] = {"checks": counts}
    if not task.goal.dense:
        counts["equal images of different classes"] = _contradictions(task, content)
        facts |= _absent(task)
    if equal := [split for split, of in (("training", train), ("test", test)) if len(of) > 1 and len(set(of)) == 1]:
        facts["all images equal"] = equal
    if _grey(task.train):
        facts["grey"] = True
    return facts


def _numbers(*arrays: Tensor) -> Numbers:
    """Number images by their content, across arrays (N, H, W, 3)."""
    known: dict[bytes, int] = {}
    numbers = []
    for array in arrays:
        for image in array.contiguous().numpy():
            digest = hashlib.blake2b(image.data, digest_size=16).digest()
            numbers.append(known.setdefault(digest, len(known)))
    return np.array(numbers, dtype=np.int64)


def _contradictions(task: Task, content: Numbers) -> int:
    """Count images that are found under more than one label."""
    labels = np.concatenate([task.train.labels.numpy(), task.test.labels.numpy()])
    pairs = np.unique(np.stack([content, labels], axis=1), axis=0)[:, 0]
    return int((np.bincount(pairs) > 1).sum())


def _absent(task: Task) -> dict[str, list[str]]:
    """Classes without an image, by split."""
    facts = {}
    for split, examples in (("training", task.train), ("test", task.test)):
        counts = np.bincount(examples.labels.numpy(), minlength=len(task.classes))
        absent = [name for name, number in zip(task.classes, counts, strict=False) if number == 0]
        if absent:
            facts[f"classes without {split} images"] = absent
    return facts


def _grey(examples: Examples) -> bool:
    """Whether all images have three equal channels."""
    images = examples.inputs
    blocks = (images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK))
    return all(bool((block == block[..., :1]).all()) for block in blocks)
