"""`labeleff embeddings`: a study of files of embeddings, written or measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from labeleff.commands.options.shared import DeviceOption, JobsOption, QuietOption, RetryOption, TimeLimitOption
from labeleff.errors import OptionError


def embeddings(
    files: Annotated[list[str], typer.Argument(metavar="NAME=FILE...", help="Embeddings, one file per encoder.")],
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Table id,label[,split][,group] (default: inside the files).")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="NAME", help="File that others are compared with (default: the first).")
    ] = None,
    protocols: Annotated[
        str | None, typer.Option(help="Frozen protocols, with commas (default: linear,knn; of values: ridge,knn).")
    ] = None,
    rungs: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Label counts (default: 1, 2, 5, 10, ... that fit).")
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Draws of labels.")] = 5,
    subset: Annotated[str, typer.Option(help="stratified, balanced, covering, random or prefix.")] = "stratified",
    draws_from: Annotated[
        str | None, typer.Option("--draws-from", metavar="PATH", help="Published subsets by id, taken as the draws.")
    ] = None,
    held_out: Annotated[
        int, typer.Option(min=0, help="Test items where labels have no split (0: a file's, or a fifth).")
    ] = 0,
    target: Annotated[str, typer.Option(help="auto, classes, several, ordinal or real.")] = "auto",
    drop: Annotated[bool, typer.Option("--drop", help="Leave out what doesn't join or isn't finite.")] = False,
    by_position: Annotated[
        bool, typer.Option("--by-position", help="Row i is the same item in every file without ids.")
    ] = False,
    ids: Annotated[
        str,
        typer.Option(metavar="COLUMN", help="Column of the ids in files and labels that have it, else by its name."),
    ] = "",
    write: Annotated[
        Path | None, typer.Option("--write", metavar="STUDY.toml", help="Write the study there and measure nothing.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Output folder (default: runs/embeddings).")] = None,
    jobs: JobsOption = None,
    device: DeviceOption = "auto",
    time_limit: TimeLimitOption = None,
    retry_failed: RetryOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure how many labels each encoder's embeddings save, and report; run again to go on where it stopped."""
    given: dict[str, Any] = {"files": ";".join(files), "labels": str(labels or ""), "target": target}
    given |= {"held_out": held_out, "drop": drop, "by_position": by_position, "ids": ids}
    counts = None if rungs is None else _counts(rungs)
    names = None if protocols is None else [name.strip() for name in protocols.split(",")]
    arguments = given, names, baseline, counts, draws, subset, "embeddings", draws_from, write is not None
    table = _table(arguments, jobs, device)
    if write is None:
        _measure(table, out, jobs=jobs, device=device, time_limit=time_limit, retry_failed=retry_failed, quiet=quiet)
    else:
        from labeleff.files import write_whole

        try:
            write_whole(write, toml(table).encode())
        except OSError as error:
            raise OptionError(f"--write {write}: can't be written: {error.strerror or error}") from error
        print(f"study: {write}; `labeleff plan {write}` and `labeleff run {write}` take it")


def _table(arguments: tuple[Any, ...], jobs: int | None, device: str) -> dict[str, Any]:
    """Build the study's tables, in a process of its own where this one is to hold no data."""
    from labeleff.execution.engines.desk import leaves_data
    from labeleff.execution.engines.processes import call_apart
    from labeleff.scheduling.job_seconds import available_cores

    if leaves_data(jobs, available_cores(), device):
        table: dict[str, Any] = call_apart("labeleff.commands.probe:study_table", *arguments)
        return table
    from labeleff.commands.probe import study_table

    return study_table(*arguments)


def _measure(table: Mapping[str, Any], out: Path | None, *, time_limit: str | None, **options: Any) -> None:
    """Measure a study, report on it and list failed cells; exit status 1 where there are any."""
    from labeleff.commands.run import _measure as measure_and_report
    from labeleff.files import data_folder
    from labeleff.scheduling.queue import seconds_of
    from labeleff.scheduling.run_options import RunOptions
    from labeleff.study.loading import parse_study

    study, seconds = parse_study(table, "labeleff embeddings"), None if time_limit is None else seconds_of(time_limit)
    folder = out or Path("runs") / study.name
    measure_and_report(study, RunOptions(folder=folder, data=data_folder(), time_limit=seconds, **options), [])


def _counts(text: str) -> list[int]:
    """Parse label counts; raises OptionError for what is no number."""
    parts = [part.strip() for part in text.split(",")]
    if wrong := [part for part in parts if not part.isdecimal()]:
        raise OptionError(f"--rungs: found {wrong[0]!r}, expected label counts with commas, as in 50,100,200")
    return [int(part) for part in parts]


def toml(study: Mapping[str, Any]) -> str:
    """Write a study's tables as TOML, one key per line and one arm per line."""
    lines = []
    for key, value in study.items():
        if key in {"arms", "tasks"}:
            lines += [f"{key} = [", *(f"  {_value(one)}," for one in value), "]"]
        else:
            lines.append(f"{key} = {_value(value)}")
    return "\n".join([*lines, ""])


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False)
