"""`labeleff merge`: several folders of one study made one."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeleff.commands.report import build_and_print
from labeleff.errors import RecordError

if TYPE_CHECKING:
    from labeleff.records.merge import MergedRecords
    from labeleff.reporting.results import Results


def merge_folders(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of one study: shards, machines.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder; what is there is merged too.")],
) -> None:
    """Put records of one study together and report on them; unlike conditions and conflicting numbers are refused.

    Exit status 1 where cells are missing or failed: what to do about them is said.
    """

    counts, *lacks = merge_into(folders, out)
    print(counts)
    build_and_print(out)
    for text in lacks:
        print(text, file=sys.stderr)
    if lacks:
        raise typer.Exit(1)


def merge_into(folders: Sequence[Path], out: Path) -> list[str]:
    """Merge folders, and what `out` has already, into `out`, whole or not at all; returns lines to print.

    Raises RecordError and ConditionError as `records.merge.merge` does, and RecordError where `out` can't be
    written or a run uses it.
    """
    from labeleff.files import write_whole
    from labeleff.records.entries import RunEntry
    from labeleff.records.folders import FILE_NAME
    from labeleff.records.jsonl import line, open_records
    from labeleff.records.merge import merge, read_source, whole_command
    from labeleff.reporting.results import load

    places = list({folder.resolve(): folder for folder in folders}.values())
    sources = [read_source(folder) for folder in places]
    merged = merge(sources)  # errors are raised before a folder is made
    with open_records(out) as (records, _):
        if records.runs and out.resolve() not in {folder.resolve() for folder in places}:
            sources = [read_source(out), *sources]
            merged = merge(sources)
        try:
            _copy_models(merged, out)
            write_whole(out / FILE_NAME, b"".join(map(line, merged.entries)))
        except OSError as error:
            raise RecordError(f"{error.filename}: can't be written: {error.strerror}; nothing was merged") from error
    torn = [f"{s.path}: a torn last line was left out; that run was killed, or still writes" for s in sources if s.torn]
    runs = [entry for entry in merged.entries if isinstance(entry, RunEntry)]
    return [_counts(merged, len(sources)), *torn, *_lacks(load(out), whole_command(runs, out))]


def _copy_models(merged: "MergedRecords", out: Path) -> None:
    from labeleff.files import write_whole
    from labeleff.records.jsonl import reader_path

    for key, home in merged.homes.items():
        model = reader_path(home, key)
        if home.resolve() != out.resolve() and model.is_file():
            write_whole(reader_path(out, key), model.read_bytes())


def _counts(merged: "MergedRecords", folders: int) -> str:
    repeated = f"; {merged.repeated} were there more than once, with the same numbers" if merged.repeated else ""
    return f"{len(merged.homes)} cells from {folders} folders{repeated}"


def _lacks(results: "Results", command: Sequence[str]) -> list[str]:
    """Count missing and failed cells of the study, each with the command that measures them."""
    import shlex

    missing = results.cell_count - len(results.cells)
    failed = sum(record.status == "failed" for record in results.cells)
    texts = []
    if missing:
        texts.append(f"{missing} of {results.cell_count} cells are missing; measure them: {shlex.join(command)}")
    if failed:
        again = shlex.join([*command, "--retry-failed"])
        texts.append(f"{failed} of {results.cell_count} cells failed; measure them again: {again}")
    return texts
