"""What one run of an arm is charged: its pretraining, its cell, and the selections that its labels rest on."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from labeleff.records.entries import Record
from labeleff.reporting.effort.selected_labels import seconds_below
from labeleff.reporting.measurements import Place
from labeleff.reporting.results import Results

HOUR = 3600.0


class Charge(NamedTuple):
    """Mean seconds over the finished runs of an arm at a rung, on one process or GPU, trials of tuning included."""

    pretraining: float
    """All of the pretraining that a run starts from; 0 from scratch."""
    cell: float
    selection: float
    """Rungs below a cell with selected labels: training, scoring the pool, choosing; 0 for labels of the draw."""

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.pretraining + self.cell + self.selection


def charges(results: Results, place: Place, arm: str) -> Mapping[int, Charge]:
    """Charges of an arm by label count; rungs whose time isn't recorded whole are left out."""
    records = results.at(place, arm)
    below, found = seconds_below(records), {}
    for n in sorted({record.cell.n for record in records}):
        cells = [record for record in records if record.cell.n == n and record.status == "ok"]
        seconds = [cell.seconds for cell in cells if cell.seconds is not None]
        before = _pretraining_seconds(results, cells)
        selecting = [below[cell.key] for cell in cells if cell.key in below]
        if before is not None and seconds and len(selecting) == len(cells):
            charge = Charge(before, statistics.fmean(seconds), statistics.fmean(selecting))
            if charge.seconds > 0:
                found[n] = charge
    return found


def _pretraining_seconds(results: Results, cells: Sequence[Record]) -> float | None:
    """Mean seconds of the cells' pretrainings, 0 for cells from scratch; None where one isn't recorded."""
    by_key = {key: item for key, item in results.encoders.items() if item.status == "ok"}
    pretrainings = [by_key.get(cell.pretraining) for cell in cells if cell.pretraining is not None]
    if not cells or None in pretrainings:
        return None
    seconds = [item.seconds for item in pretrainings if item is not None and item.seconds is not None]
    return sum(seconds) / len(cells)
