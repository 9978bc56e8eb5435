"""Guessed seconds of frozen protocols that were never timed here, by the operations that their problems take."""

from __future__ import annotations

from labeleff.catalogue import lookup
from labeleff.catalogue.metrics import SINGLE
from labeleff.study.cell import Cell

GIGAFLOPS = 40.0
"""Rough speed of one CPU core in 10**9 operations per second, for encoders and protocols never run here."""
ROWS_DIM, IMAGE_DIM = 768, 512
"""Features per item where only its file or its network can tell: of a file of embeddings, of images."""
CLASSES = 10
"""Number of classes where only the data can tell."""
MLP_ROWS = 256 * 300, 10, 256 * 3_000
"""Rows that the `mlp` probe trains on: at least, per label, at most."""
SET_UP = 2e-3
"""Seconds of a problem of any size."""


def solving_seconds(cell: Cell, classes: int | None, tested: int) -> float:
    """Guess the seconds of solving a frozen cell on computed features, and of scoring its `tested` test items.

    As measured: `linear` needs some 200 operations per label, feature and class; neighbours of one draw are looked up
    once for all of its rungs, which halves the work. With `folds` a problem with one class per example is solved again
    without each of them. Protocols of other packages count as `linear`.
    """
    dim = int(cell.encoder.options.get("dim", ROWS_DIM if cell.encoder.name == "rows" else IMAGE_DIM))
    weights, name = dim * (classes or CLASSES), cell.protocol.name
    solved = _operations(name, cell.n, dim, weights, tested)
    folds = int(cell.protocol.options.get("folds", 0)) if lookup.find("task", cell.task.name).goal in SINGLE else 0
    if folds:
        solved += folds * _operations(name, cell.n - cell.n // folds, dim, weights, tested)
    return SET_UP + (solved + 2 * tested * weights) / (GIGAFLOPS * 1e9)


def _operations(protocol: str, n: int, dim: int, weights: int, tested: int) -> float:
    """Operations of solving one problem of n labels."""
    least, per_label, most = MLP_ROWS
    match protocol:
        case "knn":
            return dim * n * tested
        case "ridge":
            return 2 * dim * n * min(dim, n)
        case "mlp":
            return 6 * min(max(per_label * n, least), most) * (dim * dim + weights)
        case _:
            return 200 * n * weights
