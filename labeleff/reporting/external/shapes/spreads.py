"""Columns of spreads and numbers of runs beside a column of means."""

from __future__ import annotations

import re
from collections.abc import Iterable

from labeleff.reporting.external.grid import quote
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
    ends = (found["low"], found["high"]) if {"low", "high"} <= set(found) else ends_beside(columns, at)
    return ValueColumn(at, ends=ends, kind="ci" if ends else None, tally=tally)


def ends_beside(columns: Columns, at: int) -> tuple[int, int] | None:
    """Indices of columns such as `acc_low` and `acc_high` beside `acc`, if they hold its values between them.

    But for half a last printed digit; a row in which they don't is named.
    """
    own = _own_words(columns, at)
    found: dict[str, list[int]] = {"low": [], "high": []}
    for place in columns.free():
        spoken = frozenset(names.words(columns.grid.fields[place])) - {"%"}
        for end, known in names.ENDS.items():
            if len(spoken & known) == 1 and spoken - known == own and columns.values_in(place):
                found[end].append(place)
    if [len(places) for places in found.values()] != [1, 1]:
        return None
    low, high = found["low"][0], found["high"][0]
    room = max(_half_digit(columns, at), _half_digit(columns, low), _half_digit(columns, high))
    some = False
    for row in columns.grid.rows:
        first, value, last = (columns.number(row.cells[place]) for place in (low, at, high))
        if first is None or value is None or last is None:
            continue
        if not first - room <= value <= last + room:
            both = " and ".join(quote(columns.grid.fields[place]) for place in (low, high))
            columns.guessed.append(f"{both} not as ends of intervals ({value:g} isn't between them in {row.place})")
            return None
        some = True
    return (low, high) if some else None


def _half_digit(columns: Columns, at: int) -> float:
    """Half a unit of the last digit that a column prints."""
    places = (len(re.split("[.,]", row.cells[at])[-1]) for row in columns.grid.rows if re.search("[.,]", row.cells[at]))
    return 10.0 ** -max(places, default=0) / 2 + 1e-9


def all_ends(columns: Columns, candidates: Iterable[int]) -> set[int]:
    """Indices of the columns that hold ends of the intervals of others among the candidates."""
    return {end for at in candidates for end in ends_beside(columns, at) or ()}


def _own_words(columns: Columns, at: int, *, alone: bool = False) -> frozenset[str]:
    """Words of a column's name that those of its spreads have too."""
    return frozenset(names.words(columns.grid.fields[at])) - {"%", *(() if alone else ("mean", "avg", "average"))}


def _spreads(columns: Columns, at: int, alone: bool) -> dict[str, int]:
    """Indices of the columns of spreads that belong to a column of values, by their kind."""
    given: dict[str, int] = {kind: place for kind in KINDS if (place := columns.given_place(kind)) is not None}
    if given:
        return given
    own = _own_words(columns, at, alone=alone)
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
