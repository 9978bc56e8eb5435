"""Where a grid has arms, label counts, runs and values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from labeleff.errors import RunsError
from labeleff.reporting.external.grid import Grid, cell_error
from labeleff.reporting.external.observations import SpreadKind
from labeleff.reporting.external.reading import Shape

NOT_MEASURED = {"", "-", "--", "–", "—", "n/a", "na", "nan", "none", "null", "?", "n.a.", "<na>"}
"""Cells, in lower case, that stand for no value."""


@dataclass(frozen=True, slots=True)
class ValueColumn:
    """One column of values, with what its header says of all of them; None where the rows say it."""

    at: int
    """Index of the field."""
    arm: str | None = None
    n: str | None = None
    task: str | None = None
    run: str | None = None
    spread: int | None = None
    """Index of the field with the spread."""
    kind: SpreadKind | None = None
    """What the spread is; None without one."""
    ends: tuple[int, int] | None = None
    """Indices of the fields with the ends of an interval."""
    tally: int | None = None
    """Index of the field with the number of runs."""

    @property
    def fields(self) -> list[int]:
        """Indices of all of them."""
        return [at for at in (self.at, self.spread, self.tally, *(self.ends or ())) if at is not None]


@dataclass(frozen=True)
class Layout:
    """Columns of one grid by what they hold."""

    shape: Shape
    values: tuple[ValueColumn, ...]
    rows: Mapping[str, int]
    """Indices of the fields for arm, n, task, draw and seed, of those that rows have."""
    runs: tuple[int, ...]
    """Indices of the fields that together number runs."""
    value_name: str
    """The file's name of what was measured; empty where it doesn't say."""
    notes: tuple[str, ...] = ()

    @property
    def used(self) -> set[int]:
        """Indices of all fields that are used."""
        return {*self.rows.values(), *self.runs, *(at for value in self.values for at in value.fields)}


def column_name(grid: Grid, at: int) -> str:
    """The file's name of a column, or its number where it has none."""
    return grid.fields[at] or str(at + 1)


def header_error(grid: Grid, column: str) -> Callable[[str, str, str], RunsError]:
    """Build errors about the header: from what was found and expected, and a hint."""

    def error(found: str, expected: str, hint: str = "") -> RunsError:
        return cell_error(grid.source, grid.place, column, found, expected, hint)

    return error
