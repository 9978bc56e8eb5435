"""From the text of a table's cells to scores in 0..1: numbers, scale, direction, means with their spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal

from labeleff.catalogue.metrics import Metric, Units
from labeleff.errors import OptionError
from labeleff.reporting.external import run_keys
from labeleff.reporting.external.baseline_names import like_baseline
from labeleff.reporting.external.direction import check_trend, metric_of, stretched, units_of
from labeleff.reporting.external.grid import cell_error, quote
from labeleff.reporting.external.means import (
    WORDS,
    Printed,
    Writing,
    has_spread,
    over_one,
    printed,
    spread_kind,
    to_means,
)
from labeleff.reporting.external.observations import Observation, Observed
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.runs_table import RunsTable, Scale
from labeleff.reporting.external.scales import Cell, scale_of
from labeleff.reporting.external.values import UnreadableCellError, Value, has_decimal_commas, read_value
from labeleff.stats.interval_level import LEVEL
from labeleff.stats.resampling import Run, Runs
from labeleff.stats.stand_ins import pooled, stand_ins

Means = Mapping[tuple[str | None, str, int], list[Printed]]
"""Means of several runs by task, arm and label count: one, or several that one row gives."""


def measured(observed: Observed, options: Reading, *, level: float = LEVEL, chance: float | None = None) -> RunsTable:
    """Scores of all runs and means of a table.

    Intervals have the probability `level` where the table doesn't say theirs; `chance` is the value of guessing in the
    metric's own units. Raises RunsError for cells that can't be read and what contradicts itself, OptionError for
    options that contradict them.
    """
    rows, named = observed.rows, metric_of(observed, options)
    commas = _decimal_commas(rows, shares=named.percent)
    level = observed.interval_level or level
    cells = [(row, _read(row, comma=commas[row.source, row.column])) for row in rows]
    entry, scale, scale_note = scale_of(cells, named, options.scale)
    unit = 100 if scale == "percent" else 1
    values, best = [value.number / unit for _, value in cells], _on_scale(options.best, entry)
    units, units_note = units_of(entry, values, best, chance)
    means = _means(cells, options, level, _writing(cells, commas, scale, observed.stored))
    _check_options(options, means, rows[0].source)
    keys = run_keys.run_keys(rows)
    groups = _groups(cells, keys, means, unit, units)
    baseline, insisted = _baseline(groups, options), options.lower_is_better is not None
    trend = check_trend(groups, rows, entry, baseline=baseline, insisted=insisted)
    notes = (
        scale_note,
        units_note,
        stretched(groups, entry, units, baseline),
        *_direction_notes(entry),
        trend,
        run_keys.pairing(observed),
        *_means_notes(means, options, level),
        *_count_notes(rows, means, options),
    )
    return RunsTable(
        source=rows[0].source,
        groups=groups,
        scale=scale,
        shared=run_keys.shared(observed),
        notes=(*observed.notes, *(note for note in notes if note)),
        sha256=observed.sha256,
        metric=entry,
        units=units,
        summarised=frozenset((task, arm) for task, arm, _ in means),
        run_numbers=_run_numbers(rows, keys, means),
    )


def _baseline(groups: Mapping[tuple[str | None, str], Runs], options: Reading) -> str | None:
    """The baseline, as given or by its name; None where that isn't known."""
    named = like_baseline(dict.fromkeys(arm for _, arm in groups))
    return options.baseline or (named[0] if len(named) == 1 else None)


def _decimal_commas(rows: Sequence[Observation], *, shares: bool) -> Mapping[tuple[str, str], bool]:
    """Whether decimals have a comma, by file and column. Raises RunsError where they may be thousands."""
    columns: dict[tuple[str, str], list[Observation]] = {}
    for row in rows:
        columns.setdefault((row.source, row.column), []).append(row)
    found = {}
    for column, members in columns.items():
        kind = has_decimal_commas([text for row in members for text in (row.value, row.spread) if text], shares=shares)
        if isinstance(kind, str):
            row = next(row for row in members if kind in (row.value, row.spread))
            both = f"{kind.replace(',', '.', 1)} or {kind.replace(',', '', 1)}"
            raise cell_error(
                row.source,
                row.place,
                row.column,
                quote(kind),
                f"one reading, as it may be {both}",
                "write decimals with a point",
            )
        found[column] = kind
    return found


def _read(row: Observation, *, comma: bool) -> Value:
    try:
        return read_value(row.value, comma=comma)
    except UnreadableCellError as error:
        raise cell_error(row.source, row.place, row.column, quote(row.value), error.expected, error.hint) from error


def _on_scale(best: float | None, entry: Metric) -> float | None:
    """A value given as an option in the metric's own units: shares in 0..1, or in percent over 1."""
    return best / 100 if best is not None and entry.percent and abs(best) > 1 else best


def _writing(
    cells: Sequence[Cell], commas: Mapping[tuple[str, str], bool], scale: Scale, stored: Collection[str]
) -> Mapping[tuple[str, str], Writing]:
    """How numbers are written, by file and column; `stored`: the files whose percent signs are formats alone."""
    columns: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        columns.setdefault((cell[0].source, cell[0].column), []).append(cell)
    return {
        key: Writing(commas[key], scale, key[0] in stored, over_one(members, comma=commas[key]))
        for key, members in columns.items()
    }


def _means(cells: Sequence[Cell], options: Reading, level: float, writing: Mapping[tuple[str, str], Writing]) -> Means:
    """Means of several runs by rung, each the only row of its rung."""
    means: dict[tuple[str | None, str, int], list[Printed]] = {}
    for row, value in cells:
        if has_spread(row, value):
            mean = printed(row, value, options, level=level, writing=writing[row.source, row.column])
            means.setdefault(_rung(row), []).append(mean)
    _check_alone([row for row, _ in cells], means)
    return means


