"""Names that are written once over a block of rows, as merged cells become in text: the rows below have them too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from labeleff.reporting.external.grid import Grid
from labeleff.reporting.external.shapes.layout import Layout, column_name

FEWEST = 2
"""Least number of rows of a block, and of blocks: a blank beside names in every row is a slip."""


def filled(grid: Grid, layout: Layout) -> Grid:
    """The grid with the names of tasks, arms and label counts in every row of their blocks, and a sentence on it."""
    cells = [list(row.cells) for row in grid.rows]
    places = [layout.rows[name] for name in ("task", "arm", "n") if name in layout.rows]
    blocks = [at for at in places if _in_blocks([row[at] for row in cells])]
    for at in blocks:
        for above, row in pairwise(cells):
            row[at] = row[at] or above[at]
    if not blocks:
        return grid
    rows = tuple(row._replace(cells=tuple(full)) for row, full in zip(grid.rows, cells, strict=True))
    listed = ", ".join(column_name(grid, at) for at in blocks)
    return replace(grid, rows=rows, notes=(*grid.notes, f"empty cells take the name above them in {listed}"))


def _in_blocks(cells: Sequence[str]) -> bool:
    """Whether a column has names at the top of blocks alone: each over one row or more, and none twice in turn."""
    if "" not in cells or not cells[0]:
        return False
    tops = [at for at, cell in enumerate(cells) if cell]
    lengths = [end - top for top, end in zip(tops, [*tops[1:], len(cells)], strict=True)]
    named = [cells[at] for at in tops]
    return len(tops) >= FEWEST and min(lengths) >= FEWEST and all(a != b for a, b in pairwise(named))
