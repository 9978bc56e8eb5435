"""Long tables with a row per metric: the rows of one metric."""

from __future__ import annotations

from dataclasses import replace

from labeleff.reporting.external.grid import Grid, cell_error
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.shapes import names
from labeleff.reporting.external.shapes.columns import quote_list

_NAMES = {"metric", "metrics", "metricname", "measure"}


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
