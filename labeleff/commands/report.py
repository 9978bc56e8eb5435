"""`labeleff report` and `labeleff board`: a folder's report rebuilt, and several side by side as static files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeleff.commands.options.figures import look_of
from labeleff.commands.options.shared import CostOption, HeadlineOption, TargetOption, UnitOption, taking
from labeleff.curves.methods import methods_in_words

if TYPE_CHECKING:
    from labeleff.reporting.figures.look import Look

METHODS = f"The baseline's curve: {methods_in_words()}"


@taking("look", look_of)
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with records.jsonl.")],
    look: "Look",
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
    cost_per_noisy_label: Annotated[
        float | None, typer.Option(metavar="PRICE", help="Price of a label with noise, in the unit of the others.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Output folder (default: DIR itself).")] = None,
) -> None:
    """Rebuild CSVs, figures and report.md from records.jsonl, byte for byte; options replace what the study says."""
    from labeleff.reporting import options
    from labeleff.reporting.options import ReportOptions
    from labeleff.reporting.study_report import build

    cost = options.cost(cost_per_label, cost_unit)
    targets, metrics = options.targets(target or []), options.metrics(metric or [])
    chosen = ReportOptions(
        baseline, method, level, targets, cost, out, metrics, headline_n, noisy_price=cost_per_noisy_label, look=look
    )
    print_head(build(folder, chosen))


def build_and_print(folder: Path) -> None:
    """Build the report of a folder and print its head."""
    from labeleff.reporting.study_report import build

    print_head(build(folder))


def print_head(report: Path) -> None:
    """Print a report's head, which stands between its title and its first section, and the report's path."""
    from labeleff.reporting.markdown import CONTENTS, unmarked

    _, *head = report.read_text(encoding="utf-8").partition("\n## ")[0].strip().split("\n\n")
    text = "\n".join(each for each in head if not each.startswith(("![", CONTENTS)))
    print(unmarked(text))
    print(f"report: {report}")


def board(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of studies with records.jsonl.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the site.")],
    index: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also list the studies in this Markdown file.")
    ] = None,
) -> None:
    """Write a site of static files: a page per study, and a leaderboard of their arms with filters."""
    from labeleff.comparison import board as boards
    from labeleff.errors import OptionError
    from labeleff.records.folders import FILE_NAME, measured
    from labeleff.reporting.output_files import check_folder, write

    check_folder(out)
    found, passed = measured(folders)
    for folder in passed:
        print(f"{folder}: passed over, as it has no {FILE_NAME}")
    if not found:
        raise OptionError(f"DIR: found no {FILE_NAME} in {', '.join(map(str, folders))}, expected folders of studies")
    studies = boards.read(found)
    write(out, boards.files(studies))
    if index is not None:
        write(index.parent, {index.name: boards.index(studies)})
    print(f"board: {out / 'index.html'}")
