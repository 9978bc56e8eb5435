"""Test examples with a near-duplicate among the training examples of a task: counted, or left out of the test split.

The training pool stays as it is, so that draws, pretexts and arms aren't touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from labeleff.catalogue.declaration import NEAR_DUPLICATES, OptionValue
from labeleff.errors import DataError
from labeleff.training.contents import numbered
from labeleff.training.near_duplicates import COSINE, near_pairs, nearest_cosines

if TYPE_CHECKING:
    from labeleff.training.examples import StoredFeatures, Task

Mask = NDArray[np.bool_]
"""Whether each test example has a near-duplicate, (M,)."""
FACT = "near-duplicates"
"""Name of the facts in the records."""


def handled(task: Task, options: Mapping[str, OptionValue]) -> Task:
    """The task as its option `near_duplicates` wants it: as it is, or without test examples that are found."""
    return without_overlap(task) if options.get(NEAR_DUPLICATES) == "drop" else task


def counted(task: Task, options: Mapping[str, OptionValue]) -> Task:
    """The task with the count among its facts and notes, where its option asks for no more."""
    if options.get(NEAR_DUPLICATES) != "count":
        return task
    near, facts = _find(task)
    return _told(task, near, {**facts, "left out": False})


def without_overlap(task: Task) -> Task:
    """The task without the test examples that have a near-duplicate; DataError where all have one."""
    near, facts = _find(task)
    if near.all():
        raise DataError(
            f"{task.name}: all {len(near):,} test examples have a near-duplicate among the training examples, expected "
            f'some that have none; count them with {NEAR_DUPLICATES} = "count"'
        )
    rest = torch.from_numpy(np.flatnonzero(~near))
    test = replace(task.test, inputs=task.test.inputs[rest], labels=task.test.labels[rest]) if near.any() else task.test
    return _told(replace(task, test=test), near, {**facts, "left out": True})


def _find(task: Task) -> tuple[Mask, dict[str, Any]]:
    """Find the test examples that have a near-duplicate, with facts on how many and by what."""
    if task.features is not None:
        near = np.logical_and.reduce([_near_by(task, one) for one in task.features.values()])
        return near, {"found": int(near.sum()), "of": len(near), "cosine": COSINE}
    train, test = task.train.inputs, task.test.inputs
    pairs = near_pairs(train.numpy(), test.numpy())
    known, asked = numbered(train, test)
    equal, near = torch.isin(asked, known).numpy(), np.zeros(len(test), dtype=bool)
    near[pairs.test] = True
    mirrored = pairs.test[pairs.mirrored & ~equal[pairs.test]]
    counts = {"found": int((near | equal).sum()), "of": len(near), "equal": int(equal.sum()), "mirrored": len(mirrored)}
    return near | equal, counts


def _near_by(task: Task, stored: StoredFeatures) -> Mask:
    """Whether one encoder's features of each test item are near those of a training item."""
    rows = (stored.rows[part.inputs[:, 0].numpy()] for part in (task.train, task.test))
    train, test = (np.asarray(stored.features[of], np.float32) for of in rows)
    near: Mask = nearest_cosines(train, test) >= COSINE
    return near


def _told(task: Task, near: Mask, facts: Mapping[str, Any]) -> Task:
    """The task with facts and a note on its near-duplicates."""
    things = "test items" if task.features is not None else "test images"
    share = f"{near.sum():,} of {len(near):,} {things} ({near.mean():.1%})"
    end = ", and are left out of the test split" if facts["left out"] else ""
    note = f"{task.name}: {share} have a near-duplicate among the training pool{end}"
    return replace(task, facts={**task.facts, FACT: dict(facts)}, notes=(*task.notes, note))
