"""Noise floor: differences between runs of the same study on the same code.

All pairs of runs are compared. Differences are pooled over arms and places, by quantity and rung; a margin holds SHARE
of the differences between two runs of the same code, by Student's t for the number of runs. Runs with the same seeds on
the same machine often give the same scores to the last digit: then only speeds have noise.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy import special

from labeleff.comparison.amounts import limit
from labeleff.comparison.change import Change
from labeleff.comparison.matching import cells_text, study_changes
from labeleff.comparison.regression import Outcome, compare
from labeleff.errors import ConditionError, OptionError
from labeleff.reporting.csv_tables import columns, frame, to_csv
from labeleff.reporting.markdown import table
from labeleff.reporting.results import Results, load
from labeleff.stats.differences import FLAT
from labeleff.study.gate import Criteria
from labeleff.study.quantities import Quantity, quantity

SHARE = 0.95
"""Share of the differences between two runs that a margin holds."""


@dataclass(frozen=True)
class Floor:
    """Noise of one quantity at a rung, or over the ladder; for relative quantities of the ln of ratios."""

    metric: str
    n: int | None
    """Label count of the rung; None over the ladder."""
    numbers: int
    """Number of arms and places pooled."""
    rms: float
    """Root mean square of the differences between two runs."""
    largest: float
    margin: float
    """Half width within which SHARE of the differences lie; a share for relative quantities."""

    @property
    def quantity(self) -> Quantity:
        """Quantity with its direction and scale."""
        return quantity(self.metric)

    @property
    def name(self) -> str:
        """Name as in the table of margins: `accuracy@50`."""
        return self.metric if self.n is None else f"{self.metric}@{self.n}"

    @property
    def start(self) -> float:
        """Standard deviation of a single run."""
        return self.rms / math.sqrt(2)


@dataclass(frozen=True)
class NoiseFloor:
    """Noise floor from repeated runs of one study."""

    runs: int
    floors: list[Floor]
    alarms: int
    """Number of comparisons of two runs that the default gate would have failed."""
    compared: int
    """Number of comparisons of two runs."""
    unpaired: int = 0
    """Number of cells that one run of a comparison lacks, over all comparisons; they count nowhere."""


def noise_floor(folders: Sequence[Path]) -> NoiseFloor:
    """Compare all pairs of runs.

    Raises OptionError for fewer than two, the same one twice and different studies, ConditionError for unlike
    conditions.
    """
    if len(folders) < 2:
        raise OptionError(f"found {len(folders)} folder, expected two or more runs of the same study")
    places = [folder.resolve() for folder in folders]
    if (again := next((folder for folder in folders if places.count(folder.resolve()) > 1), None)) is not None:
        raise OptionError(f"found {again} {places.count(again.resolve())} times, expected every run once")
    sides = [load(folder) for folder in folders]
    for folder, side in zip(folders[1:], sides[1:], strict=True):
        differences = study_changes(sides[0], side)
        if differences:
            raise OptionError(
                f"{folder}: found another study than in {folders[0]} ({differences[0]}), expected the same"
            )
    outcomes = [_outcome(*pair) for pair in itertools.combinations(zip(folders, sides, strict=True), 2)]
    changes = [row.change for outcome in outcomes for row in outcome.rows]
    alarms = sum(outcome.overall == "regression" for outcome in outcomes)
    unpaired = sum(absence.cells for outcome in outcomes for absence in outcome.match.absences)
    return NoiseFloor(len(sides), list(_floors(changes, len(sides))), alarms, len(outcomes), unpaired)


def _outcome(base: tuple[Path, Results], new: tuple[Path, Results]) -> Outcome:
    outcome = compare(base[1], new[1], Criteria(), base[1].study.level)
    if outcome.match.refusals:
        what, old, fresh = outcome.match.refusals[0].unlike
        raise ConditionError(f"{new[0]}: found {what} {fresh}, expected {old} as in {base[0]}")
    return outcome


def _floors(changes: Sequence[Change], runs: int) -> Iterator[Floor]:
    """Floors by quantity, the ladder first; speeds of another machine and bounds are left out."""
    groups: dict[tuple[str, int | None], list[Change]] = {}
    for change in changes:
        if change.judged and not change.bounded:
            groups.setdefault((change.subject.metric, change.subject.n), []).append(change)
    for (metric, n), group in sorted(groups.items(), key=lambda item: item[0][1] or 0):
        yield _floor(metric, n, group, runs)


def _floor(metric: str, n: int | None, group: Sequence[Change], runs: int) -> Floor:
    what = quantity(metric)
    values = [math.log1p(change.difference) if what.relative else change.difference for change in group]
    numbers = len({change.subject for change in group})
    rms = math.sqrt(math.fsum(value**2 for value in values) / len(values))
    rms = 0.0 if rms < FLAT else rms
    independent = 1 if what.speed else numbers  # speeds of all arms share the state of the machine
    df = (runs - 1) * independent
    width = float(special.stdtrit(df, (1 + SHARE) / 2)) * rms
    margin = math.expm1(width) if what.relative else width
    return Floor(metric, n, numbers, rms, max(map(abs, values)), margin)


def gate_table(floor: NoiseFloor) -> str:
    """`[gate]` table in TOML with margins and the speeds' noise; quantities without noise keep their default margin."""
    lines = ["[gate]", 'fail_on = ["worse"]', "", "[gate.margins]"]
    lines += [f'"{item.name}" = {_amount(item.margin, item.quantity)}' for item in floor.floors if item.rms > 0]
    starts = [item for item in floor.floors if item.quantity.speed and item.rms > 0]
    lines += ["", "[gate.noise]", *(f'"{item.name}" = "{_up(100 * item.start)}%"' for item in starts)] if starts else []
    return "\n".join(lines) + "\n"


