"""Forecasts of all arms of a table of runs, with what their report needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labeleff.curves.forecast import Forecast, forecast
from labeleff.errors import CurveError, RunsError, UnknownNameError
from labeleff.reporting.external.runs_table import RunsTable
from labeleff.reporting.forecast.options import Options
from labeleff.reporting.measurements import Setting

ACCURACY = Setting("", ())
"""Accuracies, in percent."""


@dataclass(frozen=True)
class ArmForecast:
    """The forecast of one arm at one task."""

    task: str | None
    arm: str
    forecast: Forecast
    setting: Setting = ACCURACY
    """What was measured, and the units of its scores."""

    @property
    def title(self) -> str:
        """The arm, with its task where there is one."""
        return title(self.task, self.arm)


@dataclass(frozen=True)
class Forecasts:
    """The forecasts of a table, and the arms that have none."""

    arms: Sequence[ArmForecast]
    """At least one, in the order of the table."""
    without: Sequence[str]
    """Titles of arms with a single label count, which gives no curve."""


def compute(table: RunsTable, options: Options) -> Forecasts:
    """Forecast every arm, or the requested one.

    Raises UnknownNameError for an arm that the table doesn't have, RunsError where no arm has two label counts, or
    where an arm's curve can't answer the options.
    """
    if options.arm is not None and options.arm not in table.arms:
        raise UnknownNameError(f"--arm in {table.source}", options.arm, table.arms)
    groups = {key: runs for key, runs in table.groups.items() if options.arm in (None, key[1])}
    short = [title(*key) for key, runs in groups.items() if len(runs) < 2]
    if len(short) == len(groups):
        raise RunsError(
            f"{table.source}: a forecast needs at least two label counts of an arm, found one ({', '.join(short[:6])})"
        )
    return Forecasts(
        [_forecast(table, task, arm, options) for (task, arm), runs in groups.items() if len(runs) > 1], short
    )


def title(task: str | None, arm: str) -> str:
    """The arm, with its task where there is one."""
    return arm if task is None else f"{arm} on {task}"


def _forecast(table: RunsTable, task: str | None, arm: str, options: Options) -> ArmForecast:
    try:
        found = forecast(
            table.groups[task, arm],
            targets=options.table.scores(table),
            at=options.at or None,
            labelled=options.labelled,
            level=options.table.level,
        )
    except CurveError as error:
        raise RunsError(f"{table.source}, {title(task, arm)}: {error}") from error
    return ArmForecast(task, arm, found, options.table.setting(table, task))
