"""Made photographs: smooth noise with fine texture, no two alike, and what happens to them on their way."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter


def photographs(count, side=32, seed=0):
    """Images uint8 (count, side, side, 3) with structure at three scales."""
    rng = np.random.default_rng(seed)
    noise = (
        gaussian_filter(rng.normal(size=(count, side, side, channels)), (0, side / width, side / width, 0)) * weight
        for width, channels, weight in ((16, 3, 1.0), (12, 1, 1.0), (40, 3, 0.15))
    )
    levels = sum(noise)
    return np.clip(128 + 45 * levels / levels.std(axis=(1, 2, 3), keepdims=True), 0, 255).astype(np.uint8)


def shifted(images, by=1):
    """Moved to the right, what leaves on one side coming in on the other."""
    return np.roll(images, by, axis=2)


def brightened(images):
    """Lighter, with less contrast."""
    return np.clip(images * 0.7 + 60, 0, 255).astype(np.uint8)


def jpeg_again(images, quality=50):
    """Encoded as JPEG and decoded."""
    decoded = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        decoded.append(np.asarray(Image.open(file).convert("RGB")))
    return np.stack(decoded)


def mirrored(images):
    """Mirrored left to right."""
    return np.ascontiguousarray(images[:, :, ::-1])


def greyed(images):
    """Without colour, by other shares than usual."""
    return images.mean(axis=3, keepdims=True).repeat(3, axis=3).astype(np.uint8)
