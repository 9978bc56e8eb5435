"""Scale of a table's values: 0..1, percent, or a metric's own units."""

from __future__ import annotations

from collections.abc import Sequence

from labeleff.catalogue.metrics import Metric
from labeleff.errors import RunsError
from labeleff.reporting.external.direction import with_range
from labeleff.reporting.external.grid import cell_error, quote
from labeleff.reporting.external.observations import Observation
from labeleff.reporting.external.runs_table import Scale
from labeleff.reporting.external.values import Value

Cell = tuple[Observation, Value]


def scale_of(cells: Sequence[Cell], entry: Metric, requested: Scale | None) -> tuple[Metric, Scale, str]:
    """The metric, whose range may follow from its values, the scale of the values, and the sentence that says it.

    Raises RunsError for values that the metric can't have, and for those that would do on both scales.
    """
    signed = next((cell for cell in cells if cell[1].percent), None)
    named = next((cell for cell in cells if cell[0].percent), None)
    most = 100 if named else 1
    shares = signed is not None or requested is not None or all(abs(value.number) <= most for _, value in cells)
    entry = with_range(entry, shares=shares)
    if entry.open and not entry.percent:
        return entry, "fraction", f"{entry.plural} are in their own units"
    over = [cell for cell in cells if abs(cell[1].number) > 1]
    within = [cell for cell in cells if 0 < abs(cell[1].number) <= 1]
    if named is not None and signed is None:
        _check_name(named[0], entry, requested, over=bool(over))
    if requested is not None:
        if requested == "fraction" and (signed or (over and not entry.open)):
            raise _error(signed or over[0], f"{entry.one} in {_range(entry)}, as the scale given says")
        note = f"were read as {'percent' if requested == 'percent' else f'numbers in {_range(entry)}'}, as given"
    elif signed is not None:
        _refuse_mixture(signed, [cell for cell in within if not cell[1].percent and not cell[0].percent])
        requested, note = "percent", "are in percent, by their sign"
    elif named is not None:
        _refuse_mixture(named, [cell for cell in within if not cell[0].percent])
        requested, note = "percent", f"are in percent, by the name {named[0].column!r}"
    elif over and within:
        odd, others = (within, over) if len(within) <= len(over) else (over, within)
        also = f"{quote(odd[0][0].value)} beside {quote(others[0][0].value)} in {others[0][0].place}"
        hint = "is a decimal point missing?" if odd is over else "if all of it is percent, give the scale: percent"
        expected = f"one scale in the whole file, {_range(entry)} or percent (over 1)"
        raise cell_error(odd[0][0].source, odd[0][0].place, odd[0][0].column, also, expected, hint)
    elif over:
        requested, note = "percent", "are in percent: all are 0 or over 1"
    else:
        requested, note = "fraction", f"are in {_range(entry)}: none is over 1"
    _check_range(cells, entry, requested)
    return entry, requested, f"{entry.plural} {note}"


def _check_name(row: Observation, entry: Metric, requested: Scale | None, *, over: bool) -> None:
    """Refuse a scale that contradicts a column's name, and a name that the values make doubtful: `accuracy (%)` of 0.6.

    Errors under 1 % are common, accuracies that all are aren't.
    """
    doubtful = not over and not entry.lower
    if requested is None and doubtful:
        found = f"no value over 1 below {quote(row.column)}, which says percent"
        expected = "to know whether they are in percent"
        raise cell_error(row.source, row.place, row.column, found, expected, "give --scale percent or fraction")
    if requested == "fraction" and not doubtful:
        found = f"{quote(row.column)}, which says percent, beside the scale fraction that is given"
        raise cell_error(row.source, row.place, row.column, found, "one scale", "leave --scale out")


def _refuse_mixture(signed: Cell, bare: Sequence[Cell]) -> None:
    if bare:
        also = f"{quote(bare[0][0].value)} beside {quote(signed[0].value)} in {signed[0].place}"
        where = bare[0][0]
        raise cell_error(where.source, where.place, where.column, also, "a percent sign in every cell, or in none")


def _check_range(cells: Sequence[Cell], entry: Metric, scale: Scale) -> None:
    unit = 100 if scale == "percent" else 1
    low, high = sorted((entry.worst, entry.best))
    for row, value in cells:
        if not low * unit <= value.number <= high * unit and not (entry.open and _worse(value.number / unit, entry)):
            percent = f"{100 * low:g}..{100 * high:g} percent"
            raise _error((row, value), f"{entry.one} in {_range(entry)}, or in {percent}")


def _worse(value: float, entry: Metric) -> bool:
    return value > entry.worst if entry.lower else value < entry.worst


def _range(entry: Metric) -> str:
    low, high = sorted((entry.worst, entry.best))
    return f"{low:g}..{high:g}"


def _error(cell: Cell, expected: str) -> RunsError:
    row = cell[0]
    return cell_error(row.source, row.place, row.column, quote(row.value), expected)
