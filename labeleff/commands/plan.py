"""`labeleff plan`: the cells and estimates of a study, before it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeleff.commands.options import DataOption, DeviceOption, OfflineOption, SetOption, StudyArgument

if TYPE_CHECKING:
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
        typer.Option("--export-draws", help="Write the label indices of every draw and rung here."),
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
    from labeleff.scheduling.job_seconds import available_cores
    from labeleff.study.loading import folder_of, load_study
    from labeleff.study.prices import Price

    checked, priced = load_study(study, sets or []), None if price is None else Price.of(price)
    processes, name = jobs or available_cores(), None
    folder = out or Path("runs") / checked.name
    _check(checked, folder, data_dir, offline, folder_of(study))
    if calibrate:
        from labeleff.commands.calibrate.entry import calibrate as measure_speeds

        name = measure_speeds(checked, device, processes)
    show_plan(checked, folder, processes, every_cell=cells, price=priced, device=name)
    if export_draws is not None:
        from labeleff.execution.launch import export
        from labeleff.files import data_folder

        export(checked, export_draws, data_folder(data_dir), offline, folder_of(study))


def _check(study: "Study", folder: Path, data: str | None, offline: bool, base: Path) -> None:
    """Refuse what a run would refuse; torch is imported only where there are data or weights to be read."""
    from labeleff.catalogue import lookup

    for arm in (arm for block in study.blocks for arm in block.arms):
        lookup.check_installed("pretext", arm.pretext.name)
        lookup.check_installed("protocol", arm.protocol.name)
    read = [*study.tasks, *(arm.pretext for block in study.blocks for arm in block.arms)]
    if study.draws_from is not None or any(spec.options.get("path") for spec in read):
        from labeleff.execution.rehearsal import rehearse
        from labeleff.files import data_folder
        from labeleff.scheduling.run_options import RunOptions

        rehearse(study, RunOptions(folder=folder, data=data_folder(data), offline=offline, base=base))
