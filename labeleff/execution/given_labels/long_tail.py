"""Long tails: the part of a training pool whose classes fall off exponentially, as in CIFAR-10-LT.

Class k of C keeps `ratio ** (-k / (C - 1))` of what class 0 keeps, rounded down (Cui et al. 2019, section 5; Cao et al.
2019, LDAM), so the order of the classes says which are rare. Class 0 keeps as much as it can.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import LadderError
from labeleff.seeding import generator

if TYPE_CHECKING:
    from labeleff.training.examples import Task

Indices = NDArray[np.int64]


def tail_sizes(counts: Sequence[int], ratio: float) -> list[int]:
    """Number of examples that every class keeps, for a pool with `counts` of each; class 0 keeps the most.

    Raises LadderError for fewer than two classes, and where a class would keep none.
    """
    if len(counts) < 2:
        raise LadderError(f"imbalance {ratio:g}: found {len(counts)} class, expected two or more")
    shares = float(ratio) ** (-np.arange(len(counts)) / (len(counts) - 1))
    largest = float(np.min(np.array(counts) / shares))
    sizes = np.floor(largest * shares + 1e-9).astype(np.int64)  # as 5,000 / 100 may come out under 50
    if (sizes < 1).any():
        raise LadderError(
            f"imbalance {ratio:g}: found a pool of {sum(counts):,} examples, of which {int((sizes < 1).sum())} of "
            f"{len(counts)} classes would keep none; take a lower ratio"
        )
    return [int(size) for size in sizes]


def tail_of(task: Task, ratio: float) -> Indices:
    """Sorted positions of a task's training examples in the long tail of a ratio: int64 (M,); see `tail_positions`."""
    return tail_positions(task.strata.numpy(), len(task.classes), ratio, task.name)


def tail_positions(labels: Indices, classes: int, ratio: float, task: str) -> Indices:
    """Sorted positions of the examples that are kept, of labels (N,) in 0..classes-1: int64 (M,).

    Which they are depends on the task's name alone, so that all draws share one long-tailed pool; on a balanced pool a
    higher ratio keeps a part of what a lower one does.
    """
    sizes = np.array(tail_sizes(np.bincount(labels, minlength=classes).tolist(), ratio))
    shuffled = np.argsort(generator("long tail", task).random(len(labels)), kind="stable")
    grouped = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels, minlength=classes)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(grouped[rank < np.repeat(sizes, counts)])
