"""Printed means of several runs: their spread, the number of runs, and what rounding adds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scipy import special

from labeleff.catalogue.metrics import Units
from labeleff.errors import RunsError
from labeleff.reporting.external.grid import cell_error, quote
from labeleff.reporting.external.observations import Observation
from labeleff.reporting.external.reading import Reading, Spread
from labeleff.reporting.external.runs_table import Scale
from labeleff.reporting.external.values import SpreadCell, UnreadableCellError, Value, decimals, read_spread
from labeleff.stats.stand_ins import MOST, Mean

WORDS: Mapping[Spread, str] = {
    "sd": "sample standard deviations",
    "population-sd": "population standard deviations",
    "se": "standard errors",
    "ci": "half widths of intervals",
}


@dataclass(frozen=True, slots=True)
class Printed:
    """A printed mean on the table's own scale, with the standard deviation of a run that follows from its spread."""

    row: Observation
    value: Value
    sd: float
    sd_step: float
    """Width within which rounding leaves `sd` open."""
    runs: int
    converted: float | None = None
    """The spread on the mean's scale, where a percent sign in one of the two alone made it another number."""


def has_spread(row: Observation, value: Value) -> bool:
    """Whether the row is a mean with a spread, by its cell or by a column beside it."""
    return value.spread is not None or value.ends is not None or bool(row.spread)


@dataclass(frozen=True, slots=True)
class Writing:
    """How the numbers of a column of means, and of the spreads beside it, are written."""

    comma: bool = False
    """Whether decimals have a comma."""
    scale: Scale = "percent"
    """Scale of the means without a percent sign."""
    stored: bool = False
    """Whether percent signs are how a workbook shows its numbers, mean and spread being stored on one scale."""
    over_one: bool = False
    """Whether some spreads without percent sign are over 1, so that they are no shares."""


def printed(row: Observation, value: Value, options: Reading, *, level: float, writing: Writing) -> Printed:
    """Read the spread of a mean.

    Raises RunsError where it can't be read or may be read in two ways, and for an unknown number of runs or one.
    """
    spread = _spread(row, value, comma=writing.comma)
    unit = _unit(row, value, spread, writing, options.scale)
    kind, runs = spread_kind(row, options), _runs(row, options)
    if spread.ends is not None:
        kind, (size, step) = "ci", _half_width(row, value, spread.ends, unit)
    else:
        assert spread.size is not None
        size, step = unit * float(spread.size), unit * 10.0 ** -decimals(spread.size)
    factor = {"sd": 1.0, "population-sd": math.sqrt(runs / (runs - 1)), "se": math.sqrt(runs)}.get(kind)
    if factor is None:
        factor = math.sqrt(runs) / float(special.stdtrit(runs - 1, 0.5 + level / 2))
    return Printed(row, value, factor * size, factor * step, runs, None if unit == 1 else size)


def over_one(cells: Iterable[tuple[Observation, Value]], *, comma: bool) -> bool:
    """Whether a column of spreads without percent signs beside means with one has spreads over 1: no shares."""
    for row, value in cells:
        if value.percent and row.spread and "%" not in row.spread:
            try:
                spread = read_spread(row.spread, comma=comma)
            except UnreadableCellError:
                continue
            if any(abs(float(text)) > 1 for text in (spread.size, *(spread.ends or ())) if text is not None):
                return True
    return False


def _unit(row: Observation, value: Value, spread: SpreadCell, writing: Writing, given: Scale | None) -> float:
    """What the spread's number is to be multiplied with to be on the scale of the mean's; RunsError where unknown."""
    signed = spread.percent or (row.spread_percent and (value.percent or not row.percent))
    if value.percent == signed or (signed and writing.scale == "percent"):
        return 1.0
    if signed and ((writing.stored and spread.percent) or given == "fraction" or spread.ends):
        return 0.01
    if value.percent and (writing.over_one or given == "percent"):
        return 1.0
    if value.percent and (writing.stored or spread.ends):
        return 100.0 if writing.stored else 1.0
    found = f"the spread {quote(row.spread or '')} beside the mean {quote(row.value)}"
    way = "percent where the spread is in percent" if value.percent else "fraction where the mean is a share"
    expected = "a percent sign in both or in neither, as one alone may be read in two ways"
    raise cell_error(row.source, row.place, row.column, found, expected, f"write it, or give --scale {way}")


