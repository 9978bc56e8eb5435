"""`labeleff utility`: a report on runs measured by other programs."""

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
    HeadlineOption,
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
    TargetOption,
    TitleOption,
    UnitOption,
    ValueOption,
)
from labeleff.commands.report import METHODS, print_verdict
from labeleff.curves.methods import BAYES
from labeleff.records.collection import without_collection
from labeleff.stats.interval_level import LEVEL


@without_collection()
def utility(
    runs: RunsArgument = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="ARM", help="What the others are measured against (default: by its name).")
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
    method: Annotated[str, typer.Option(help=f"{METHODS}.")] = BAYES,
    convention: Annotated[
        str, typer.Option(help="definition, or selfstudy: add what the paper's reference code computes.")
    ] = "definition",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Output folder (default: runs/NAME-utility).")] = None,
    title: TitleOption = None,
    metric_name: MetricNameOption = None,
    lower_is_better: LowerOption = None,
    best: BestOption = None,
    mean_runs: MeanRunsOption = None,
    spread: SpreadOption = None,
    chance: ChanceOption = None,
    test_count: Annotated[int | None, typer.Option(help="Test examples, for the test set's sampling error.")] = None,
    headline_n: HeadlineOption = None,
    target: TargetOption = None,
    cost_per_label: CostOption = None,
    cost_unit: UnitOption = None,
) -> None:
    """Report the utility of runs measured elsewhere, from tables of any shape."""
    from labeleff.reporting import options as reporting_options
    from labeleff.reporting.external import options as external_options
    from labeleff.reporting.external.external_report import build

    path, *more = external_options.paths(runs, pattern)
    options = external_options.Options(
        path=path,
        more=tuple(more),
        out=out or Path("runs") / f"{external_options.short_name(path, pattern)}-utility",
        command=["labeleff", *sys.argv[1:]],
        baseline=baseline,
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
            baseline=baseline,
        ),
        level=level,
        method=method,
        convention=external_options.convention(convention),
        title=title,
        chance=chance,
        test_count=test_count,
        headline=headline_n,
        targets=tuple(target or []),
        cost=reporting_options.cost(cost_per_label, cost_unit),
    )
    report, notes = build(options)
    print(f"read {options.read}: {'; '.join(notes)}")
    print_verdict(report)
