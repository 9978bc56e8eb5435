"""One grid of the files that a pattern of paths finds: a row per file or more, with the path's fields as columns."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from labeleff.errors import RunsError
from labeleff.reporting.external.formats import path_patterns
from labeleff.reporting.external.grid import Grid, Row, cell_error, counted
from labeleff.reporting.external.reading import Reading

KEPT = ("arm", "task", "n", "run", "draw", "seed", "epoch", "step")
"""Columns of a file that are kept beside the value, where the path doesn't have them."""
MOST = 12
"""Largest number of names that an error lists."""

Reader = Callable[[Path, Reading], Grid]


def read(options: Reading, below: Path | None, reader: Reader) -> Grid:
    """Read every file of the pattern by `reader`, and put its value (`options.value`) beside the path's fields.

    The name of the value may be left out where a file has only one that isn't in the path. Raises RunsError for a file
    without that value (with --skip-empty it is left out and counted) and for files whose columns differ.
    """
    pattern = options.pattern or ""
    names = path_patterns.fields(pattern)
    found = path_patterns.find(pattern, below)
    grids = [(match, reader(match.path, options)) for match in found.files]
    kept = _kept(names, grids[0][1], options)
    value = options.value or _only_value(grids[0][1], {*names, *kept})
    rows, empty = [], []
    for match, grid in grids:
        chosen = _chosen(grid, kept, value, options)
        if not chosen:
            empty.append(str(match.path))
        own = tuple(match.values[name] for name in names)
        single = len(grid.rows) == 1
        rows += [Row(str(match.path) if single else f"{match.path}, {place}", own + cells) for place, cells in chosen]
    if not rows or (empty and not options.skip_empty):
        hint = "--skip-empty leaves such files out and says how many"
        raise cell_error(pattern, empty[0], value, f"no value ({_of(empty, grids)})", "a value in every file", hint)
    notes = [f"{counted(len(grids), 'file')} of {pattern}"]
    if empty:
        notes.append(f"{counted(len(empty), 'file')} without {value} left out: {_list(empty)}")
    if found.lacking:
        lacking = [str(path) for path in found.lacking]
        notes.append(f"{counted(len(lacking), 'folder')} without such a file: {_list(lacking)}")
    digest = hashlib.sha256("".join(grid.sha256 for _, grid in grids).encode()).hexdigest()
    return Grid(pattern, "the pattern", (*names, *kept, value), tuple(rows), tuple(notes), sha256=digest)


def _kept(names: Sequence[str], grid: Grid, options: Reading) -> list[str]:
    """Names of a file's columns to keep: those that say which run it is, and those that the user named."""
    wanted = dict.fromkeys((*KEPT, *options.columns.values()))
    return [name for name in wanted if name in grid.fields and name not in names and name != options.value]


def _only_value(grid: Grid, others: set[str]) -> str:
    """The one column that may be the value. Raises RunsError, with the list, where there are several or none."""
    free = [name for name in grid.fields if name not in others]
    if len(free) == 1:
        return free[0]
    listed = _list(free) or "none"
    raise RunsError(f"{grid.source}: found the values {listed}, expected --value to name one of them")


def _chosen(grid: Grid, kept: Sequence[str], value: str, options: Reading) -> list[Row]:
    """Rows of a file that have the value, with the columns kept."""
    missing = [name for name in kept if name not in grid.fields]
    if value not in grid.fields and not options.skip_empty:
        near = difflib.get_close_matches(value, grid.fields, n=1, cutoff=0.5)
        hint = f"did you mean --value {near[0]}?" if near else ""
        raise cell_error(grid.source, grid.place, value, f"the values {_list(grid.fields)}", "this one too", hint)
    if value not in grid.fields:
        return []
    if missing:
        raise cell_error(grid.source, grid.place, missing[0], "no such value", "it in every file, as in the first")
    places = [grid.fields.index(name) for name in (*kept, value)]
    rows = (Row(place, tuple(cells[at] for at in places)) for place, cells in grid.rows)
    return [row for row in rows if row.cells[-1]]


def _of(empty: Sequence[str], grids: Sequence[object]) -> str:
    return f"{counted(len(empty), 'file')} of {len(grids):,}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")
