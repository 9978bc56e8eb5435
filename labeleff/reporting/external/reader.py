"""Tables of results of any format and shape, read in three steps: grids of text, observations, scores.

Whatever is guessed is said in the notes; whatever is wrong, or may be read in two ways, is one error with its place.

Pairing: runs of different arms count as paired only where the file says so by a column draw. Without it every arm
gets draw numbers of its own (a run keeps its number over the arm's label counts), and a column seed isn't used for
pairing. With draws but without seeds, several runs of a draw get seed numbers of their own in every arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labeleff.reporting.external.formats.files import read_grids
from labeleff.reporting.external.measured import measured
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.runs_table import RunsTable
from labeleff.reporting.external.shapes.recognise import observations
from labeleff.stats.interval_level import LEVEL


def read_runs(
    paths: Sequence[Path], reading: Reading, *, level: float = LEVEL, chance: float | None = None
) -> RunsTable:
    """Read files together as one table.

    Intervals that a table gives have the probability `level`; `chance` is the value of guessing. Raises RunsError for
    whatever is wrong in a file or may be read in two ways, OptionError for options that fit nothing.
    """
    grids = read_grids(paths, reading)
    return measured(observations(grids, reading), reading, level=level, chance=chance)
