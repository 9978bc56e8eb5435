"""Every run of a report as a table that `labeleff utility` reads back to the same numbers: `runs.csv`."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import numpy as np

from labeleff.catalogue.metric_names import recognised
from labeleff.curves.methods import BAYES
from labeleff.reporting.csv_tables import EXACT, Row, Table
from labeleff.reporting.external.direction import falling
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.stats.interval_level import LEVEL
from labeleff.stats.resampling import Run, Runs

FILE = "runs.csv"
SEVERAL = "score"
"""Column of the values where places have metrics of their own."""
_PERCENT = re.compile(r"[\s_]*(?:[(\[]\s*)?(?:%|(?<![A-Za-z])(?:percent|pct)(?![A-Za-z]))(?:\s*[)\]])?", re.IGNORECASE)
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
    """Name of the column of the reported values: the metric that all places share, else SEVERAL.

    Shares are written as such, so that a name that says percent loses it.
    """
    names = {setting.metric for setting in measured.settings.values()}
    shares = all(setting.units.percent for setting in measured.settings.values())
    name = names.pop() if len(names) == 1 else SEVERAL
    return (_PERCENT.sub("", name).strip() or SEVERAL) if shares else name


def command(measured: Measurements) -> str:
    """Command that reads `runs.csv` back."""
    column = value_column(measured)
    words = ["labeleff", "utility", FILE, "--baseline", measured.baseline]
    words += [] if column == "accuracy" else ["--column", f"accuracy={column}", "--metric-name", column]
    units = next(iter(measured.settings.values())).units
    words += ["--lower-is-better"] if units.lower else ["--higher-is-better"] if _asks(measured, column) else []
    words += ["--scale", "fraction"] if any(map(_may_exceed_one, measured.settings.values())) else []
    chance, *others = {_given_chance(setting) for setting in measured.settings.values()}
    words += [] if chance is None or others else ["--chance", f"{chance:.10g}"]
    words += [] if units.best == (0.0 if units.lower else 1.0) else ["--best", f"{units.best:.10g}"]
    words += [] if measured.method == BAYES else ["--method", measured.method]
    words += [] if measured.level == LEVEL else ["--level", f"{measured.level:g}"]
    return shlex.join(words)


def _asks(measured: Measurements, column: str) -> bool:
    """Whether values of which more is better are refused without that being said: by their name, or as they fall."""
    entry = recognised(column)
    runs: dict[tuple[str | None, str], Runs] = {
        (str(place), arm): rungs for (place, arm), rungs in measured.runs.items()
    }
    return (entry is not None and entry.lower) or bool(falling(runs, measured.baseline))


def _may_exceed_one(setting: Setting) -> bool:
    """Whether shares of this metric may be over 1, so that such values don't mean percent."""
    return setting.units.percent and setting.metric_entry.open


def _given_chance(setting: Setting) -> float | None:
    """Value of guessing that the metric doesn't have by itself, where numbers rest on it or a user gave it."""
    if setting.chance is None or (setting.entry is None and setting.units.percent):
        return None
    known, value = setting.metric_entry.chance, setting.units.value(setting.chance)
    return None if known is not None and math.isclose(known, value, abs_tol=1e-9) else value


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
        values = [float(_shown(setting, value)) for value in runs[n].values()]
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
        yield {"n": n, column: float(np.mean(values)), "sd": sd, "count": len(values), "run": 0}


def _shown(setting: Setting, score: float) -> float | Decimal:
    """The value of a score in the metric's own units: the one that is read back to the same score, where there is.

    That of an error has more digits than a float, as 1 - error has all digits of the score.
    """
    units = setting.units
    if (units.worst, units.best) == (1.0, 0.0):
        return 1 - Decimal(repr(float(score)))
    value = units.value(score)
    near = (float(f"{value:.{digits}g}") for digits in (17, 16, 15, 14))
    return next((each for each in near if units.score(each) == score), value)
