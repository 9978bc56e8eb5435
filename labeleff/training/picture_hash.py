"""What pictures look like: a hash of their low frequencies (as pHash, Zauner 2010), and their details.

Pictures of any size are reduced to 32 x 32 grey levels first, so that places and shifts are in 1/32 of a side.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""Images (N, H, W, 3), 0..255."""
Hashes = NDArray[np.uint64]
Floats = NDArray[np.float32]
SIDE = 32
LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in a grey level (ITU-R BT.601)."""
FREQUENCIES = [(down, across) for down in range(8) for across in range(8) if 0 < down + across <= 7]
"""Frequencies of the discrete cosine transform, each of whose signs is a bit of the hash, the first the lowest bit."""
BITS = len(FREQUENCIES)
MIRRORED = np.uint64(sum(1 << bit for bit, (_, across) in enumerate(FREQUENCIES) if across % 2))
"""Bits in which the hashes of a picture and of its mirror image differ."""
NEAR = 4
"""A detail is a level less the mean of the levels up to this many places away, down and across."""
_BLOCK = 1024


def hashes_of(images: Pixels) -> Hashes:
    """Hash images: uint64 (N,), whether the amplitude of each of the `FREQUENCIES` is over 0."""
    waves = np.cos(np.pi * np.outer(np.arange(8), 2 * np.arange(SIDE) + 1) / (2 * SIDE)).astype(np.float32)
    values = np.uint64(1) << np.arange(BITS, dtype=np.uint64)
    down, across = np.array(FREQUENCIES).T
    blocks = [(waves @ grey @ waves.T)[:, down, across] > 0 for grey in _greys(images)]
    return np.concatenate(blocks) @ values if blocks else np.zeros(0, np.uint64)


def details_of(images: Pixels, scale: int = 1) -> Floats:
    """Compute details of images: float32 (N, 32 / scale, 32 / scale), means over `scale` x `scale` of them."""
    near = np.abs(np.arange(SIDE)[:, None] - np.arange(SIDE)) <= NEAR
    mean = (near / near.sum(axis=1, keepdims=True)).astype(np.float32)
    coarse = SIDE // scale
    details = np.empty((len(images), coarse, coarse), np.float32)
    for number, grey in enumerate(_greys(images)):
        part = (grey - mean @ grey @ mean.T).reshape(-1, coarse, scale, coarse, scale)
        details[number * _BLOCK :][: len(part)] = part.mean(axis=(2, 4))
    return details


def _greys(images: Pixels) -> Iterator[Floats]:
    """Grey levels (n, 32, 32) of images, block by block: means over the 32 x 32 parts of each."""
    down, across, luma = _means(images.shape[1]), _means(images.shape[2]), np.array(LUMA, np.float32)
    for start in range(0, len(images), _BLOCK):
        colours = images[start : start + _BLOCK].astype(np.float32)
        levels: Floats = down @ (colours @ luma) @ across.T
        yield levels


def _means(length: int) -> Floats:
    """Weights (32, length) that average over each of 32 equal parts of a length, which may cut through pixels."""
    edges, pixels = np.linspace(0, length, SIDE + 1), np.arange(length)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights: Floats = (np.maximum(shared, 0) * SIDE / length).astype(np.float32)
    return weights
