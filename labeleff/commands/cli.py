"""The program `labeleff`: its commands and exit statuses.

Commands import torch only when they train. Their files have no `from __future__ import annotations`: typer would
evaluate every annotation from its text, which was a fifth of the time that `--help` takes.

Exit status: 0 all is well; 1 some cells or checks failed, or runs can't be compared; 2 a mistake in the call, or in a
file; 3 a regression; 4 a time limit left too little for any utility; 130 interrupted by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

import io
import sys
import warnings
from typing import Annotated, TextIO

import typer

from labeleff.commands.ask import ask
from labeleff.commands.bench.entry import bench
from labeleff.commands.check.entry import check
from labeleff.commands.compare import COMPARE, compare, history, noise
from labeleff.commands.embeddings import embeddings
from labeleff.commands.features import features
from labeleff.commands.forecast import forecast
from labeleff.commands.listing import list_plugins
from labeleff.commands.merge import merge_folders
from labeleff.commands.plan import plan
from labeleff.commands.report import board, report
from labeleff.commands.reproduce import entry as reproduce
from labeleff.commands.run import run
from labeleff.commands.show import data_app
from labeleff.commands.track.trackers import track
from labeleff.commands.utility import utility
from labeleff.errors import LabeleffError, LabeleffWarning, Terminated

_NAMES = {"merge_folders": "merge", "list_plugins": "list"}
app = typer.Typer(
    name="labeleff",
    help="How many labels is pretraining worth? Train a label ladder, fit its curve, report utility U(n) = n1/n - 1.",
    epilog="Exit status: 0 all is well, 1 some cells or checks failed, 2 usage or input error, 3 regression, "
    "4 a time limit left too little for any utility, "
    "130 interrupted by Ctrl-C, 143 by SIGTERM.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _version(value: bool) -> None:
    if value:
        from labeleff.files import VERSION

        print(f"labeleff {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    del version


for _command in (
    run,
    features,
    embeddings,
    merge_folders,
    plan,
    list_plugins,
    report,
    track,
    ask,
    utility,
    forecast,
    check,
    bench,
    compare,
    history,
    noise,
    board,
):
    app.command(_NAMES.get(_command.__name__), epilog=COMPARE if _command is compare else None)(_command)
app.add_typer(data_app, name="data")
app.add_typer(reproduce.app, name="reproduce")


_show_warning = warnings.showwarning


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning that is meant for users in one line, and any other as Python does."""
    if issubclass(category, LabeleffWarning):
        print(f"labeleff: {message}", file=sys.stderr)
    else:
        _show_warning(message, category, filename, lineno, file, line)


def main() -> None:
    """Run the command line: a user's mistake prints one or two lines and exits 2; a bug keeps its traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal can't show must not end the command
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = _warn
    try:
        app(standalone_mode=True)
    except LabeleffError as error:
        print(f"labeleff: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt as error:
        print(
            "labeleff: interrupted; what was finished is recorded, run the same command to go on",
            file=sys.stderr,
        )
        sys.exit(143 if isinstance(error, Terminated) else 130)
    except SystemExit as ending:
        # The pipe of `labeleff list | head` is closed once all that is wanted was shown; typer wraps stdout then.
        if ending.code == 1 and not isinstance(sys.stdout, io.TextIOBase):
            sys.exit(0)
        raise
