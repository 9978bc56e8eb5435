"""Test images that are almost training images: found by a hash of low frequencies, confirmed by their details.

Two images are candidates where few bits of their hashes differ; then few differ in one of three parts of the hash, by
which candidates are looked up in place of comparing all pairs. A candidate is confirmed where the images' details
correlate at a shift by up to 3/32 of a side. Brightness, contrast, colour and smooth shading don't count. Images may
also be each other's mirror images.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from labeleff.training.picture_hash import BITS, MIRRORED, Floats, Hashes, Pixels, details_of, hashes_of

Places = NDArray[np.int64]
"""Positions among the training or test examples."""
RADIUS = 8
"""Most bits in which the hashes of candidates differ."""
SHIFT = 3
"""Largest shift, in 1/32 of a side."""
CORRELATION = 0.8
"""Least correlation of the details of near-duplicates: over it, over nine of ten pairs of CIFAR-10 are one picture.

`reports/faults/near_duplicates.md` has the counts, here and below.
"""
COSINE = 0.99
"""Least cosine of the features of near-duplicates, seen from the mean of the training features."""
_ROUGH = 0.5
"""Least correlation at half the resolution of candidates that are looked at in full."""
_FAINT = 1.0
"""Least root mean square of details, in levels, that isn't taken for less than it is."""
_PARTS = (12, 12, 11)
"""Bits of the parts of a hash: of RADIUS differing bits, one of three parts has 2 at most."""
_BLOCK = 1024


@dataclass(frozen=True)
class Pairs:
    """Pairs of a test and a training example, (K,) each, sorted by test example, with what they have in common.

    `score` is a correlation of details; `mirrored` says whether that is of the test image's mirror image.
    """

    test: Places
    train: Places
    score: Floats
    mirrored: NDArray[np.bool_]

    @classmethod
    def none(cls) -> Pairs:
        """No pairs."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.bool_))


def near_pairs(train: Pixels, test: Pixels) -> Pairs:
    """Find the best near-duplicate among training images (N, H, W, 3) of each test image that has one.

    Images without details have none; what equals a training image has.
    """
    looks = _Looks.of(train), _Looks.of(test)
    starts = range(0, len(looks[1].rows), _BLOCK)
    found = [
        _confirmed(train, test, looks, slice(start, start + _BLOCK), mirrored)
        for start, mirrored in itertools.product(starts, (False, True))
    ]
    test_rows, train_rows, score, mirrors = (
        np.concatenate(parts)
        for parts in zip(*((p.test, p.train, p.score, p.mirrored) for p in [Pairs.none(), *found]), strict=True)
    )
    order = np.lexsort((train_rows, mirrors, -score, test_rows))
    best = order[np.unique(test_rows[order], return_index=True)[1]]
    return Pairs(test_rows[best], train_rows[best], score[best], mirrors[best])


@dataclass(frozen=True)
class _Looks:
    """Images with details: their positions (n,), hashes (n,) and coarse details (n, 16, 16)."""

    rows: Places
    hashes: Hashes
    details: Floats

    @classmethod
    def of(cls, images: Pixels) -> _Looks:
        details = details_of(images, 2)
        rows = np.flatnonzero(details.std(axis=(1, 2)) >= _FAINT / 2)
        return cls(rows, hashes_of(images)[rows], details if len(rows) == len(details) else details[rows])


def candidates(train: Hashes, test: Hashes) -> tuple[Places, Places]:
    """List the pairs whose hashes differ in RADIUS bits at most: test and training examples (K,), sorted."""
    found, low = [np.zeros(0, np.int64)], 0
    for width in _PARTS:
        part = np.uint64(low), np.uint64((1 << width) - 1)
        known, asked = ((of >> part[0] & part[1]).astype(np.int64) for of in (train, test))
        order = np.argsort(known, kind="stable")
        starts, hashes = np.searchsorted(known[order], np.arange((1 << width) + 1)), train[order]
        for flips in _flips(width):
            begins = starts[asked ^ flips]
            counts = starts[(asked ^ flips) + 1] - begins
            who = np.repeat(np.arange(len(test)), counts)
            place = np.arange(len(who)) + np.repeat(begins + counts - np.cumsum(counts), counts)
            near = np.bitwise_count(hashes[place] ^ test[who]) <= RADIUS
            found.append(who[near] * len(train) + order[place[near]])
        low += width
    assert low == BITS
    who, whom = np.divmod(np.unique(np.concatenate(found)), max(len(train), 1))
    return who, whom


def _flips(width: int) -> list[int]:
    """All ways to change up to two of `width` bits, as numbers to be combined by exclusive or."""
    bits = [1 << bit for bit in range(width)]
    return [0, *bits, *(one | other for one, other in itertools.combinations(bits, 2))]


def _confirmed(train: Pixels, test: Pixels, looks: tuple[_Looks, _Looks], block: slice, mirrored: bool) -> Pairs:
    """Look up the candidates of a block of test images; keep those whose details correlate, roughly, then in full."""
    known, asked = looks
    hashes, details, rows = asked.hashes[block], asked.details[block], asked.rows[block]
    who, whom = candidates(known.hashes, hashes ^ MIRRORED if mirrored else hashes)
    rough = _correlations(known.details, details, who, whom, (SHIFT + 1) // 2, mirrored) >= _ROUGH
    who, whom = rows[who[rough]], known.rows[whom[rough]]
    (asking, left), (others, right) = (np.unique(of, return_inverse=True) for of in (who, whom))
    score = _correlations(details_of(train[others]), details_of(test[asking]), left, right, SHIFT, mirrored)
    near = score >= CORRELATION
    return Pairs(who[near], whom[near], score[near], np.full(int(near.sum()), mirrored))


def _correlations(train: Floats, test: Floats, who: Places, whom: Places, shift: int, mirrored: bool) -> Floats:
    """Correlation (K,) of the details of test images `who`, sorted, and training images `whom` at their best shift.

    It is that of the middle of the training image and of each equally large part of the test image.
    """
    inner = train.shape[-1] - 2 * shift
    middles = _standardised(train[:, shift : shift + inner, shift : shift + inner].reshape(len(train), inner * inner))
    scores = np.empty(len(who), np.float32)
    starts = np.flatnonzero(np.diff(who, prepend=-1))
    for start, end in itertools.pairwise([*starts.tolist(), len(who)]):
        image = test[who[start]][:, ::-1] if mirrored else test[who[start]]
        parts = _standardised(sliding_window_view(image, (inner, inner)).reshape(-1, inner * inner))
        scores[start:end] = (middles[whom[start:end]] @ parts.T).max(axis=1)
    return scores


def _standardised(details: Floats) -> Floats:
    """Rows (n, D) without their mean, of length 1, or less where there are hardly any details."""
    rows = details - details.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    standardised: Floats = rows / np.maximum(lengths, _FAINT * np.float32(np.sqrt(rows.shape[1])))
    return standardised


def nearest_cosines(train: Floats, test: Floats) -> Floats:
    """Cosine (M,) of each test example's features and of those nearest among the training examples, (N, D) each."""
    mean = train.mean(axis=0, keepdims=True)
    known = _directions(train - mean)
    blocks = (_directions(test[start : start + _BLOCK] - mean) for start in range(0, len(test), _BLOCK))
    return np.concatenate([(block @ known.T).max(axis=1) for block in blocks])


def _directions(rows: Floats) -> Floats:
    """Rows of length 1; those without a direction stay 0."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    directions: Floats = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return directions
