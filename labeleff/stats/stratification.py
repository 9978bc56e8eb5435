"""Orders and folds of labelled examples: proportional, balanced, and iterative for several labels per example.

An order is a permutation whose first n examples are the draw of n labels, so that draws are nested whatever the
counts of the classes. Counts are given, never shares: what "1 % of 1,797" is, is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]
WINDOW = 16
"""Examples among which the best is taken where each has several labels."""


def proportional_order(labels: Indices, shuffled: Indices, rng: np.random.Generator) -> Indices:
    """Order examples so that each class of `labels` (N,) has its share in every beginning.

    The r-th shuffled example of a class of N_c is put at (r + u) / N_c, u uniform in [0, 1), and all are sorted.
    Up to any position t a class has floor(t N_c) or one more, and chance alone decides which: so on a balanced
    pool counts differ by one at most and no class is favoured; on any pool of C classes a count is off its
    proportional share n N_c / N by less than 1 + C N_c / N.
    """
    grouped, rank, sizes = _by_class(labels, shuffled)
    place = (rank + rng.random(len(labels))) / np.repeat(sizes, sizes)
    return grouped[np.argsort(place, kind="stable")]


def balanced_order(labels: Indices, shuffled: Indices, rng: np.random.Generator) -> Indices:
    """Order examples so that in every beginning the classes' counts differ by one at most.

    A class whose examples are used up falls behind; the others stay level. Chance alone decides which class gets an
    example first.
    """
    grouped, rank, _ = _by_class(labels, shuffled)
    return grouped[np.argsort(rank + rng.random(len(labels)), kind="stable")]


def covering_order(labels: Indices, order: Indices) -> Indices:
    """Put the first example of every class in front of an order, all else left as it is.

    With n at least the number of classes, the first n examples are a beginning of `order` with one example of each
    class that has none there.
    """
    _, first = np.unique(labels[order], return_index=True)
    first = np.sort(first)
    return np.concatenate([order[first], np.delete(order, first)])


def _by_class(labels: Indices, shuffled: Indices) -> tuple[Indices, Indices, Indices]:
    """Group shuffled examples by class: the examples, each one's rank in its class, and the classes' sizes."""
    grouped = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sizes = np.bincount(labels)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return grouped, rank, sizes


def several_labels_order(flags: Flags, shuffled: Indices) -> Indices:
    """Order examples with several labels each, `flags` (N, K), so that each label has its share in every beginning.

    Greedily: the label furthest below its share of the examples so far is next, having no label counting as one; of
    its next `WINDOW` shuffled examples the one is taken that leaves all labels nearest to their shares.
    """
    with_none = np.column_stack([flags, ~flags.any(1)])
    queues = [shuffled[with_none[shuffled, k]][::-1].tolist() for k in range(with_none.shape[1])]
    shares, counts = with_none.mean(0), np.zeros(with_none.shape[1])
    used, order = np.zeros(len(flags), bool), np.empty(len(flags), np.int64)
    for position in range(len(flags)):
        lacking = (position + 1) * shares - counts
        for label in np.argsort(-lacking, kind="stable").tolist():
            if window := _unused(queues[label], used):
                break
        misses = np.square(lacking - with_none[window]).sum(1)
        example = window[int(np.argmin(misses))]
        used[example], order[position] = True, example
        counts += with_none[example]
    return order


def _unused(queue: list[int], used: Flags) -> list[int]:
    """Examples not used yet at the end of a queue, which loses ends that are used up; empty at its very end."""
    while queue:
        if window := [example for example in queue[-WINDOW:] if not used[example]]:
            return window
        del queue[-WINDOW:]
    return []


def iterative_folds(flags: Flags, sizes: Sequence[int], shuffled: Indices, rng: np.random.Generator) -> Indices:
    """Divide examples with several labels each, `flags` (N, K), into folds of given sizes: fold numbers (N,).

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011): the label with fewest examples left is dealt out
    first, each example to the fold that lacks most of it, then to the one with most room, then by chance. Unlike in
    the paper a full fold takes no more, so that `sizes`, which must sum to N, are kept exactly.
    """
    room = np.array(sizes, dtype=np.int64)
    if int(room.sum()) != len(flags) or (room < 0).any():
        raise ValueError(f"found folds of {[*sizes]}, expected sizes with the sum {len(flags)}")
    wanted = flags.sum(0)[:, None] * (room / len(flags))[None]
    left, folds = flags.sum(0), np.full(len(flags), -1)
    while (left > 0).any():
        label = int(np.argmin(np.where(left > 0, left, len(flags) + 1)))
        for example in shuffled[flags[shuffled, label] & (folds[shuffled] < 0)].tolist():
            fold = _neediest(wanted[label], room, rng)
            folds[example] = fold
            room[fold] -= 1
            wanted[flags[example], fold] -= 1
            left = left - flags[example]
    rest = shuffled[folds[shuffled] < 0]
    folds[rest] = rng.permutation(np.repeat(np.arange(len(room)), room))
    return folds


def _neediest(wanted: NDArray[np.float64], room: Indices, rng: np.random.Generator) -> int:
    """Choose, among folds with room, the one that wants most, then with most room, then by chance."""
    best = np.flatnonzero(room > 0)
    for merit in (wanted, room):
        best = best[merit[best] >= merit[best].max() - 1e-9]
    return int(best[0] if len(best) == 1 else rng.choice(best))


def stratified_folds(labels: Indices, sizes: Sequence[int], shuffled: Indices, rng: np.random.Generator) -> Indices:
    """Divide examples with one label each, `labels` (N,), into folds of exact sizes with the sum N: fold numbers (N,).

    Shuffled examples are dealt out class by class in a sequence in which each fold's turns are spread evenly, so that
    a fold's count of a class is near its share; where the sequence begins is random.
    """
    turns = np.repeat(np.arange(len(sizes)), sizes)
    places = np.concatenate([(np.arange(size) + 0.5) / max(size, 1) for size in sizes])
    sequence = np.roll(turns[np.argsort(places, kind="stable")], int(rng.integers(len(labels))))
    folds = np.empty(len(labels), np.int64)
    folds[shuffled[np.argsort(labels[shuffled], kind="stable")]] = sequence
    return folds


def folds_by_group(groups: Indices, sizes: Sequence[int], rng: np.random.Generator) -> Indices:
    """Divide examples into folds so that no group of `groups` (N,), numbers from 0, is in two: fold numbers (N,).

    Groups come in random order, and each goes to the fold with most room: so folds exceed their sizes by less than one
    group, small folds don't get small groups, and each fold has a group where there are enough.
    """
    counts = np.bincount(groups)
    room, fold_of = np.array(sizes, dtype=np.float64), np.empty(len(counts), np.int64)
    empty = np.ones(len(room), bool)
    for done, group in enumerate(rng.permutation(len(counts)).tolist()):
        needed = empty if empty.sum() == len(counts) - done else np.ones(len(room), bool)
        fold = int(np.argmax(np.where(needed, room, -np.inf)))
        fold_of[group], empty[fold] = fold, False
        room[fold] -= counts[group]
    return fold_of[groups]
