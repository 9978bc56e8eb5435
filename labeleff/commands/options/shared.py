"""Options that several commands share, and the list of failed cells."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeleff.errors import OptionError
from labeleff.execution.engines.engine_table import HELP

if TYPE_CHECKING:
    from labeleff.records.entries import Record
    from labeleff.study.schema import Study

SHOWN = 20
"""Most causes of failed cells that are listed."""

JobsOption = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes on CPU (default: one a core).")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:NUMBER, mps or xpu (these two untested).")]
PackOption = Annotated[
    str, typer.Option(metavar="K", help="Cells trained side by side as one; auto: 1 on CPU, what pays on a GPU.")
]
DataOption = Annotated[
    str | None,
    typer.Option("--data-dir", help="Folder of data sets (default: $LABELEFF_DATA, else the user's cache)."),
]
EngineOption = Annotated[str, typer.Option("--engine", metavar="NAME", help=HELP)]
RayAddressOption = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Join a Ray cluster: HOST:PORT, or auto (default: start one here)."),
]
GpuShareOption = Annotated[
    float | None, typer.Option(metavar="F", help="Part of a GPU that a job on Ray takes (default: all of it).")
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Never touch the network.")]
RetryOption = Annotated[bool, typer.Option("--retry-failed", help="Measure failed cells again.")]
TimeLimitOption = Annotated[
    str | None,
    typer.Option(
        "--time-limit",
        metavar="TIME",
        help="2h, 30m, 90s, 1h30m or seconds: measure what tells most a second first, stop in time, and report.",
    ),
]
HeadlineOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Open the verdict with U at N labels (default: the mean over the ladder)."),
]
TitleOption = Annotated[str | None, typer.Option(help="The report's title.")]
ChanceOption = Annotated[
    float | None, typer.Option(help="Value of guessing, in the metric's own units: 0.1; to flag what is near it.")
]
RunsArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="RUNS",
        help="Tables of results (CSV, xlsx, Parquet, JSON, Markdown, LaTeX, HTML, mlruns); each file's arms apart.",
        show_default=False,
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")]


def taking(parameter: str, of: Callable[..., object]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a command to have the options of `of`, whose result it gets, in place of its own `parameter`."""
    shared = inspect.signature(of).parameters

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(**values: object) -> None:
            given = of(**{name: values.pop(name) for name in shared})
            command(**values, **{parameter: given})

        own = [each for name, each in inspect.signature(command).parameters.items() if name != parameter]
        parameters = [*own, *shared.values()]
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {each.name: each.annotation for each in parameters}
        return called

    return decorate


def slots(pack: str) -> int | None:
    """Parse --pack: the number of cells side by side, None for auto. Raises OptionError for anything else."""
    if pack == "auto":
        return None
    if not pack.isdecimal() or int(pack) < 1:
        raise OptionError(f"--pack {pack!r}: expected auto, or a number of cells from 1 on")
    return int(pack)


def failure(study: Study, record: Record) -> str:
    """Describe a failed cell and its reason on one line."""
    cell = record.cell
    return f"{study.arm_of(cell)}, n={cell.n}, draw {cell.draw}, seed {cell.seed}: {record.reason}"


def list_failed(failures: Sequence[str]) -> None:
    """List the causes of failed cells on standard error, up to SHOWN and each with one cell, and say what to do."""
    print(f"{len(failures)} cells failed:", file=sys.stderr)
    cells: dict[str, list[str]] = {}
    for text in failures:
        cells.setdefault(text.partition(": ")[2], []).append(text)
    for first, *others in list(cells.values())[:SHOWN]:
        same = f" (and {len(others)} more for the same reason)" if others else ""
        print(f"  {first}{same}", file=sys.stderr)
    if len(cells) > SHOWN:
        print(f"  and {len(cells) - SHOWN} more causes (see the report)", file=sys.stderr)
    print("run the same command with --retry-failed to measure them again", file=sys.stderr)


StudyArgument = Annotated[
    str, typer.Argument(metavar="STUDY", help="A built-in study's name, or a path to a .toml file.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the study, e.g. --set rungs=[50,200]."),
]


def target_value(text: str) -> float:
    """Value of a target from text: `0.9`, `90`, and as a share `90%`. Raises OptionError for anything else."""
    from labeleff.reporting.forecast import options

    return options.targets([text])[0]


TargetOption = Annotated[
    list[float] | None,
    typer.Option(
        parser=target_value,
        metavar="ACCURACY",
        help="Say how many labels this accuracy takes: 0.9, 90% or 90; may be repeated.",
    ),
]
CostOption = Annotated[
    str | None,
    typer.Option(metavar="PRICE", help="Price of a label, to say what is saved: 0.35EUR, $0.05 or '2 hours'."),
]
UnitOption = Annotated[str | None, typer.Option(help="What a price without a unit is in, e.g. hours (default: USD).")]
