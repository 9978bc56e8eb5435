"""Rows of embeddings that deserve a look: not finite, repeated, constant; and training rows met again in the test set.

Rows are compared by a 64-bit hash of their numbers, and equal hashes by the numbers themselves. -0 counts as 0. Only a
block of an array is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeleff.files import forget
from labeleff.plugins.tasks.embedding_files.columns import first_few
from labeleff.plugins.tasks.sources.arrays import Array

NUMBERS = 2**22
"""Numbers in memory at a time."""

Rows = NDArray[np.int64]
"""Positions of rows, sorted."""


def block(features: Array, rows: Rows | slice) -> NDArray[np.float32]:
    """Take rows (n, dim) as float32, in which norms of float16 embeddings don't overflow; too large ones are inf."""
    with np.errstate(over="ignore"):
        return np.asarray(features[rows], dtype=np.float32)


def _blocks(features: Array) -> Iterator[tuple[int, Array]]:
    """Yield (first row, block of rows) over all rows."""
    rows = max(1, NUMBERS // features.shape[1])
    for start in range(0, len(features), rows):
        yield start, np.asarray(features[start : start + rows])


@dataclass(frozen=True)
class RowFindings:
    """Rows (sorted positions) of one array of embeddings.

    `nan` and `infinite` have such a number, also one beyond float32; `repeated` have the numbers of an earlier row;
    `constant` have one number throughout, in two dimensions or more.
    """

    source: str
    nan: Rows
    infinite: Rows
    repeated: Rows
    constant: Rows

    @property
    def not_finite(self) -> Rows:
        """Rows that no protocol can use."""
        return np.union1d(self.nan, self.infinite)

    def sentences(self, ids: NDArray[np.str_]) -> list[str]:
        """Say each kind of finding with its count and first ids (N,); kinds without a row are left out."""
        kinds = {
            "with NaN": self.nan,
            "with infinite numbers": self.infinite,
            "equal to an earlier row": self.repeated,
            "of one number throughout": self.constant,
        }
        return [
            f"{self.source}: {len(rows):,} of {len(ids):,} rows {what}: {first_few(ids[rows])}"
            for what, rows in kinds.items()
            if len(rows)
        ]


def _plain(rows: Array) -> Array:
    """Return rows without -0, as unsigned integers where they are floats: a copy that compares by bytes."""
    if rows.dtype.kind != "f":
        return np.ascontiguousarray(rows)
    bits = np.ascontiguousarray(rows, rows.dtype.newbyteorder("=")).view(f"u{rows.dtype.itemsize}")
    return np.where(bits == 1 << (8 * rows.dtype.itemsize - 1), 0, bits).astype(bits.dtype, copy=False)


def row_hashes(features: Array) -> NDArray[np.int64]:
    """Hash every row's bytes: int64 (N,), equal for equal rows, other numbers in another process."""
    hashes = np.empty(len(features), np.int64)
    for start, rows in _blocks(features):
        plain = _plain(rows)
        octets = plain.view(f"V{plain.itemsize * plain.shape[1]}")[:, 0]
        hashes[start : start + len(rows)] = [*map(hash, octets.tolist())]
    return hashes


def look(features: Array, source: str) -> RowFindings:
    """Look at all rows of an array (N, dim)."""
    nan, infinite, constant = (np.zeros(len(features), bool) for _ in range(3))
    for start, rows in _blocks(features):
        if rows.dtype.kind == "f":
            narrow = rows if rows.dtype.itemsize <= 4 else block(rows, slice(None))
            bad = np.flatnonzero(~np.isfinite(narrow).all(1))
            nan[start + bad], infinite[start + bad] = np.isnan(narrow[bad]).any(1), np.isinf(narrow[bad]).any(1)
        maybe = np.flatnonzero(rows[:, 0] == rows[:, -1])
        constant[start + maybe] = (rows[maybe] == rows[maybe, :1]).all(1) & (rows.shape[1] > 1)
    repeated = _later_equals(features, row_hashes(features))
    forget(features)
    return RowFindings(source, np.flatnonzero(nan), np.flatnonzero(infinite), repeated, np.flatnonzero(constant))


def _later_equals(features: Array, hashes: NDArray[np.int64]) -> Rows:
    """Rows equal to an earlier one."""
    return repeated(features, np.arange(len(features)), hashes)


def repeated(features: Array, rows: Rows, hashes: NDArray[np.int64]) -> Rows:
    """Find the rows whose numbers are those of an earlier one of `rows`: sorted; `hashes` are those of all rows."""
    order = rows[np.argsort(hashes[rows], kind="stable")]
    same = np.flatnonzero(hashes[order[1:]] == hashes[order[:-1]])
    firsts: dict[bytes, int] = {}
    suspects = np.unique(np.concatenate([order[same], order[same + 1]])).tolist()
    later = [row for row in suspects if firsts.setdefault(_plain(features[row]).tobytes(), row) != row]
    return np.array(later, dtype=np.int64)


def met_again(features: Array, train: Rows, test: Rows, hashes: NDArray[np.int64] | None = None) -> Rows:
    """Find the rows of `test` whose numbers are those of a row of `train`: sorted; `hashes` are those of all rows."""
    hashes = row_hashes(features) if hashes is None else hashes
    candidates = test[np.isin(hashes[test], hashes[train])]
    suspects = train[np.isin(hashes[train], hashes[candidates])]
    known = {_plain(features[row]).tobytes() for row in suspects.tolist()}
    again = [row for row in candidates.tolist() if _plain(features[row]).tobytes() in known]
    forget(features)
    return np.sort(np.array(again, np.int64))
