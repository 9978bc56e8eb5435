"""Near-duplicates that are planted are found, others aren't; the search is that over all pairs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from support.photographs import brightened, greyed, jpeg_again, mirrored, photographs, shifted

from labeleff.training.near_duplicates import CORRELATION, RADIUS, SHIFT, candidates, near_pairs, nearest_cosines
from labeleff.training.picture_hash import BITS, details_of, hashes_of


def test_candidates_are_all_pairs_within_the_radius():
    rng = np.random.default_rng(0)
    train = rng.integers(0, 1 << BITS, 300, dtype=np.uint64)
    changed = [sum(1 << int(b) for b in rng.choice(BITS, number % 13, replace=False)) for number in range(120)]
    test = train[:120] ^ np.array(changed, dtype=np.uint64)
    expected = [
        (i, j)
        for i, j in itertools.product(range(len(test)), range(len(train)))
        if (int(test[i]) ^ int(train[j])).bit_count() <= RADIUS
    ]
    assert len(expected) > 60
    assert list(zip(*(rows.tolist() for rows in candidates(train, test)), strict=True)) == expected
    assert [len(rows) for rows in candidates(train[:0], test)] == [0, 0]


FOUND = {"moved": shifted, "lighter": brightened, "JPEG": jpeg_again, "mirrored": mirrored, "grey": greyed}
OTHER = {
    "turned upside down": lambda images: images[:, ::-1],
    "turned": lambda images: np.rot90(images, 1, (1, 2)),
    "moved far": lambda images: shifted(images, images.shape[2] // 4),
    "negative": lambda images: 255 - images,
    "another": lambda images: photographs(len(images), images.shape[1], seed=9),
}


@pytest.mark.parametrize("side", [32, 48])
@pytest.mark.parametrize("change", FOUND)
def test_what_is_planted_is_found_with_its_partner(change, side):
    train = photographs(80, side)
    pairs = near_pairs(train, np.concatenate([FOUND[change](train[:20]), photographs(5, side, seed=9)]))
    assert len(pairs.test) >= 19
    assert pairs.test.tolist() == pairs.train.tolist()
    assert (pairs.mirrored == (change == "mirrored")).all()
    assert (pairs.score >= CORRELATION).all()


@pytest.mark.parametrize("change", OTHER)
def test_other_images_are_not_found(change):
    train = photographs(80)
    assert len(near_pairs(train, np.ascontiguousarray(OTHER[change](train[:20]))).test) == 0


def slow_score(train, test):
    """Correlation of the middle of one image's details and any equally large part of the other's."""
    inner = 32 - 2 * SHIFT
    middle = train[SHIFT : SHIFT + inner, SHIFT : SHIFT + inner].ravel()
    parts = [test[r : r + inner, c : c + inner].ravel() for r, c in np.ndindex(2 * SHIFT + 1, 2 * SHIFT + 1)]
    return max(np.corrcoef(middle, part)[0, 1] for part in parts)


def test_pairs_are_those_of_a_slow_search():
    train = photographs(30)
    test = np.concatenate([mirrored(shifted(train[:6])), shifted(jpeg_again(train[4:12]), 2), photographs(6, seed=9)])
    train_details, bits = details_of(train), [int(one) for one in hashes_of(train)]
    sides = [(details_of(of), [int(one) for one in hashes_of(of)]) for of in (test, mirrored(test))]
    expected = {}
    for number in range(len(test)):
        scores = [
            (slow_score(train_details[other], details[number]), other, bool(side))
            for side, (details, hashes) in enumerate(sides)
            for other in range(len(train))
            if (hashes[number] ^ bits[other]).bit_count() <= RADIUS
        ]
        if scores and max(scores)[0] >= CORRELATION:
            expected[number] = max(scores)
    pairs = near_pairs(train, test)
    assert len(expected) > 8
    assert pairs.test.tolist() == list(expected)
    assert list(zip(pairs.train.tolist(), pairs.mirrored.tolist(), strict=True)) == [e[1:] for e in expected.values()]
    assert np.allclose(pairs.score, [e[0] for e in expected.values()], atol=1e-4)


def test_blank_images_match_nothing():
    blank = np.full((500, 32, 32, 3), 90, np.uint8)
    assert len(near_pairs(blank, blank + np.uint8(5)).test) == 0


def test_cosines_are_those_of_the_nearest_training_features_seen_from_their_mean():
    rng = np.random.default_rng(0)
    train, test = (rng.normal(3, 1, (count, 5)).astype(np.float32) for count in (40, 600))
    test[0], test[1] = train.mean(axis=0), 2 * train[7] - train.mean(axis=0)
    mean = train.astype(float).mean(axis=0)
    expected = [
        max(np.dot(a - mean, b - mean) / np.linalg.norm(a - mean) / np.linalg.norm(b - mean) for b in train)
        for a in test[1:]
    ]
    cosines = nearest_cosines(train, test)
    assert np.allclose(cosines[1:], expected, atol=1e-4)
    assert cosines[1] == pytest.approx(1)
