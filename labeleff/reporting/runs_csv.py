"""Every run of a report as a table that `labeleff utility` reads back to the same numbers: `runs.csv`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from labeleff.curves.methods import BAYES
from labeleff.reporting.csv_tables import EXACT, Row, Table
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.stats.interval_level import LEVEL
from labeleff.stats.resampling import Run, Runs

FILE = "runs.csv"
SEVERAL = "score"
"""Column of the values where places have metrics of their own."""
Further = Mapping[tuple[Place, str, int, Run], Mapping[str, float | None]]
"""All recorded metrics of a run by name."""


def to_files(measured: Measurements, further: Further | None = None) -> dict[str, bytes]:
    """Content of `runs.csv` by file name; empty where nothing is measured.

    One row per run, or per mean where an arm was given as means over runs. Columns draw and seed are there where runs
    of different arms share them, so that what was paired stays paired, and no other runs become so. Values have all
    digits.
    """
    names = _columns(measured, further or {})
    rows = [row for place in measured.places for row in _rows(measured, place, further or {})]
    return {FILE: Table(rows, names, EXACT).csv()} if rows else {}


def value_column(measured: Measurements) -> str:
    """Name of the column of the reported values: the metric that all places share, else SEVERAL."""
    names = {setting.metric for setting in measured.settings.values()}
    return names.pop() if len(names) == 1 else SEVERAL


def command(measured: Measurements) -> str:
    """Command that reads `runs.csv` back."""
    column = value_column(measured)
    words = ["labeleff", "utility", FILE, "--baseline", measured.baseline]
    words += [] if column == "accuracy" else ["--column", f"accuracy={column}", "--metric-name", column]
    units = next(iter(measured.settings.values())).units
    words += ["--lower-is-better"] if units.lower else []
    words += [] if units.best == (0.0 if units.lower else 1.0) else ["--best", f"{units.best:.10g}"]
    words += [] if measured.method == BAYES else ["--method", measured.method]
    words += [] if measured.level == LEVEL else ["--level", f"{measured.level:g}"]
    return shlex.join(words)


def note(measured: Measurements) -> str:
    """Paragraph on `runs.csv`."""
    return f"`{FILE}` has every run; the following reads it back:\n\n```\n{command(measured)}\n```"


def _columns(measured: Measurements, further: Further) -> Sequence[str]:
    tasks = ["task"] if any(str(place) for place in measured.places) else []
    spread = ["sd", "count"] if measured.summarised else []
    others = dict.fromkeys(name for metrics in further.values() for name in metrics)
    column = value_column(measured)
    return [*tasks, "arm", "n", *measured.shared, "run", column, *spread, *(name for name in others if name != column)]


def _rows(measured: Measurements, place: Place, further: Further) -> Iterator[Row]:
    setting, column, task = measured.settings[place], value_column(measured), _task(measured, place)
    for arm in measured.arms:
        runs = measured.at(place, arm)
        if (place, arm) in measured.summarised:
            yield from ({"task": task, "arm": arm, **row} for row in _means(setting, column, runs))
            continue
        numbers = measured.run_numbers.get((place, arm)) or _numbered(runs)
        for n in sorted(runs):
            for run in sorted(runs[n], key=lambda key: numbers[n, key]):
                yield {
                    "task": task,
                    "arm": arm,
                    "n": n,
                    "draw": run[0],
                    "seed": run[1],
                    "run": numbers[n, run],
                    **further.get((place, arm, n, run), {}),
                    column: _shown(setting, runs[n][run]),
                }


def _task(measured: Measurements, place: Place) -> str | None:
    """Name of the place in one column: its task alone where no other place has it."""
    alone = [other.task for other in measured.places].count(place.task) == 1
    return place.task if alone else str(place)


def _numbered(runs: Runs) -> Mapping[tuple[int, Run], int]:
    """Number of every run by label count and (draw, seed): its place among the arm's runs in their order."""
    places = {run: place for place, run in enumerate(sorted({run for rung in runs.values() for run in rung}))}
    return {(n, run): places[run] for n, rung in runs.items() for run in rung}


def _means(setting: Setting, column: str, runs: Runs) -> Iterator[Row]:
    for n in sorted(runs):
        values = [_shown(setting, value) for value in runs[n].values()]
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
        yield {"n": n, column: float(np.mean(values)), "sd": sd, "count": len(values), "run": 0}


def _shown(setting: Setting, score: float) -> float:
    """The value of a score in the metric's own units."""
    return setting.units.value(score)
