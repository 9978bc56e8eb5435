"""Files and folders of tables to grids: every kind of file by its content, several files kept apart by name."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

from labeleff.errors import OptionError, RunsError
from labeleff.reporting.external.csv_text import decode
from labeleff.reporting.external.formats import (
    columnar,
    delimited,
    json_tables,
    mlflow_store,
    pattern_files,
    workbooks,
)
from labeleff.reporting.external.formats.recognition import kind_of
from labeleff.reporting.external.formats.run_states import tracked
from labeleff.reporting.external.formats.typeset import html_tables, latex_tables, markdown_tables
from labeleff.reporting.external.grid import Grid
from labeleff.reporting.external.reading import Offer, Reading, read_chosen

WITH_SHEETS = ("workbook", "markdown", "latex", "html")
"""Kinds of files that may have several tables."""


def read_grids(paths: Sequence[Path], options: Reading) -> list[Grid]:
    """Read files, MLflow's folders, or with `options.pattern` the files of one folder (default: the current one).

    One grid per path, of several with the path's short name as `origin`, and as `arm` where no column has it; one
    grid for a pattern. Raises RunsError for whatever is wrong in a file, OptionError for paths and options that don't
    fit together.
    """
    if options.pattern is not None:
        if len(paths) > 1 or any(not path.is_dir() for path in paths):
            found = ", ".join(map(str, paths))
            raise OptionError(f"--from: found the files {found} too, expected the folder that the pattern begins in")
        return [pattern_files.read(options, next(iter(paths), None), read_grid)]
    if not paths:
        raise OptionError("found no file, expected tables of runs, or --from PATTERN")
    if len(set(map(Path.absolute, paths))) < len(paths):
        raise OptionError(f"found a file twice in {', '.join(map(str, paths))}, expected every file once")
    grids = [mlflow_store_grid(path, options) if path.is_dir() else read_grid(path, options) for path in paths]
    if len(paths) == 1:
        return grids
    named = zip(grids, short_names(paths), strict=True)
    return [dataclasses.replace(grid, origin=name, arm=name) for grid, name in named]


def read_grid(path: Path, options: Reading) -> Grid:
    """Read one file. Raises RunsError for whatever is wrong in it, OptionError for options that don't fit it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunsError(f"{path}: can't be read: {error.strerror or error}") from error
    return parse_grid(content, str(path), options)


def parse_grid(content: bytes, source: str, options: Reading) -> Grid:
    """Parse a file's bytes as `read_grid` does; `source` is its name in errors."""
    kind = kind_of(content, source)
    if options.sheet is not None and kind not in WITH_SHEETS:
        raise OptionError(f"--sheet: {source} has one table alone, expected a workbook, Markdown, LaTeX or HTML")
    if kind == "workbook":
        grid = workbooks.read(content, source, options)
    elif kind == "columnar":
        grid = columnar.read(content, source)
    elif kind == "json":
        grid = json_tables.read(decode(content, source), source, options)
    elif kind in {"markdown", "latex", "html"}:
        text = decode(content, source)
        grid = read_chosen(source, _offers(text, source, alone=kind == "html"), options.sheet)
    else:
        grid = delimited.read(content, source, options)
    return dataclasses.replace(tracked(grid, options), sha256=hashlib.sha256(content).hexdigest())


def _offers(text: str, source: str, *, alone: bool) -> list[Offer]:
    """All tables of a text, of every kind; of a page of HTML, where it is one, its own `alone`."""
    pages = html_tables.offers(text, source) if html_tables.is_html(text, within=True) else []
    if alone and html_tables.is_page(text):
        return pages
    others = [*latex_tables.offers(text, source), *markdown_tables.offers(text, source)]
    within = [range(page.line, (page.end or page.line) + 1) for page in pages]
    return [*pages, *(other for other in others if not any(other.line in lines for lines in within))]


def mlflow_store_grid(folder: Path, options: Reading) -> Grid:
    """Read a folder, which has to be a store of MLflow. Raises RunsError, with the way out, for any other."""
    if not mlflow_store.is_store(folder):
        example = "--from '{arm}/{n}-{draw}/results.json'"
        raise RunsError(
            f"{folder}: found a folder, expected a file, or MLflow's mlruns; say what is in it by {example}"
        )
    grid = tracked(mlflow_store.read(folder, str(folder)), options)
    cells = repr((grid.fields, grid.rows)).encode()
    return dataclasses.replace(grid, sha256=hashlib.sha256(cells).hexdigest())


def short_names(paths: Sequence[Path]) -> list[str]:
    """Names that tell files apart: their stems, else with as many folders as it takes, else with their suffixes."""
    whole = [path.absolute() for path in paths]
    for parts in range(1, max(len(path.parts) for path in whole) + 1):
        stems = ["/".join((*path.parts[-parts:-1], path.stem)) for path in whole]
        if len(set(stems)) == len(stems):
            return stems
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]
