"""`labeleff reproduce`: its two experiments as commands.

Rebuilding a report never imports torch.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from labeleff.commands.options.shared import (
    DataOption,
    DeviceOption,
    JobsOption,
    OfflineOption,
    QuietOption,
    RetryOption,
    TimeLimitOption,
    list_failed,
)

app = typer.Typer(help="Repeat a published experiment and set every number beside its own.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Keeps the name of the experiment a word of its own."""


@app.command()
def report(
    size: Annotated[
        str, typer.Option(help="full (hours on two CPU cores), small (about 40 minutes), or smoke (a rehearsal).")
    ] = "small",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Output folder (default: runs/report-2021-SIZE, or --from's).")
    ] = None,
    rebuild: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="Measure nothing: rebuild the report of this folder.")
    ] = None,
    device: DeviceOption = "auto",
    jobs: JobsOption = None,
    data_dir: DataOption = None,
    offline: OfflineOption = False,
    retry_failed: RetryOption = False,
    time_limit: TimeLimitOption = None,
    quiet: QuietOption = False,
) -> None:
    """The course report of 2021 that labeleff grew out of: its rows as published, then the experiment done soundly."""
    from labeleff.commands.reproduce import report2021

    if rebuild is not None:
        print(f"report: {report2021.build(rebuild, out)}")
        return
    from labeleff.commands.reproduce import studies2021

    chosen = studies2021.size(size)
    folder = out or Path("runs") / f"report-2021-{size}"
    from labeleff.commands.reproduce.measure2021 import measure_both
    from labeleff.files import data_folder
    from labeleff.scheduling.queue import seconds_of
    from labeleff.scheduling.run_options import RunOptions

    options = RunOptions(
        folder=folder,
        jobs=jobs,
        device=device,
        data=data_folder(data_dir),
        offline=offline,
        retry_failed=retry_failed,
        quiet=quiet,
        time_limit=None if time_limit is None else seconds_of(time_limit),
    )
    failed = measure_both(chosen, options)
    print(f"report: {report2021.build(folder)}")
    if failed:
        list_failed(failed)
        raise typer.Exit(1)


@app.command()
def paper(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Folders of `labeleff run`, e.g. of pretexts, complexity, size."),
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the text to this file.")] = None,
) -> None:
    """The findings of Newell and Deng (CVPR 2020), each checked on the records of these folders; trains nothing.

    What has no records is passed over with a note, so that the folders of all reports can be named by `reports/*`.
    """
    from labeleff.commands.reproduce.paper import document
    from labeleff.errors import RecordError
    from labeleff.files import write_whole
    from labeleff.records.folders import FILE_NAME, measured

    kept, passed = measured(folders)
    if not kept:
        raise RecordError(f"found no {FILE_NAME} in {', '.join(map(str, folders))}, expected folders of `labeleff run`")
    if passed:
        names = ", ".join(folder.name for folder in passed)
        print(f"labeleff: passed over, without {FILE_NAME}: {names}", file=sys.stderr)
    text = document(kept)
    print(text)
    if out is not None:
        write_whole(out, text.encode())
