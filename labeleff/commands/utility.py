"""`labeleff utility`: a report on runs measured by other programs."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeleff.commands.options.figures import look_of
from labeleff.commands.options.reading import reading_of
from labeleff.commands.options.shared import (
    ChanceOption,
    CostOption,
    HeadlineOption,
    RunsArgument,
    TargetOption,
    TitleOption,
    UnitOption,
    taking,
)
from labeleff.commands.report import METHODS, print_head
from labeleff.curves.methods import BAYES
from labeleff.files import without_collection
from labeleff.stats.interval_level import LEVEL

if TYPE_CHECKING:
    from labeleff.reporting.external.reading import Reading
    from labeleff.reporting.figures.look import Look


@without_collection()
@taking("look", look_of)
@taking("reading", reading_of)
def utility(
    reading: "Reading",
    look: "Look",
    runs: RunsArgument = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="ARM", help="What the others are measured against (default: by its name).")
    ] = None,
    level: Annotated[float, typer.Option(help="Probability that intervals hold.")] = LEVEL,
    method: Annotated[str, typer.Option(help=f"{METHODS}.")] = BAYES,
    convention: Annotated[
        str, typer.Option(help="definition, or selfstudy: add what the paper's reference code computes.")
    ] = "definition",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Output folder (default: runs/NAME-utility).")] = None,
    title: TitleOption = None,
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

    path, *more = external_options.paths(runs, reading.pattern)
    options = external_options.Options(
        path=path,
        more=tuple(more),
        out=out or Path("runs") / f"{external_options.short_name([path, *more], reading.pattern)}-utility",
        command=["labeleff", *sys.argv[1:]],
        baseline=baseline,
        reading=replace(reading, baseline=baseline),
        level=level,
        method=method,
        convention=external_options.convention(convention),
        title=title,
        chance=chance,
        test_count=test_count,
        headline=headline_n,
        targets=tuple(target or []),
        cost=reporting_options.cost(cost_per_label, cost_unit),
        look=look,
    )
    report, notes = build(options)
    print(f"read {options.read}: {'; '.join(notes)}")
    print_head(report)
