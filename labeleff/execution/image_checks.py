"""Facts about a task's images that users count on: leaks to the test split, copies, equal images, absent classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeleff.execution.draws import absent_classes
from labeleff.training.contents import numbered
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
    train, test = (part.numpy() for part in numbered(task.train.inputs, task.test.inputs))
    content, count = np.concatenate([train, test]), len(task.train)
    counts: dict[str, int] = {
        "test images in training": int(np.isin(test, train).sum()),
        "copies in training": count - len(np.unique(train)),
        "copies in test": len(test) - len(np.unique(test)),
        "copies among labelled": max((len(of) - len(np.unique(train[of])) for of in labelled), default=0),
    }
    facts: dict[str, Any] = {"checks": counts}
    if not task.goal.dense:
        counts["equal images of different classes"] = _contradictions(task, content)
        for split, examples in (("training", task.train), ("test", task.test)):
            if absent := absent_classes(examples.labels.numpy(), task.classes):
                facts[f"classes without {split} images"] = absent
    if equal := [split for split, of in (("training", train), ("test", test)) if len(of) > 1 and len(set(of)) == 1]:
        facts["all images equal"] = equal
    if _grey(task.train):
        facts["grey"] = True
    return facts


def _contradictions(task: Task, content: Numbers) -> int:
    """Count images that are found under more than one label."""
    labels = np.concatenate([task.train.labels.numpy(), task.test.labels.numpy()])
    pairs = np.unique(np.stack([content, labels], axis=1), axis=0)[:, 0]
    return int((np.bincount(pairs) > 1).sum())


def _grey(examples: Examples) -> bool:
    """Whether all images have three equal channels."""
    images = examples.inputs
    blocks = (images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK))
    return all(bool((block == block[..., :1]).all()) for block in blocks)
