"""Options on how tables are read, which `utility` and `forecast` share."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labeleff.reporting.external.reading import Reading


FromOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="PATTERN",
        help="Read many files: 'results/{arm}/{task}/train-{n}-{draw}/results.json', names in braces are columns.",
    ),
]
ValueOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Name of the value in the files: accuracy, test.accuracy.")
]
SheetOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Sheet of a workbook, or number of a table in Markdown, LaTeX or HTML."),
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=THEIRS", help="A column of another name, e.g. --column accuracy=top1."),
]
ScaleOption = Annotated[str | None, typer.Option(help="fraction or percent (default: detected).")]
DelimiterOption = Annotated[str | None, typer.Option(help="comma, semicolon or tab (default: detected).")]
ShapeOption = Annotated[
    str | None,
    typer.Option(help="long, by-arm, by-n or by-task-and-n: what a column of values is (default: detected)."),
]
LabelUnitOption = Annotated[
    str | None,
    typer.Option(help="What plain numbers of labels are: labels, per-class, percent or share (default: detected)."),
]
PerClassOption = Annotated[
    int | None, typer.Option(metavar="CLASSES", help="Number of classes, where label counts are per class.")
]
PoolOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[TASK=]N",
        help="Number of all labels, for shares and rows trained on all of them; may be repeated.",
    ),
]
SkipEmptyOption = Annotated[bool, typer.Option("--skip-empty", help="Leave rows without a value out.")]
MetricNameOption = Annotated[
    str | None, typer.Option(help="What was measured (default: by the column's name, else accuracy).")
]
LowerOption = Annotated[
    bool | None,
    typer.Option("--lower-is-better/--higher-is-better", help="Direction, where the values are errors or losses."),
]
BestOption = Annotated[
    float | None, typer.Option(metavar="VALUE", help="Value of a perfect result (default: 1, and 0 for losses).")
]
MeanRunsOption = Annotated[
    int | None,
    typer.Option("--runs", metavar="K", help="Number of runs behind a mean, where the table doesn't say."),
]
SpreadOption = Annotated[
    str | None,
    typer.Option(help="What follows a mean: sd, population-sd, se or ci (default: by its column's name, else sd)."),
]


def reading_of(
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
    metric_name: MetricNameOption = None,
    lower_is_better: LowerOption = None,
    best: BestOption = None,
    mean_runs: MeanRunsOption = None,
    spread: SpreadOption = None,
) -> "Reading":
    """What the command line says of tables. Raises OptionError or UnknownNameError naming the option."""
    from labeleff.reporting.external.options import reading

    return reading(
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
    )
