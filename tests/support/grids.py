"""Grids from small tables of text, for tests of what is read from them."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from labeleff.reporting.external.formats import delimited
from labeleff.reporting.external.grid import Grid, Row
from labeleff.reporting.external.measured import measured
from labeleff.reporting.external.observations import Observed
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.runs_table import RunsTable
from labeleff.reporting.external.shapes.recognise import observations


def grid(text: str, source: str = "t.csv", *, several: bool = False) -> Grid:
    """Read fields separated by `|`; of several files a grid has its file's short name."""
    header, *rows = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    name = source.partition(".")[0] if several else None
    places = [Row(f"line {at}", tuple(row)) for at, row in enumerate(rows, start=2)]
    return Grid(source, "line 1", tuple(header), tuple(places), arm=name, origin=name, sha256=source)


def observed(*texts: str, **reading: object) -> Observed:
    """Read the values of one table, or of the files a.csv, b.csv ..."""
    several = len(texts) > 1
    grids = [
        grid(text, f"{chr(97 + at)}.csv" if several else "t.csv", several=several) for at, text in enumerate(texts)
    ]
    return observations(grids, Reading(**reading))  # type: ignore[arg-type]


def parse_runs(content: bytes, source: str, reading: Reading | None = None) -> RunsTable:
    """Read the text of a table as `read_runs` does a file of that name."""
    how = reading or Reading()
    read = replace(delimited.read(content, source, how), sha256=hashlib.sha256(content).hexdigest())
    return measured(observations([read], how), how)


def values(found: Observed) -> list[tuple[object, ...]]:
    """Task, arm, label count, run and value of every observation, without the task where there is none."""
    rows = [(row.task, row.arm, row.n, row.run, row.value) for row in found.rows]
    return [row[1:] for row in rows] if all(row[0] is None for row in rows) else list(rows)
