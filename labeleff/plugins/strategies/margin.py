"""Smallest margin: examples whose two most probable classes are closest.

T. Scheffer, C. Decomain, S. Wrobel, "Active Hidden Markov Models for Information Extraction", IDA 2001, section 3.
"""

from __future__ import annotations

from torch import Tensor

from labeleff.plugins.strategies.interface import Pool


def smallest_margins(probabilities: Tensor, candidates: Tensor, count: int) -> Tensor:
    """Choose the candidates whose two largest probabilities differ least, the closest first: int64 (count,).

    `probabilities` are (N, C) of C >= 2 classes, `candidates` (M,) positions; of equal ones the first is taken.
    """
    top = probabilities[candidates].topk(2, dim=1).values
    return candidates[(top[:, 0] - top[:, 1]).argsort(stable=True)[:count]]


def choose(pool: Pool, count: int) -> Tensor:
    """Choose candidates by the margin of the model's probabilities."""
    return smallest_margins(pool.probabilities, pool.candidates, count)
