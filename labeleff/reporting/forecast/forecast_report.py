"""Report of forecasts: CSVs, figures and `report.md`, from a table of runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from labeleff.curves.posterior_grid import REACH
from labeleff.files import without_collection
from labeleff.reporting import output_files
from labeleff.reporting.external.external_report import origin, write_beside
from labeleff.reporting.external.reader import read_runs
from labeleff.reporting.external.runs_table import RunsTable
from labeleff.reporting.figures import forecast as figures
from labeleff.reporting.forecast import forecast_tables, sentences
from labeleff.reporting.forecast.arm_forecasts import ArmForecast, Forecasts, compute
from labeleff.reporting.forecast.options import Options
from labeleff.reporting.markdown import capital
from labeleff.reporting.measurements import Setting
from labeleff.reporting.output_files import Section
from labeleff.reporting.sections.accuracy_and_utility import weak_points


@without_collection()
def build(options: Options) -> tuple[Path, tuple[str, ...]]:
    """Read the table and write the report of its forecasts to `options.table.out`, as a whole or not at all.

    Returns report.md's path and, in sentences, how the table was read. Raises RunsError for what is wrong in the file,
    OptionError and UnknownNameError for what is wrong in the options.
    """
    how = options.table
    reading = replace(how.reading, one_arm=True)
    table = read_runs(how.paths, reading, level=how.level, chance=how.chance)
    found = compute(table, options)
    sections = [*_sections(found, table, options), Section([*_explain(found.arms[0].setting, options)])]
    files = output_files.assemble(
        [*sections, Section([*origin(table, table.notes, how)])],
        replace(how.look, every=True),
        {*table.arms, *(item.title for item in found.arms), *(task for task in table.tasks if task is not None)},
    )
    return write_beside(how, files), table.notes


def _sections(found: Forecasts, table: RunsTable, options: Options) -> Iterator[Section]:
    title = options.table.title or f"Forecast from the runs in {options.table.files}"
    verdicts = "\n".join(f"- {sentences.verdict(item, options)}" for item in found.arms)
    flags = [*sentences.weak_points(found)]
    yield Section(
        [f"# {title}", verdicts, *weak_points(flags)],
        files=forecast_tables.csvs(found.arms, options.table.cost),
    )
    names: set[str] = set()
    for item in found.arms:
        name = output_files.first_free(f"forecast-{_slug(item)}", names)
        names.add(name)
        yield _section(item, table, name, options)


def _slug(item: ArmForecast) -> str:
    return output_files.plain(item.title)[: output_files.LONGEST].strip("-") or "arm"


def _section(item: ArmForecast, table: RunsTable, name: str, options: Options) -> Section:
    """Tables and figure of one arm."""
    title = item.title.replace("[", "\\[").replace("]", "\\]")
    paragraphs = [f"## {title}", sentences.basis(item), f"![forecast of {title}](figures/{name}.png)"]
    words = item.setting.metric_entry.words
    paragraphs += [f"### {capital(words)} to expect", forecast_tables.accuracies(item, options)]
    if item.forecast.labels:
        paragraphs += ["### Labels for targets", forecast_tables.labels(item, options)]
    for each in item.forecast.learning:
        paragraphs += forecast_tables.learning(each, item.setting, options)
    draw = partial(figures.forecast, item.forecast, table.groups[item.task, item.arm], item.title, item.setting)
    return Section(paragraphs, figures={name: draw})


def _explain(setting: Setting, options: Options) -> Iterator[str]:
    """The section "What the numbers mean" in paragraphs."""
    level, reach = f"{100 * options.table.level:g} %", f"{REACH[1]:,.0f}"
    words = setting.metric_entry.words
    most = "most" if setting.units.lower else "least"
    yield "## What the numbers mean"
    points = [
        f"Every arm's curve of {words} against labels is known up to equally likely curves: the posterior of an "
        "average of saturating families with a smooth misfit, given the runs. All numbers are shares and quantiles of "
        f"these curves: medians, and intervals that hold with probability {level} (in brackets).",
        f"{words}: what the mean of many runs at that label count comes close to; one run: where a single future run "
        "lies, which has the noise of a run too. The noise of runs beyond the ladder is taken to be as large as at its "
        "last rung.",
        f"P(target): probability that the true {words} at n labels is at {most} the target. Never: share of curves "
        f"that don't reach it by {reach} times the last rung; where that is most of them, only the lower end is given.",
        "Additional: labels beyond those that are labelled already, whose set is taken to be part of the larger one. "
        "Enough now: probability that these reach the target.",
        "Variance removed by a next rung: results of that rung are simulated from the curves, and the share of the "
        "variance that they take away on average is given (the expected value of sample information for estimation, "
        "Jackson et al. 2019, JASA 114:1436). For targets it is the variance of ln n, where never counts as "
        f"{reach} times the last rung. Other runs at rungs that are there already aren't among the candidates.",
        "The forecast takes it that further labels come as the pilot's did: same source, same way of choosing and "
        "labelling, same training recipe.",
    ]
    yield "\n".join(f"- {text[0].upper()}{text[1:]}" for text in points)
