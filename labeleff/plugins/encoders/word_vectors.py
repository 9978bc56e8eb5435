"""Pretrained word vectors (word2vec text or binary, GloVe text), read by gensim."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import DataError, OptionError

Vectors = dict[str, NDArray[np.float32]]


def read_vectors(path: Path, wanted: Iterable[str] | None = None) -> Vectors:
    """Read vectors by lower-case word, all of one length; only of the `wanted` words where they are given.

    A file that ends in .bin is word2vec's binary form; a text file may have word2vec's first line (number of words,
    length) or none, as GloVe's. Raises OptionError without gensim, DataError where the file isn't like that.
    """
    try:
        from gensim.models import KeyedVectors
    except ImportError as error:
        raise OptionError(
            "ready vectors are read by gensim, which isn't installed; pip install 'labeleff[vectors]'"
        ) from error
    binary = path.suffix == ".bin"
    try:
        with path.open("rb") as file:
            first = file.readline(1 << 16).split()
        loaded = KeyedVectors.load_word2vec_format(str(path), binary=binary, no_header=not binary and len(first) != 2)
    except (OSError, ValueError, EOFError, IndexError, TypeError) as error:
        raise DataError(f"{path}: not word vectors in word2vec or GloVe format: {error}") from error
    if not len(loaded.index_to_key):
        raise DataError(f"{path}: found no word vector")
    chosen = None if wanted is None else set(wanted)
    vectors: Vectors = {}
    for word in loaded.index_to_key:
        lower = word.lower()
        if lower not in vectors and (chosen is None or lower in chosen):
            vectors[lower] = np.asarray(loaded[word], np.float32)
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
