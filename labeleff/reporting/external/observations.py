"""Measured values of tables as text, with arm, label count and place: what every shape of table is read into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SpreadKind = Literal["sd", "se", "ci"]
"""What a column of spreads holds: standard deviations, standard errors, or (half widths or ends of) intervals."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One measured value: a run's, or a mean over runs."""

    source: str
    """Name of the file in errors."""
    place: str
    """Where the row is, e.g. `line 12`."""
    column: str
    """The file's name of the value's column, or its number where it has none."""
    task: str | None
    """Name of the task; None where the table has none."""
    arm: str
    n: int
    """Label count from 1."""
    run: int
    """Number of the run within task, arm and label count, from the table or made."""
    draw: int | None
    """Number of the label subset; None where the table has none."""
    seed: int | None
    """Number of the initialisation; None where the table has none."""
    value: str
    """The value's cell: `0.617`, `61.7±0.8`, `61.7 [60.9, 62.5]`."""
    spread: str | None = None
    """The cell of the column of spreads; None without one."""
    count: str | None = None
    """The cell of the column that says how many runs a mean is over; None without one."""
    spread_kind: SpreadKind | None = None
    """What a column of spreads beside the value's holds; None without such a column."""
    percent: bool = False
    """Whether the column's name says that values are in percent."""
    spread_percent: bool = False
    """Whether the name of the column of spreads says so of them."""
    spread_column: str | None = None
    """The file's name of the column of spreads; None without one."""
    count_column: str | None = None
    """The file's name of the column of numbers of runs; None without one."""


@dataclass(frozen=True)
class Observed:
    """All measured values of the files of one command."""

    rows: list[Observation]
    """In the order of the files."""
    notes: tuple[str, ...]
    """Sentences on what was recognised and what it means."""
    value_name: str
    """The files' name of what was measured, e.g. `test_error`; empty where they don't say."""
    draws: bool
    """Whether the table has a column draw."""
    seeds: bool
    """Whether the table has a column seed."""
    interval_level: float | None = None
    """Probability that the table's intervals hold, where a column's name says it (`ci95`)."""
    stored: frozenset[str] = frozenset()
    """Names of the files whose percent signs are how a workbook shows its numbers."""
    sha256: str = ""
    """SHA-256 of the file's bytes in hex; of several files, of their digests in order."""
