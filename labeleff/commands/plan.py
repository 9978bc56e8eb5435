"""`labeleff plan`: the cells and estimates of a study, before it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeleff.commands.options.shared import DataOption, DeviceOption, OfflineOption, SetOption, StudyArgument

if TYPE_CHECKING:
    from labeleff.records.run_estimate import Source
    from labeleff.scheduling.run_options import RunOptions
    from labeleff.study.schema import Study


def plan(
    study: StudyArgument,
    sets: SetOption = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes to estimate for.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Count what is already measured here (default: runs/STUDY)."),
    ] = None,
    export_draws: Annotated[
        Path | None,
        typer.Option(
            "--export-draws", help="Write the label indices of every draw and rung, and those selected in --out, here."
        ),
    ] = None,
    cells: Annotated[bool, typer.Option("--cells", help="List every single cell with its key.")] = False,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Time every kind of work here first, for about a minute.")
    ] = False,
    device: DeviceOption = "auto",
    price: Annotated[
        str | None, typer.Option(metavar="MONEY", help="Price of an hour of the machine, e.g. 2.5 or 2.5USD.")
    ] = None,
    data_dir: DataOption = None,
    offline: OfflineOption = False,
) -> None:
    """List what a study would measure, with counts and estimates of time, memory and cost; no result comes of it.

    What `run` would refuse is refused here: data, weights and extras that are missing, labels that can't be drawn.
    """
    from labeleff.commands.plan_tables import show_plan
    from labeleff.files import data_folder
    from labeleff.scheduling.run_options import RunOptions
    from labeleff.study.loading import folder_of, load_study
    from labeleff.study.prices import Price

    checked, priced = load_study(study, sets or []), None if price is None else Price.of(price)
    folder = out or Path("runs") / checked.name
    data, base, name = data_folder(data_dir), folder_of(study), None
    options = RunOptions(folder=folder, jobs=jobs, device=device, data=data, offline=offline, base=base)
    _check(checked, options, calibrate=calibrate)
    if calibrate:
        from labeleff.commands.calibrate.entry import calibrate as measure_speeds

        name = measure_speeds(checked, options, jobs or options.cores)
    show_plan(checked, folder, jobs, every_cell=cells, price=priced, device=name)
    if export_draws is not None:
        from labeleff.execution.given_labels.exported_lists import export
        from labeleff.records.jsonl import read_records

        export(checked, export_draws, data, offline, base, read_records(folder).cells)


def _check(study: "Study", options: "RunOptions", *, calibrate: bool) -> None:
    """Refuse what a run would refuse; torch is imported only where there is something to read or to build."""
    from labeleff.catalogue import downloads
    from labeleff.files import check_writable
    from labeleff.records.jsonl import check_free
    from labeleff.study.consistency import left_out

    arms = [arm for block in study.blocks for arm in block.arms]
    for arm in arms:
        arm.check_installed()
    if study.pretrainings:
        check_writable(options.cache)
    records = check_free(options.folder)
    tasks = [task for block in study.blocks for task in block.tasks]
    absent = [found for task in tasks if (found := downloads.missing(task, options.data)) is not None]
    built = any(task.options.get("size") != plugin.options.get("size") for task, plugin in study.declared_tasks)
    built = built or any("frozen" in arm.protocol.options or arm.pretext_plugin.loaded for arm in arms)
    built = built or any(block.fits_labels for block in study.blocks)
    if records.runs or built or _has_files(study) or (options.offline and absent) or options.device != "auto":
        from labeleff.execution.preparation.rehearsal import rehearse
        from labeleff.scheduling.speeds import Speed, remember

        source: Source = "calibrated" if calibrate else "remembered"
        rates = rehearse(study, options, records)
        remember(options.cache, {what: Speed(rate=rate, source=source) for what, rate in rates.items()})
    for note in (*left_out(study), *(found.note for found in absent)):
        print(f"note: {note}")


def _has_files(study: "Study") -> bool:
    """Whether a study names files of the user's, or plug-ins of other packages, that a run would read first."""
    from labeleff.catalogue import lookup

    specs = [*study.tasks, *study.encoders, *(arm.pretext for block in study.blocks for arm in block.arms)]
    specs += [spec for block in study.stories.values() for spec in (*block.tasks, *block.encoders)]
    if study.draws_from is not None or any(spec.options.get(key) for spec in specs for key in _FILES):
        return True
    return any(
        lookup.origin("pretext", arm.pretext.name) or lookup.origin("protocol", arm.protocol.name)
        for block in study.blocks
        for arm in block.arms
    )


_FILES = ("path", "files", "vectors")
"""Options that name files of the user's."""
