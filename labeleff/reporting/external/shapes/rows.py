"""Rows of a table as they are meant: those of one metric, and names written over a block in each of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from labeleff.reporting.external.grid import Grid, cell_error
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.shapes import names
from labeleff.reporting.external.shapes.columns import quote_list
from labeleff.reporting.external.shapes.layout import Layout, column_name

_NAMES = {"metric", "metrics", "metricname", "measure"}

FEWEST = 2
"""Least number of rows of a block, and of blocks: a blank beside names in every row is a slip."""


def of_one_metric(grid: Grid, reading: Reading) -> tuple[Grid, str]:
    """The grid's rows of one metric, and its name; the whole grid and no name where no column names metrics.

    Raises RunsError for several metrics, of which none is chosen.
    """
    given = set(reading.columns.values())
    places = [at for at, name in enumerate(grid.fields) if names.plain(name) in _NAMES and name not in given]
    found = list(dict.fromkeys(row.cells[places[0]] for row in grid.rows)) if len(places) == 1 else []
    if not found or any(names.metric_rank(name) is None for name in found):
        return grid, ""
    wanted = names.metric_words(reading.metric) if reading.metric else ""
    chosen = [name for name in found if names.metric_words(name) == wanted] if len(found) > 1 else found
    if len(chosen) != 1:
        listed, column = quote_list(found), grid.fields[places[0]]
        hint = f"give --metric-name {found[0]} for its rows alone"
        raise cell_error(grid.source, grid.place, column, listed, "one metric", hint)
    rows = tuple(row for row in grid.rows if row.cells[places[0]] == chosen[0])
    left = f"rows of other metrics left out: {', '.join(name for name in found if name != chosen[0])}"
    return replace(grid, rows=rows, notes=(*grid.notes, *([left] if len(found) > 1 else []))), chosen[0]


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