def _spread(row: Observation, value: Value, *, comma: bool) -> SpreadCell:
    """Size of the spread, or the ends of an interval, from the value's cell or from the column beside it."""
    if not row.spread:
        return SpreadCell(value.spread, value.ends, value.percent)
    if value.spread is not None or value.ends is not None:
        raise _error(row, row.value, "a number alone, as a column beside it has the spread")
    try:
        return read_spread(row.spread, comma=comma)
    except UnreadableCellError as error:
        raise _error(row, row.spread, error.expected, error.hint, column=row.spread_column) from error


def spread_kind(row: Observation, options: Reading) -> Spread:
    """What the spread of a mean is: by the option, by its column's name, else a sample standard deviation."""
    named, given = row.spread_kind if row.spread else None, options.spread
    if (named not in (None, "sd") and given not in (None, named)) or (named == "sd" and given in ("se", "ci")):
        raise RunsError(
            f"--spread: found {given} beside a column that is named as {WORDS[named]}; leave the option out"
        )
    return given or named or "sd"


def _runs(row: Observation, options: Reading) -> int:
    """Number of runs behind a mean, by its row or by `--runs`."""
    if row.count:
        runs = int(row.count) if row.count.isdecimal() else 0
        if not 2 <= runs <= MOST:
            expected = f"the number of runs of a mean with a spread, a whole number from 2 to {MOST:,}"
            hint = "leave the spread of a single run out" if runs == 1 else ""
            raise _error(row, row.count, expected, hint, column=row.count_column)
    elif options.runs is not None:
        runs = options.runs
    else:
        hint = "give it, e.g. --runs 3, or a column runs"
        raise _error(row, row.value, "a mean whose number of runs is known, as its uncertainty follows from it", hint)
    return runs


def _half_width(row: Observation, value: Value, ends: tuple[str, str], unit: float) -> tuple[float, float]:
    """Half width of an interval and the width within which rounding leaves it open, both on the mean's scale."""
    low, high = unit * float(ends[0]), unit * float(ends[1])
    step = unit * 10.0 ** -min(map(decimals, ends))
    room = max(step, 10.0 ** -decimals(value.text) / 2) * (1 + 1e-9)
    if not low - room <= value.number <= high + room:
        raise _error(row, row.spread or row.value, f"an interval around the mean {value.text}")
    return (high - low) / 2, step / math.sqrt(2)


def to_means(rows: Sequence[Printed], unit: float, units: Units) -> list[Mean]:
    """Means as scores; `unit` is what a value of 1 has on the table's scale: 1, or 100 for percent.

    Rounding adds its variance to the mean, however many runs it is over, and to the standard deviation, so that one
    printed as 0.0 isn't no noise. A table's values have the decimals of its longest one: zeros at the end may be lost.
    """
    places: dict[str, int] = {}
    for row in rows:
        places[row.row.source] = max(decimals(row.value.text), places.get(row.row.source, -9))
    size = unit * abs(units.best - units.worst)
    means = []
    for row in rows:
        _check_spread(row, unit, units)
        means.append(
            Mean(
                units.score(row.value.number / unit),
                math.sqrt(row.sd**2 + row.sd_step**2 / 12) / size,
                row.runs,
                (10.0 ** -places[row.row.source] / size) ** 2 / 12,
            )
        )
    return means


def _check_spread(row: Printed, unit: float, units: Units) -> None:
    """Refuse a spread that values within the metric's range can't have: it has another scale or meaning."""
    score = min(max(units.score(row.value.number / unit), 0.0), 1.0)
    size = unit * abs(units.best - units.worst)
    most = math.sqrt(score * (1 - score) * row.runs / (row.runs - 1)) * size + row.sd_step
    if units.percent and row.sd > most and row.sd > row.sd_step:
        raise _error(
            row.row,
            f"{row.row.value}{f' with a spread of {row.row.spread}' if row.row.spread else ''}",
            f"a standard deviation of at most {most:.3g} for {row.runs} runs with this mean",
            "is the spread on another scale, or of another kind (--spread)?",
        )


def _error(row: Observation, found: str, expected: str, hint: str = "", *, column: str | None = None) -> RunsError:
    """Build the error for a cell in the column of values, or in another one."""
    return cell_error(row.source, row.place, column or row.column, quote(found), expected, hint)
