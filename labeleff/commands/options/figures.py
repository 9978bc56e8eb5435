"""Options on how figures are drawn, which `report`, `utility` and `forecast` share."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labeleff.reporting.figures.look import Look

FiguresOption = Annotated[
    str | None,
    typer.Option(metavar="KINDS", help="Draw all figures, as png,svg,pdf; or none (default: one as png)."),
]
SizeOption = Annotated[
    str | None, typer.Option(metavar="WxH", help="Size of figures in inches, e.g. 3.5x2.6 (default: by content).")
]
FontSizeOption = Annotated[float | None, typer.Option(help="Size of most letters of figures in points (default: 10).")]
ArmsOption = Annotated[
    list[str] | None,
    typer.Option(metavar="A,B", help="Draw these arms alone, in this order; may be repeated."),
]
NameOption = Annotated[
    list[str] | None, typer.Option(metavar="ARM=NAME", help="What figures call an arm; may be repeated.")
]


def look_of(
    figures: FiguresOption = None,
    figure_size: SizeOption = None,
    font_size: FontSizeOption = None,
    arms: ArmsOption = None,
    name: NameOption = None,
) -> "Look":
    """What the command line says of figures. Raises OptionError or UnknownNameError naming the option."""
    from labeleff.reporting.figures.look import look

    return look(figures, figure_size, font_size, arms or [], name or [])


def paper_of(figures: FiguresOption = None, figure_size: SizeOption = None, font_size: FontSizeOption = None) -> "Look":
    """What the command line says of figures of one arm each. Raises as `look_of`."""
    return look_of(figures, figure_size, font_size)
