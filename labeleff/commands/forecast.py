"""`labeleff forecast`: accuracy at more labels and labels for targets, from a pilot's runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeleff.commands.options.figures import paper_of
from labeleff.commands.options.reading import reading_of
from labeleff.commands.options.shared import (
    ChanceOption,
    CostOption,
    RunsArgument,
    TitleOption,
    UnitOption,
    taking,
)
from labeleff.commands.report import print_head
from labeleff.files import without_collection
from labeleff.stats.interval_level import LEVEL

if TYPE_CHECKING:
    from labeleff.reporting.external.reading import Reading
    from labeleff.reporting.figures.look import Look


@without_collection()
@taking("look", paper_of)
@taking("reading", reading_of)
def forecast(
    reading: "Reading",
    look: "Look",
    runs: RunsArgument = None,
    target: Annotated[
        list[str] | None,
        typer.Option(metavar="ACCURACY", help="Say how many labels this takes: 0.9, 90% or 90; may be repeated."),
    ] = None,
    cost_per_label: CostOption = None,
    cost_unit: UnitOption = None,
    at: Annotated[
        list[str] | None,
        typer.Option(metavar="N,N", help="Label counts to predict accuracy at (default: 1, 2 ... 64 times the last)."),
    ] = None,
    arm: Annotated[
        str | None, typer.Option(metavar="ARM", help="Forecast this arm alone (default: every arm).")
    ] = None,
    labelled: Annotated[
        int | None, typer.Option(metavar="N", help="Labels that are there already (default: the last rung).")
    ] = None,
    level: Annotated[float, typer.Option(help="Probability that intervals hold.")] = LEVEL,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Output folder (default: runs/NAME-forecast).")
    ] = None,
    title: TitleOption = None,
    chance: ChanceOption = None,
) -> None:
    """Predict accuracy at more labels, and labels and money for targets, from tables of a pilot's runs."""
    from labeleff.reporting import options as reporting_options
    from labeleff.reporting.external import options as external_options
    from labeleff.reporting.forecast import options as forecast_options
    from labeleff.reporting.forecast.forecast_report import build

    path, *more = external_options.paths(runs, reading.pattern)
    table = external_options.Options(
        path=path,
        more=tuple(more),
        out=out or Path("runs") / f"{external_options.short_name([path, *more], reading.pattern)}-forecast",
        command=["labeleff", *sys.argv[1:]],
        reading=reading,
        level=level,
        title=title,
        chance=chance,
        targets=forecast_options.targets(target or []),
        cost=reporting_options.cost(cost_per_label, cost_unit),
        look=look,
    )
    counts = forecast_options.counts(at or [])
    report, notes = build(forecast_options.Options(table, arm, counts, labelled))
    print(f"read {table.read}: {'; '.join(notes)}")
    print_head(report)
