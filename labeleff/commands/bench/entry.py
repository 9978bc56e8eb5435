"""`labeleff bench`: options, checked before torch is imported."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from labeleff.commands.options.shared import DeviceOption, QuietOption


def bench(
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:OPTION=VALUE,...]",
            help="An encoder, e.g. resnet9:width=0.1875; may be repeated "
            "(default: mobilenet_v2, resnet9:width=0.1875, memnet).",
        ),
    ] = None,
    batch: Annotated[
        list[int] | None, typer.Option(help="Examples a step of training; may be repeated (default: as in 2021).")
    ] = None,
    pack: Annotated[
        list[int] | None,
        typer.Option(metavar="K", help="Cells trained side by side as one; may be repeated (default: 1)."),
    ] = None,
    device: DeviceOption = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    threads: Annotated[int, typer.Option(help="Threads on a CPU; studies use one a process.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Two short windows each: seconds, and rougher.")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.")] = Path("runs/bench"),
    quiet: QuietOption = False,
) -> None:
    """Time training, evaluation and reading on made data by the library's own code, beside the machine's peaks.

    Needs no data and no network. Exit status 1 where something couldn't be timed: the reason stands in the table.
    """
    from labeleff.commands.bench.request import request
    from labeleff.reporting.output_files import check_folder

    check_folder(out)
    checked = request(encoder or [], batch or [], pack or [], device, precision, threads, quick=quick)
    from labeleff.commands.bench.document import show
    from labeleff.commands.bench.runner import measure

    speeds = measure(checked, out, ["labeleff", *sys.argv[1:]], quiet=quiet)
    show(speeds)
    print(f"report: {out / 'bench.md'}")
    if any(outcome.reason is not None for outcome in speeds.outcomes):
        raise typer.Exit(1)
