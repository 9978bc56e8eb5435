"""`labeleff data show`: a contact sheet of a task's images."""

from pathlib import Path
from typing import Annotated

import typer

from labeleff.commands.options.shared import DataOption, OfflineOption

data_app = typer.Typer(help="Look at data sets.", no_args_is_help=True)


@data_app.command("show")
def data_show(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task of images, or shapes for rendered ones.")],
    factors: Annotated[
        str | None, typer.Option(help="shapes: what varies: texture, colour, viewpoint, lighting; TCVL, -CV-, ...")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Pixels a side, where the task leaves it open.")] = None,
    objects: Annotated[int | None, typer.Option(help="shapes: objects an image, 1 or 4.")] = None,
    options: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other option of the task.")
    ] = None,
    split: Annotated[str, typer.Option(help="train, test or, for shapes, validation.")] = "train",
    columns: Annotated[int, typer.Option(min=1, max=100, help="Images a row.")] = 12,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The PNG (default: TASK.png).")] = None,
    data_dir: DataOption = None,
    offline: OfflineOption = False,
) -> None:
    """Write a contact sheet of a task's images, class by class or with their masks and depths, as PNG."""
    from labeleff.commands.contact_sheets import show
    from labeleff.files import data_folder
    from labeleff.study.overrides import nested_tables
    from labeleff.training.examples import Source

    values = nested_tables(options or []) | {
        key: value for key, value in (("factors", factors), ("size", size), ("objects", objects)) if value is not None
    }
    name = "-".join(
        [task.replace("/", "-"), *(str(values[key]) for key in ("factors", "size", "objects") if key in values)]
    )
    path = out or Path(f"{name}.png")
    print(show(task, values, split, columns, Source(data_folder(data_dir), offline), path))
    print(f"sheet: {path}")
