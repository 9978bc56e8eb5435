"""Pretrained word vectors: of wanted words, their neighbours, and initial rows of an embedding table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labeleff.plugins.encoders.vector_files import entries

Vectors = dict[str, NDArray[np.float32]]


def read_vectors(path: Path, wanted: Iterable[str] | None = None) -> Vectors:
    """Read vectors by lower-case word, all of one length; only of the `wanted` words where they are given.

    Of a word that is there twice, the first vector counts, as files begin with the most frequent words. Raises
    DataError naming line and reason where the file isn't one of word2vec's or GloVe's.
    """
    chosen = None if wanted is None else set(wanted)
    vectors: Vectors = {}
    for word, vector in entries(path):
        lower = word.lower()
        if lower not in vectors and (chosen is None or lower in chosen):
            vectors[lower] = vector
    return vectors


def nearest(vectors: Vectors, word: str, known: Iterable[str]) -> tuple[str, float] | None:
    """Find the known word most similar to `word`, and the cosine; None where a vector is missing."""
    if word not in vectors:
        return None
    names = [name for name in known if name in vectors]
    if not names:
        return None
    table = np.stack([vectors[name] for name in names])
    cosines = table @ vectors[word] / np.maximum(np.linalg.norm(table, axis=1) * np.linalg.norm(vectors[word]), 1e-9)
    best = int(cosines.argmax())
    return names[best], float(cosines[best])


def initial_rows(vectors: Vectors, words: Iterable[str], width: int, scale: float) -> dict[int, NDArray[np.float32]]:
    """Compute rows of an embedding table by place in `words`, for the words that have a vector.

    Rows are the first `width` principal directions of their vectors, zeros after them where there are fewer, scaled to
    the standard deviation `scale`.
    """
    placed_vectors = [(place, vectors[word]) for place, word in enumerate(words) if word in vectors]
    if len(placed_vectors) < 2:
        return {}
    table = np.stack([vector for _, vector in placed_vectors]).astype(np.float64)
    left, sizes, _ = np.linalg.svd(table - table.mean(0), full_matrices=False)
    rows = (left * sizes)[:, :width]
    rows = np.pad(rows, ((0, 0), (0, width - rows.shape[1])))
    rows *= scale / max(float(rows.std()), 1e-12)
    return {place: row.astype(np.float32) for (place, _), row in zip(placed_vectors, rows, strict=True)}
