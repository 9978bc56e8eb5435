"""Tasks that nothing can be said of are named, not in the way."""

from __future__ import annotations

from labeleff.reporting.external.runs_table import RunsTable
from labeleff.reporting.external.tasks_aside import with_baseline_curves

CURVE = {10: {(0, 0): 0.5}, 20: {(0, 0): 0.6}}


def table(**tasks: dict[str, dict[int, dict[tuple[int, int], float]]]) -> RunsTable:
    groups = {(task, arm): runs for task, arms in tasks.items() for arm, runs in arms.items()}
    return RunsTable("t.csv", groups, "fraction", (), (), "")


def test_tasks_without_a_curve_are_set_aside() -> None:
    one = {10: CURVE[10]}
    found = with_baseline_curves(
        table(a={"s": CURVE, "x": one}, b={"s": one, "x": one}, c={"x": one, "y": one}, d={"s": CURVE}), "s"
    )
    assert found.tasks == ["a"]
    aside = "b (1 label count), c (0 label counts), d (no other arm)"
    assert found.notes == (f"tasks set aside, as a curve needs 2 label counts of 's': {aside}",)


def test_a_table_of_which_nothing_would_be_left_is_as_it_was() -> None:
    for whole in (table(a={"s": CURVE, "x": CURVE}), table(a={"s": {10: CURVE[10]}, "x": CURVE})):
        assert with_baseline_curves(whole, "s") is whole
