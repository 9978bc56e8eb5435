"""Columns of spreads and numbers of runs beside a column of means."""

from __future__ import annotations

from labeleff.reporting.external.observations import SpreadKind
from labeleff.reporting.external.shapes import names
from labeleff.reporting.external.shapes.columns import Columns
from labeleff.reporting.external.shapes.layout import ValueColumn

KINDS: tuple[SpreadKind, ...] = ("sd", "se", "ci")
"""Kinds of spreads that one column has."""


def beside(columns: Columns, at: int, *, alone: bool) -> ValueColumn:
    """The value's column with its spread, the spread's kind, and its number of runs.

    `alone`: whether it is the file's only column of values, so that a column `std` is its spread.
    """
    found = _spreads(columns, at, alone)
    tally = columns.given_place("runs")
    if tally is None and alone:
        tallies = [
            place for place in columns.free() if names.is_tally(columns.grid.fields[place]) and columns.values_in(place)
        ]
        tally = tallies[0] if len(tallies) == 1 else None
    for kind in KINDS:
        if kind in found:
            return ValueColumn(at, spread=found[kind], kind=kind, tally=tally)
    if {"low", "high"} <= set(found):
        return ValueColumn(at, ends=(found["low"], found["high"]), kind="ci", tally=tally)
    return ValueColumn(at, tally=tally)


def _spreads(columns: Columns, at: int, alone: bool) -> dict[str, int]:
    """Indices of the columns of spreads that belong to a column of values, by their kind."""
    given: dict[str, int] = {kind: place for kind in KINDS if (place := columns.given_place(kind)) is not None}
    if given:
        return given
    own = frozenset(names.words(columns.grid.fields[at])) - {"%", *(() if alone else ("mean", "avg", "average"))}
    found: dict[str, int] = {}
    for place in columns.free():
        spread = names.spread_kind(columns.grid.fields[place])
        if spread is None or not columns.spreads_in(place):
            continue
        kind, others = spread
        if others == own or (alone and others <= own):
            if kind in found and found[kind] != place:
                raise columns.several(kind, [found[kind], place])
            found[kind] = place
    return found
