"""`labeleff forecast`: accuracy at more labels and labels for targets, from a pilot's runs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from labeleff.commands.options import (
    BestOption,
    ChanceOption,
    ColumnOption,
    CostOption,
    DelimiterOption,
    FromOption,
    LabelUnitOption,
    LowerOption,
    MeanRunsOption,
    MetricNameOption,
    PerClassOption,
    PoolOption,
    RunsArgument,
    ScaleOption,
    ShapeOption,
    SheetOption,
    SkipEmptyOption,
    SpreadOption,
    TitleOption,
    UnitOption,
    ValueOption,
)
from labeleff.commands.report import print_verdict
from labeleff.records.collection import without_collection
from labeleff.stats.interval_level import LEVEL


@without_collection()
def forecast(
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
    pattern: FromOption = None,
    value: ValueOption = None,
    sheet: SheetOption = None,
    column: ColumnOption = None,
    scale: ScaleOption = None,
    delimiter: DelimiterOption = None,
    shape: ShapeOption = None,
    label_unit: LabelUnitOption = None,
    per_class: PerClassOption = None,
    pool: PoolOption = None,
    skip_empty: SkipEmptyOption = False,
    level: Annotated[float, typer.Option(help="Probability that intervals hold.")] = LEVEL,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Output folder (default: runs/NAME-forecast).")
    ] = None,
    title: TitleOption = None,
    metric_name: MetricNameOption = None,
    lower_is_better: LowerOption = None,
    best: BestOption = None,
    mean_runs: MeanRunsOption = None,
    spread: SpreadOption = None,
    chance: ChanceOption = None,
) -> None:
    """Predict accuracy at more labels, and labels and money for targets, from tables of a pilot's runs."""
    from labeleff.reporting import options as reporting_options
    from labeleff.reporting.external import options as external_options
    from labeleff.reporting.forecast import options as forecast_options
    from labeleff.reporting.forecast.forecast_report import build

    path, *more = external_options.paths(runs, pattern)
    table = external_options.Options(
        path=path,
        more=tuple(more),
        out=out or Path("runs") / f"{external_options.short_name(path, pattern)}-forecast",
        command=["labeleff", *sys.argv[1:]],
        reading=external_options.reading(
            pattern=pattern,
            value=value,
            sheet=sheet,
            column=column,
            delimiter=delimiter,
            scale=scale,
            shape=shape,
            label_unit=label_unit,
            per_class=per_class,
            pool=pool,
            skip_empty=skip_empty,
            metric=metric_name,
            lower=lower_is_better,
            best=best,
            runs=mean_runs,
            spread=spread,
        ),
        level=level,
        title=title,
        chance=chance,
        targets=forecast_options.targets(target or []),
        cost=reporting_options.cost(cost_per_label, cost_unit),
    )
    counts = forecast_options.counts(at or [])
    report, notes = build(forecast_options.Options(table, arm, counts, labelled))
    print(f"read {table.read}: {'; '.join(notes)}")
    print_verdict(report)
