"""Tasks that nothing can be said of, left out of a table with others."""

from __future__ import annotations

from dataclasses import replace

from labeleff.reporting.external.grid import counted
from labeleff.reporting.external.runs_table import RunsTable

LEAST = 2
"""Least number of the baseline's label counts for a curve."""


def with_baseline_curves(table: RunsTable, baseline: str) -> RunsTable:
    """The table without tasks in which the baseline has no curve or no other arm, and a note that names them.

    The same table where no task would be left: then `RunsTable.against` says what is missing.
    """
    rungs = {task: len(table.groups.get((task, baseline), {})) for task in table.tasks}
    alone = {task for task in table.tasks if sum(of == task for of, _ in table.groups) < 2}
    aside = [task for task in table.tasks if rungs[task] < LEAST or task in alone]
    if not aside or len(aside) == len(rungs):
        return table
    why = ", ".join(f"{task} ({_reason(rungs[task])})" for task in aside)
    return replace(
        table,
        groups={key: runs for key, runs in table.groups.items() if key[0] not in aside},
        run_numbers={key: numbers for key, numbers in table.run_numbers.items() if key[0] not in aside},
        notes=(*table.notes, f"tasks set aside, as a curve needs {LEAST} label counts of {baseline!r}: {why}"),
    )


def _reason(count: int) -> str:
    if count >= LEAST:
        return "no other arm"
    return counted(count, "label count")