def _amount(number: float, what: Quantity) -> str:
    return f'"{_up(100 * number)}%"' if what.relative else _up(number)


def _up(number: float) -> str:
    """Format a number with two significant digits, rounded up, without an exponent."""
    digits = 1 - math.floor(math.log10(number))
    return f"{math.ceil(number * 10**digits) / 10**digits:.{max(digits, 0)}f}"


COLUMNS = columns("quantity n numbers relative rms largest margin usual_margin start_sd")
"""`rms`, `largest`: root mean square and maximum of the differences between two runs, of ln where `relative`;
`start_sd`: standard deviation of a run."""


def _cells(item: Floor) -> list[str]:
    what = item.quantity
    size = [limit(what, number).removeprefix("±") for number in (item.rms, item.largest)]
    margin = limit(what, item.margin) if item.rms else "none: the same to the last digit"
    return [f"`{item.name}`", str(item.numbers), *size, margin, limit(what, what.margin)]


def rows(floor: NoiseFloor) -> str:
    """Markdown table of the floors."""
    header = [
        "quantity",
        "numbers",
        "two runs differ by (rms)",
        "at most",
        f"{100 * SHARE:g} % lie within",
        "usual margin",
    ]
    return table(header, [_cells(item) for item in floor.floors])


def summary(floor: NoiseFloor) -> str:
    """Sentence with the numbers of runs and alarms."""
    return (
        f"{floor.runs} runs of the same study, {floor.compared} comparisons of two: "
        f"{floor.alarms} would have been called a regression"
        + (f"; {cells_text(floor.unpaired)} left out that one of the two lacks" if floor.unpaired else "")
    )


def document(floor: NoiseFloor, names: Sequence[str]) -> str:
    """Report in Markdown; `names` are the folders."""
    parts = [
        "# Noise floor",
        f"{summary(floor)}.",
        "\n".join(f"- `{name}`" for name in names),
        rows(floor),
        "Shares in points, other scores and utility in their own units, speeds in percent. Where two runs gave the "
        "same scores to the last digit, their seeds fix everything: noise between other seeds is what the "
        "spread over draws shows.",
        f"For the study:\n\n```toml\n{gate_table(floor)}```",
    ]
    return "\n\n".join(parts) + "\n"


def as_csv(floor: NoiseFloor) -> bytes:
    """CSV of one row per quantity and rung."""
    table_rows = [
        {
            "quantity": item.metric,
            "n": item.n,
            "numbers": item.numbers,
            "relative": item.quantity.relative,
            "rms": item.rms,
            "largest": item.largest,
            "margin": item.margin,
            "usual_margin": item.quantity.margin,
            "start_sd": item.start,
        }
        for item in floor.floors
    ]
    return to_csv(frame(table_rows, COLUMNS))
