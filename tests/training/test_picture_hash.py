"""Hashes and details of pictures, against slow versions of their own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.fft import dctn

from labeleff.training.picture_hash import BITS, MIRRORED, details_of, hashes_of


def pictures(count, height, width):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def slow_levels(image):
    """Grey levels of 32 x 32 parts, each pixel cut into as many pieces that every part has whole ones."""
    grey = image.astype(float) @ [0.299, 0.587, 0.114]
    pieces = grey.repeat(32, axis=0).repeat(32, axis=1)
    height, width = grey.shape
    return np.array(
        [
            [pieces[r * height : (r + 1) * height, c * width : (c + 1) * width].mean() for c in range(32)]
            for r in range(32)
        ]
    )


def slow_details(levels):
    details = np.empty_like(levels)
    for row, column in np.ndindex(levels.shape):
        near = levels[max(row - 4, 0) : row + 5, max(column - 4, 0) : column + 5]
        details[row, column] = levels[row, column] - near.mean()
    return details


@pytest.mark.parametrize(("height", "width"), [(32, 32), (16, 16), (7, 45), (64, 50)])
def test_hashes_and_details_are_those_of_slow_versions(height, width):
    images = pictures(3, height, width)
    for image, number, details in zip(images, hashes_of(images), details_of(images), strict=True):
        levels = slow_levels(image)
        amplitudes = dctn(levels)
        signs = [amplitudes[i, j] > 0 for i in range(8) for j in range(8) if 0 < i + j <= 7]
        assert int(number) == sum(1 << bit for bit, sign in enumerate(signs) if sign)
        assert np.allclose(details, slow_details(levels), atol=1e-3)
    halves = details_of(images).reshape(-1, 16, 2, 16, 2).mean(axis=(2, 4))
    assert np.allclose(details_of(images, 2), halves, atol=1e-3)


def test_a_mirror_image_has_the_hash_with_the_bits_of_odd_frequencies_changed():
    images = pictures(2000, 32, 32)  # over one block
    assert (hashes_of(images[:, :, ::-1]) == hashes_of(images) ^ MIRRORED).all()
    assert hashes_of(images).max() < 1 << BITS


def test_no_images_have_no_hashes():
    assert len(hashes_of(pictures(0, 32, 32))) == len(details_of(pictures(0, 32, 32))) == 0
