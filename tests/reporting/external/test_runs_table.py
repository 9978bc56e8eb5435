"""A table of runs as measured accuracies, and the choice of its baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.grids import parse_runs
from support.malformed_tables import ROWS, table, with_column

from labeleff.catalogue.metrics import Metric
from labeleff.errors import OptionError, RunsError
from labeleff.reporting.external.external_report import BASELINES, choose_baseline, view
from labeleff.reporting.external.options import Options
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.runs_table import RunsTable
from labeleff.reporting.measurements import Measurements, Place, Setting


def seen(content: str, **changes: Any) -> Measurements:
    options = Options(**{"path": Path("some/runs.csv"), "out": Path("out"), "command": [], **changes})
    return view(parse_runs(content.encode(), "runs.csv", options.reading), "scratch", options)


def renamed(*names: str) -> str:
    return table([[name, n, "0", "0.5"] for name in names for n in ("1", "2")])


def test_a_table_without_tasks_is_one_place() -> None:
    measured = seen(table(), chance=0.1, test_count=500, reading=Reading(metric="top-1"), level=0.8, method="log")
    metric = Metric("top-1", "top-1", "top-1 values", of_examples=True)
    assert measured.settings == {Place(None): Setting("runs", (100, 200, 400), "top-1", 0.1, 500, entry=metric)}
    assert (measured.arms, measured.baseline) == (("scratch", "rotation"), "scratch")
    assert (measured.level, measured.method, measured.planned_runs, measured.shared) == (0.8, "log", None, ())
    assert measured.design == "2 runs a rung, independent between arms"
    assert seen(table(), title="Mine").settings[Place(None)].title == "Mine"


def test_tasks_have_their_own_rungs_and_arms() -> None:
    header, *rows = with_column("task", ["a"] * 10)
    more = [["scratch", n, "0", "0.5", "b"] for n in ("7", "9")] + [["rotation", "9", "0", "0.6", "b"]]
    measured = seen(table([*rows, *more, ["third", "8", "0", "0.5", "b"]], header), title="Mine")
    assert [setting.title for setting in measured.settings.values()] == ["a", "b"]
    assert [setting.rungs for setting in measured.settings.values()] == [(100, 200, 400), (7, 8, 9)]
    assert [measured.arms_at(place) for place in measured.places] == [
        ["scratch", "rotation"],
        ["scratch", "rotation", "third"],
    ]
    assert measured.design == "1 to 2 runs a rung, independent between arms"


def test_pairing_is_said() -> None:
    header, *rows = with_column("draw", [row[2] for row in ROWS])
    assert seen(table(rows, header)).design == "2 runs a rung, paired by draw"
    rows = [[*row, row[2]] for row in rows]
    measured = seen(table(rows, [*header, "seed"]))
    assert (measured.design, measured.shared) == ("2 runs a rung, paired by draw and seed", ("draw", "seed"))


def test_what_utility_needs_is_checked() -> None:
    with pytest.raises(RunsError, match="expected at least two for a curve"):
        seen(table(ROWS[4:]))


@pytest.mark.parametrize("name", [*BASELINES, "Scratch", "FROM_SCRATCH", "from-scratch"])
def test_a_baseline_is_known_by_its_name(name: str) -> None:
    read = parse_runs(renamed("rotation", name).encode(), "runs.csv")
    assert choose_baseline(read, None) == (name, f"the baseline is {name!r}, by its name")
    assert choose_baseline(read, "rotation") == ("rotation", "the baseline is 'rotation', as given")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "b"), "--baseline isn't given and no arm is named like one .*, expected one of the arms 'a', 'b'$"),
        (("scratch", "x", "baseline"), "--baseline isn't given and 'scratch', 'baseline' are named like one, expected"),
        (tuple(f"m{i}" for i in range(99)), "'m10', 'm11' and 87 more$"),
    ],
)
def test_a_baseline_that_isnt_clear_is_asked_for(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        choose_baseline(parse_runs(renamed(*names).encode(), "runs.csv"), None)


CURVE = {10: {(0, 0): 0.5}, 20: {(0, 0): 0.6}}


def of_tasks(**tasks: dict[str, dict[int, dict[tuple[int, int], float]]]) -> RunsTable:
    groups = {(task, arm): runs for task, arms in tasks.items() for arm, runs in arms.items()}
    return RunsTable("t.csv", groups, "fraction", (), (), "")


def test_tasks_without_a_curve_are_set_aside() -> None:
    one = {10: CURVE[10]}
    found = of_tasks(
        a={"s": CURVE, "x": one}, b={"s": one, "x": one}, c={"x": one, "y": one}, d={"s": CURVE}
    ).with_baseline_curves("s")
    assert found.tasks == ["a"]
    aside = "b (1 label count), c (0 label counts), d (no other arm)"
    assert found.notes == (f"tasks set aside, as a curve needs 2 label counts of 's': {aside}",)


def test_a_table_of_which_nothing_would_be_left_is_as_it_was() -> None:
    for whole in (of_tasks(a={"s": CURVE, "x": CURVE}), of_tasks(a={"s": {10: CURVE[10]}, "x": CURVE})):
        assert whole.with_baseline_curves("s") is whole
