"""A measurement of speed as a table on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from labeleff.speed.document import HEADER, cold_rows, rows
from labeleff.speed.outcome import Found

PLAIN_WIDTH = 160
"""Columns where the output is no terminal."""


def show(found: Found) -> None:
    """Print what was timed, and the cold starts."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    speeds = Table(*HEADER, title=f"on {found.environment['device']}, {found.threads} thread(s)")
    for column in speeds.columns[2:]:
        column.justify = "right"
    for row in rows(found):
        speeds.add_row(*row)
    console.print(speeds)
    for encoder, starts, *_, stepped in cold_rows(found.cold):
        console.print(f"{encoder}: first step {stepped} s after the start of a process ({starts} starts)", markup=False)
