"""`labeleff reproduce`: published experiments again. What only rebuilds a report never imports torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Repeat a published experiment and set every number beside its own.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Keeps the name of the experiment a word of its own."""


@app.command()
def report(
    size: Annotated[
        str, typer.Option(help="full (a GPU), small (two CPU cores, about 40 minutes), or smoke (a rehearsal).")
    ] = "small",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Output folder (default: runs/report-2021-SIZE).")
    ] = None,
    rebuild: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="Measure nothing: rebuild the report of this folder.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:NUMBER.")] = "auto",
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes on CPU (default: one a core).")
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option("--data-dir", help="Folder of data sets (default: $LABELEFF_DATA, else the user's cache)."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Measure failed cells again.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")] = False,
) -> None:
    """The course report of 2021 that labeleff grew out of: its rows as published, then the experiment done soundly."""
    from labeleff.reproduce import document

    if rebuild is not None:
        print(f"report: {document.build(rebuild)}")
        return
    from labeleff.reproduce import studies

    chosen = studies.size(size)
    folder = out or Path("runs") / f"report-2021-{size}"
    from labeleff.estimate import available_cores
    from labeleff.launch import Options
    from labeleff.places import cache_folder, data_folder
    from labeleff.reproduce.measuring import measure_both

    options = Options(
        folder=folder,
        command=["labeleff", *sys.argv[1:]],
        jobs=jobs,
        cores=available_cores(),
        device=device,
        data=data_folder(data_dir),
        cache=cache_folder(),
        offline=offline,
        retry_failed=retry_failed,
        quiet=quiet,
    )
    failed = measure_both(chosen, options)
    print(f"report: {document.build(folder)}")
    if failed:
        print(f"{len(failed)} cells failed:", *(f"  {text}" for text in failed[:20]), sep="\n", file=sys.stderr)
        print("run the same command with --retry-failed to measure them again", file=sys.stderr)
        raise typer.Exit(1)


@app.command()
def paper(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Folders of `labeleff run`, e.g. of pretexts, complexity, size."),
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the text to this file.")] = None,
) -> None:
    """The findings of Newell and Deng (CVPR 2020), each checked on the records of these folders; trains nothing."""
    from labeleff.files import write_whole
    from labeleff.reproduce.paper import document

    text = document(folders)
    print(text)
    if out is not None:
        write_whole(out, text.encode())
