"""`labeleff report`: a folder's report rebuilt, and its verdict printed."""

import re
from pathlib import Path
from typing import Annotated

import typer

from labeleff.commands.options import CostOption, HeadlineOption, TargetOption, UnitOption
from labeleff.curves.methods import methods_in_words

METHODS = f"The baseline's curve: {methods_in_words()}"


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with records.jsonl.")],
    baseline: Annotated[str | None, typer.Option(metavar="ARM", help="Measure the others against this arm.")] = None,
    method: Annotated[str | None, typer.Option(help=f"{METHODS} (default: the study's).")] = None,
    level: Annotated[float | None, typer.Option(help="Probability that intervals hold (default: the study's).")] = None,
    target: TargetOption = None,
    cost_per_label: CostOption = None,
    cost_unit: UnitOption = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK=NAME", help="Report on another recorded metric of a task; may be repeated."),
    ] = None,
    headline_n: HeadlineOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Output folder (default: DIR itself).")] = None,
) -> None:
    """Rebuild CSVs, figures and report.md from records.jsonl, byte for byte; options replace what the study says."""
    from labeleff.reporting import options
    from labeleff.reporting.options import ReportOptions
    from labeleff.reporting.study_report import build

    cost = options.cost(cost_per_label, cost_unit)
    targets, metrics = options.targets(target or []), options.metrics(metric or [])
    print_verdict(build(folder, ReportOptions(baseline, method, level, targets, cost, out, metrics, headline_n)))


def build_and_print(folder: Path) -> None:
    """Build the report of a folder and print its verdict."""
    from labeleff.reporting.study_report import build

    print_verdict(build(folder))


def print_verdict(report: Path) -> None:
    """Print a report's verdict with the text before it, and the report's path."""
    head, _, tail = report.read_text(encoding="utf-8").partition("\n\n## Verdict\n\n")
    verdict = re.split("\n\nWeak points of this evidence:\n|\n\n## ", tail, maxsplit=1)[0]
    print(re.sub("\n\n+", "\n", "\n\n".join([*head.split("\n\n")[1:], verdict])))
    print(f"report: {report}")
