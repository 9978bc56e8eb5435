"""`labeleff check`: options and exit status."""

from typing import Annotated

import typer

from labeleff.commands.options.shared import DataOption, OfflineOption


def check(
    plugin: Annotated[str, typer.Argument(metavar="NAME", help="A plug-in's name, FILE.py, MODULE, or MODULE:OBJECT.")],
    kind: Annotated[str | None, typer.Option(help="task, encoder, pretext or protocol, where it isn't clear.")] = None,
    options: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the plug-in.")
    ] = None,
    data_dir: DataOption = None,
    offline: OfflineOption = False,
) -> None:
    """Run a plug-in on small made images and say, check by check, whether it keeps its contract."""
    from labeleff.catalogue.entry_points import kind_called
    from labeleff.files import data_folder
    from labeleff.study.overrides import nested_tables

    checked_kind, values = kind_called(kind), nested_tables(options or [])
    from labeleff.commands.check.runner import run_checks
    from labeleff.training.examples import Source

    if not run_checks(plugin, checked_kind, values, Source(data_folder(data_dir), offline)):
        raise typer.Exit(1)