def _check_options(options: Reading, means: Means, source: str) -> None:
    """Refuse options on the spread of means where no value has one. Raises OptionError."""
    sized = any(
        mean.value.ends is None and "[" not in (mean.row.spread or "") for rung in means.values() for mean in rung
    )
    for option, given, met in (
        ("--runs", options.runs, bool(means)),
        ("--spread", None if options.spread == "ci" and means else options.spread, sized),
    ):
        if given is not None and not met:
            found = "intervals by their ends alone" if means else "no mean with a spread"
            raise OptionError(
                f"{option}: found {given} for {source}, which has {found}, expected means such as 61.7±0.8, or a "
                "column std, se or ci beside them; leave the option out"
            )


def _rung(row: Observation) -> tuple[str | None, str, int]:
    return row.task, row.arm, row.n


def _check_alone(rows: Sequence[Observation], means: Means) -> None:
    """Refuse a mean of several runs beside other rows of its rung."""
    several = Counter(map(_rung, rows)) if means else {}
    for key, (mean, *more) in means.items():
        row = mean.row
        if several[key] > 1 + len(more) or any(each.row.place != row.place for each in more):
            other = next(each for each in rows if _rung(each) == key and each.place != row.place)
            found = f"a mean of {mean.runs} runs of arm {row.arm!r} at n = {row.n} beside {other.place}"
            raise cell_error(row.source, row.place, row.column, found, "one mean, or its runs")


def _groups(
    cells: Sequence[Cell], keys: Sequence[Run], means: Means, unit: int, units: Units
) -> dict[tuple[str | None, str], Runs]:
    """Scores by (task, arm) in the order of the table."""
    groups: dict[tuple[str | None, str], dict[int, Mapping[Run, float]]] = {}
    scores = iter(to_means([mean for several in means.values() for mean in several], unit, units))
    in_one = [pooled([next(scores) for _ in several]) for several in means.values()]
    from_means = dict(zip(means, stand_ins(in_one), strict=True))
    runs: dict[tuple[str | None, str, int], dict[Run, float]] = {}
    for (row, value), key in zip(cells, keys, strict=True):
        rung = _rung(row)
        if rung in from_means:
            groups.setdefault(rung[:2], {})[row.n] = from_means[rung]
            continue
        if rung not in runs:
            groups.setdefault(rung[:2], {})[row.n] = runs[rung] = {}
        runs[rung][key] = _score(value, unit, units)
    return dict(groups)


def _run_numbers(
    rows: Sequence[Observation], keys: Sequence[Run], means: Means
) -> dict[tuple[str | None, str], dict[tuple[int, Run], int]]:
    """The table's numbers of runs by (task, arm), then by label count and (draw, seed)."""
    numbers: dict[tuple[str | None, str], dict[tuple[int, Run], int]] = {}
    for row, key in zip(rows, keys, strict=True):
        if _rung(row) not in means:
            numbers.setdefault((row.task, row.arm), {})[row.n, key] = row.run
    return numbers


def _score(value: Value, unit: int, units: Units) -> float:
    """Score of a value; the share 1 - e of an error e has exactly the digits that it would have in the table."""
    if (units.worst, units.best) == (1.0, 0.0):
        return float(unit - Decimal(value.text)) / unit
    return units.score(value.number / unit)


def _direction_notes(entry: Metric) -> Iterator[str]:
    if entry.lower:
        yield f"less is better: {entry.plural} are turned around to be compared, and shown as they are"


def _means_notes(means: Means, options: Reading, level: float) -> Iterator[str]:
    """What the means of several runs were taken for."""
    if not means:
        return
    several = [mean for rung in means.values() for mean in rung]
    counts = sorted({mean.runs for mean in several})
    runs = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    kinds = sorted({_kind(mean, options, level) for mean in several})
    yield (
        f"means of {runs} runs, with {' and '.join(kinds)}; a mean is as uncertain as its runs and rounding make it, "
        "and such an arm is paired with no other"
    )
    if example := next((mean for mean in several if mean.converted is not None), None):
        yield (
            "percent signs that mean or spread alone have are counted: "
            f"{example.row.spread} beside {example.row.value} is {example.converted:.10g} on the mean's scale"
        )


def _count_notes(rows: Sequence[Observation], means: Means, options: Reading) -> Iterator[str]:
    """What numbers of runs are good for where they aren't those of means with a spread, or are given twice."""
    bare = next((row for row in rows if row.count not in (None, "1") and _rung(row) not in means), None)
    if bare is not None:
        yield (
            "values without a spread count as one run each, also where the table has a number of runs "
            f"({bare.count} in {bare.place}): how far those runs are apart isn't known"
        )
    if options.runs is not None and all(mean.row.count for rung in means.values() for mean in rung):
        yield f"--runs {options.runs} isn't used, as the table has the numbers of runs"


def _kind(mean: Printed, options: Reading, level: float) -> str:
    if mean.value.ends is not None or (mean.row.spread or "").startswith(("[", "(")):
        return f"intervals of {100 * level:g} %"
    kind = spread_kind(mean.row, options)
    words = f"{WORDS[kind]} of {100 * level:g} %" if kind == "ci" else WORDS[kind]
    named = mean.row.spread_kind not in (None, "sd") and bool(mean.row.spread)
    return words if options.spread or named else f"{words}, as --spread doesn't say otherwise"
