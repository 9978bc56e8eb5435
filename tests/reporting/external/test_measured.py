"""From cells to scores: scale, direction, range and means of whole tables."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from labeleff.errors import LabeleffError, OptionError, RunsError
from labeleff.reporting.external.measured import measured
from labeleff.reporting.external.observations import Observation, Observed
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.runs_table import RunsTable
from labeleff.stats.stand_ins import FIRST, StandIns

NS = (50, 100, 200)
RISING = {"scratch": ("61.7", "70.0", "75.9"), "ssl": ("70.1", "76.2", "80.3")}
FALLING = {"scratch": ("38.3", "30.0", "24.1"), "ssl": ("29.9", "23.8", "19.7")}
LOSSES = {"scratch": ("2.30", "1.70", "1.41"), "ssl": ("1.90", "1.38", "1.19")}
MEANS = {arm: tuple(f"{cell}±0.8" for cell in cells) for arm, cells in RISING.items()}


def observed(arms: dict[str, Sequence[str]], name: str = "acc", **more: Any) -> Observed:
    rows = [
        Observation("t.csv", f"line {line}", name, None, arm, n, 0, None, None, cell)
        for line, ((arm, cells), at) in enumerate(itertools.product(arms.items(), range(3)), start=2)
        for n, cell in [(NS[at], cells[at])]
    ]
    return Observed(rows, (), name, **{"draws": False, "seeds": False, **more})


def read(arms: dict[str, Sequence[str]], name: str = "acc", chance: float | None = None, **how: Any) -> RunsTable:
    return measured(observed(arms, name), Reading(**how), chance=chance)


def scores(table: RunsTable, arm: str = "scratch") -> list[float]:
    return [value for rung in table.groups[None, arm].values() for value in rung.values()]


def test_percent_and_shares() -> None:
    table = read(RISING)
    assert scores(table) == [0.617, 0.7, 0.759]
    assert (table.scale, table.metric.name, table.units.lower) == ("percent", "accuracy", False)
    shares = read({arm: [str(float(cell) / 100) for cell in cells] for arm, cells in RISING.items()})
    assert (scores(shares), shares.scale) == (scores(table), "fraction")
    assert "accuracies are in percent: all are 0 or over 1" in table.notes


def test_errors_have_exactly_the_scores_of_their_accuracies() -> None:
    table = read(FALLING, "test_error", lower_is_better=True)
    assert scores(table) == scores(read(RISING))
    assert (table.metric.name, table.units.worst, table.units.best) == ("error", 1.0, 0.0)
    many = [f"{error / 1000:.3f}" for error in range(1, 1000)]
    for cell in many:
        pair = {"a": (cell, cell, cell)}
        there = {"a": (f"{1 - float(cell):.3f}",) * 3}
        assert scores(read(pair, "error", lower_is_better=True), "a") == scores(read(there, lower_is_better=False), "a")


LOWER = ["error", "top1_err", "val_loss", "WER", "rmse", "mae", "perplexity", "nll", "FID", "misclassification", "bpc"]


@pytest.mark.parametrize("name", [*LOWER, "top1err", "top5error", "errrate", "err1", "1-acc", "1 - accuracy", "1 - F1"])
def test_a_name_of_which_less_is_better_asks_for_the_direction(name: str) -> None:
    with pytest.raises(RunsError, match=rf"t\.csv, column '{name}': found an? .* by this name.*--lower-is-better, or"):
        read(FALLING, name)
    with pytest.raises(RunsError, match=r"--metric-name: found an? .* by this name"):
        read(FALLING, "acc", metric=name)
    assert read(FALLING, name, lower_is_better=False).units.lower is False


def test_a_table_in_which_every_arm_gets_worse_asks_for_the_direction() -> None:
    for how in ({}, {"metric": "accuracy"}):
        with pytest.raises(RunsError, match=r"t\.csv: found values that get worse with more labels in every arm"):
            read(FALLING, "value", **how)
    insisted = read(FALLING, "value", lower_is_better=False)
    assert "every arm gets worse with more labels, as more is taken for better" in insisted.notes
    assert read({**FALLING, "ssl": RISING["ssl"]}, "value").units.lower is False
    noisy = {"scratch": ("61.7", "59.8", "61.2"), "ssl": ("62.1", "63.3", "61.9")}
    assert read(noisy, "value").units.lower is False


def test_a_baseline_that_gets_clearly_worse_asks_for_the_direction() -> None:
    worse = {"scratch": ("38.3", "30.0", "24.1"), "ssl": ("19.9", "20.8", "21.7")}
    again = observed({arm: [str(float(cell) + 0.4) for cell in cells] for arm, cells in worse.items()}, "value")
    both = [*observed(worse, "value").rows, *(replace(row, run=1) for row in again.rows)]
    found = replace(again, rows=both)
    with pytest.raises(RunsError, match=r"t\.csv, line 2, column 'value': found .* in the baseline 'scratch', if more"):
        measured(found, Reading())
    insisted = measured(found, Reading(lower_is_better=False)).notes
    assert "the baseline 'scratch' gets worse with more labels, as more is taken for better" in insisted
    named = replace(found, rows=[replace(row, arm="mine" if row.arm == "scratch" else row.arm) for row in both])
    with pytest.raises(RunsError, match="in the baseline 'mine', if"):
        measured(named, Reading(baseline="mine"))
    assert measured(named, Reading()).units.lower is False
    unsteady = {"scratch": ("41.0", "55.0", "35.0"), "ssl": worse["ssl"]}  # far from a line, however close runs are
    near = [replace(row, run=run) for row in observed(unsteady, "value").rows for run in range(3)]
    assert measured(replace(found, rows=near), Reading()).units.lower is False


def test_equal_runs_of_a_baseline_are_no_certainty() -> None:
    """Two runs on a test set of 20 examples that came out the same, one example lower at more labels."""

    def trend(*cells: str) -> str:
        rows = observed({"scratch": cells, "ssl": ("0.60", "0.65", "0.75")}, "value").rows
        twice = [replace(row, run=run) for row in rows for run in range(2)]
        return " ".join(measured(replace(observed({}, "value"), rows=twice), Reading(lower_is_better=False)).notes)

    assert "gets worse" not in trend("0.60", "0.55", "0.50")
    assert "the baseline 'scratch' gets worse" in trend("0.90", "0.55", "0.20")


def test_the_other_direction_is_checked_too() -> None:
    with pytest.raises(OptionError, match="--lower-is-better: found an accuracy by its name"):
        read(FALLING, "acc", lower_is_better=True)
    assert read(FALLING, "acc", lower_is_better=True, metric="error").metric.name == "error"
    table = read(RISING, "value", lower_is_better=True)
    assert "every arm gets worse with more labels, as less is taken for better" in table.notes


def test_losses_have_a_worst_value_from_the_table() -> None:
    table = read(LOSSES, "val_loss", lower_is_better=True)
    assert (table.units.best, table.units.worst, table.units.percent) == (0.0, 2.6, False)
    assert all(math.isclose(a, 1 - b / 2.6) for a, b in zip(scores(table), (2.3, 1.7, 1.41), strict=True))
    assert "losses have no worst value: 2.6 stands for it, a little over the worst of the table" in table.notes
    assert read(LOSSES, "loss", lower_is_better=True, best=1.0).units.best == 1.0
    assert read(LOSSES, "loss", lower_is_better=True, chance=6.9).units.worst == 7.6
    assert read(LOSSES, "perplexity", lower_is_better=True).units.best == 1.0
    with pytest.raises(OptionError, match=r"--best: found 1\.5 beside the value 1\.19, which is better"):
        read(LOSSES, "loss", lower_is_better=True, best=1.5)


@pytest.mark.parametrize(("worst", "told"), [("6.8", False), ("7.0", True), ("1e5", True)])
def test_an_arm_that_stretches_the_range_is_named(worst: str, told: bool) -> None:
    table = read({**LOSSES, "odd": (worst, "3.0", "2.0")}, "loss", lower_is_better=True)
    value = f"{float(worst):g}"
    text = f"'odd' is as bad as {value}, over 3 times as far from a perfect loss as 'scratch' ever is (2.3)"
    assert any(text in note for note in table.notes) == told
    unknown = read(
        {"a": LOSSES["ssl"], "b": LOSSES["scratch"], "odd": (worst, "3.0", "2.0")}, "loss", lower_is_better=True
    )
    assert any(text.replace("scratch", "b") in note for note in unknown.notes) == told
    fixed = read({"scratch": ("0.3", "0.2", "0.1"), "odd": ("1.0", "0.9", "0.9")}, "error", lower_is_better=True)
    assert not any("as bad as" in note for note in fixed.notes)


def test_a_task_that_stretches_the_range_of_another_is_named() -> None:
    rows = [
        replace(row, task=task, value=f"{factor * float(row.value):g}")
        for task, factor in (("near", 1), ("far", 30))
        for row in observed(LOSSES, "loss").rows
    ]
    [note] = [
        note
        for note in measured(replace(observed({}, "loss"), rows=rows), Reading(lower_is_better=True)).notes
        if "as bad as" in note
    ]
    assert note.startswith(
        "'scratch' on far is as bad as 69, over 3 times as far from a perfect loss as 'scratch' on near"
    )


def test_other_ranges() -> None:
    kappa = read({"a": ("-0.1", "0.4", "0.6"), "b": ("0.1", "0.5", "0.7")}, "kappa")
    assert (kappa.units.worst, kappa.units.best, kappa.units.percent, kappa.metric.chance) == (-1.0, 1.0, False, 0.0)
    assert math.isclose(scores(kappa, "a")[0], 0.45)
    r2 = read({"a": ("-0.5", "0.4", "0.6"), "b": ("0.1", "0.5", "0.7")}, "R2")
    assert (r2.units.worst, r2.units.best) == (-0.7, 1.0)
    auroc = read(RISING, "AUROC")
    assert (auroc.metric.chance, auroc.metric.of_examples, auroc.units.percent) == (0.5, False, True)
    wer = read({"a": ("1.3", "0.9", "0.6"), "b": ("1.1", "0.8", "0.5")}, "wer", lower_is_better=True, scale="fraction")
    assert (wer.units.worst, wer.units.best, wer.units.percent) == (1.5, 0.0, True)
    unknown = read({"a": ("130", "90", "60"), "b": ("110", "80", "50")}, "distance", lower_is_better=True)
    assert (unknown.metric.words, unknown.units.percent, unknown.units.worst) == ("distance", False, 150.0)
    few = read({"a": ("0.9", "0.6", "0.3"), "b": ("0.8", "0.5", "0.2")}, "distance", lower_is_better=True)
    assert (few.units.worst, few.units.percent) == (1.0, True)
    assert read(FALLING, "value", lower_is_better=True).metric.name == "error"
    assert read(RISING, "acc", metric="my top-1").metric.words == "my top-1"
    assert read(RISING, "acc", best=0.95).units.best == 0.95
    assert read(RISING, "acc", best=95).units.best == 0.95


def test_a_percent_sign_decides() -> None:
    table = read({"a": ("0.4%", "0.9%", "1.2%"), "b": ("0.5%", "1.0%", "1.3%")})
    assert (table.scale, scores(table, "a")[0]) == ("percent", 0.004)
    assert "accuracies are in percent, by their sign" in table.notes
    for cells, message in (
        (("0.4%", "0.9", "1.2%"), "line 3, column 'acc': found '0.9' beside '0.4%' in line 2"),
        (("0.4", "0.9", "1.2"), "line 4, column 'acc': found '1.2' beside '0.4' in line 2"),
        (("61.7", "170.0", "75"), "line 3, column 'acc': found '170.0', expected an accuracy in 0..1, or in 0..100"),
        (("61.7", "-3", "75"), "line 3, column 'acc': found '-3', expected an accuracy"),
    ):
        with pytest.raises(RunsError, match=message.replace("..", r"\.\.")):
            read({"a": cells})
    with pytest.raises(RunsError, match="as the scale given says"):
        read(RISING, scale="fraction")


def test_percent_in_the_name_of_a_column_decides() -> None:
    cells = {"a": ("1.02", "0.63", "0.41"), "b": ("0.75", "0.52", "0.38")}

    def named(arms: dict[str, Sequence[str]], name: str, **how: Any) -> RunsTable:
        found = observed(arms, name)
        return measured(replace(found, rows=[replace(row, percent=True) for row in found.rows]), Reading(**how))

    table = named(cells, "error (%)", lower_is_better=True)
    assert (table.scale, [round(score, 6) for score in scores(table, "a")]) == ("percent", [0.9898, 0.9937, 0.9959])
    assert "errors are in percent, by the name 'error (%)'" in table.notes
    under = {"a": ("0.92", "0.63", "0.41"), "b": cells["b"]}
    assert named(under, "error (%)", lower_is_better=True).scale == "percent"
    assert named(under, "error (%)", lower_is_better=True, scale="percent").scale == "percent"
    with pytest.raises(RunsError, match=r"found 'error \(%\)', which says percent, beside the scale fraction"):
        named(under, "error (%)", lower_is_better=True, scale="fraction")
    assert named(RISING, "acc (%)").scale == "percent"
    shares = {arm: [f"0.{cell.replace('.', '')}" for cell in each] for arm, each in RISING.items()}
    with pytest.raises(RunsError, match=r"no value over 1 below 'acc \(%\)', .* give --scale percent or fraction"):
        named(shares, "acc (%)")
    assert scores(named(shares, "acc (%)", scale="fraction")) == scores(read(RISING))
    assert named(LOSSES, "MAPE (%)", lower_is_better=True).scale == "fraction"
    wer = named({"a": ("110", "80", "50"), "b": ("60", "45", "0.9")}, "WER (%)", lower_is_better=True)
    assert (wer.scale, wer.units.worst) == ("percent", 1.3)


def test_decimal_commas_hold_for_a_column() -> None:
    assert scores(read({"a": ("61,7", "70,0", "75,9±0,8")}, runs=3), "a")[:2] == [0.617, 0.7]
    with pytest.raises(RunsError, match=r"found '1,234', expected one reading, as it may be 1\.234 or 1234"):
        read({"a": ("1,234", "1,100", "1,003")}, "loss", lower_is_better=True)


def test_options_on_spreads_where_there_are_none() -> None:
    for option, how in (("--runs: found 5", {"runs": 5}), ("--spread: found se", {"spread": "se"})):
        with pytest.raises(OptionError, match=rf"{option} for t\.csv, which has no mean with a spread"):
            read(RISING, **how)
    ends = {"a": ("61.7 [60, 63]", "70.0 [69, 71]", "75.9 [75, 77]")}
    assert read(ends, runs=3, spread="ci").summarised == {(None, "a")}
    with pytest.raises(OptionError, match=r"--spread: found se for t\.csv, which has intervals by their ends alone"):
        read(ends, runs=3, spread="se")


def test_numbers_of_runs_without_a_spread_are_said() -> None:
    def notes(cells: dict[str, Sequence[str]], count: str, **how: Any) -> str:
        found = observed(cells)
        return " ".join(
            measured(replace(found, rows=[replace(row, count=count) for row in found.rows]), Reading(**how)).notes
        )

    said = "values without a spread count as one run each, also where the table has a number of runs (5 in line 2)"
    assert said in notes(RISING, "5")
    assert "count as one run each" not in notes(RISING, "1") + notes(MEANS, "5")
    assert "--runs 3 isn't used, as the table has the numbers of runs" in notes(MEANS, "5", runs=3)


def test_a_spread_without_the_sign_of_its_mean() -> None:
    def beside(*spreads: str, **more: Any) -> Observed:
        rows = observed({"a": ("61.7%", "70.0%", "75.9%")}).rows
        full = [replace(row, spread=text) for row, text in zip(rows, spreads, strict=True)]
        return replace(observed({}, **more), rows=full)

    def sds(found: Observed) -> list[float]:
        rungs = measured(found, Reading(runs=3)).groups[None, "a"].values()
        return [round(float(np.std(list(rung.values()), ddof=1)), 3) for rung in rungs]

    assert sds(beside("0.8", "1.2", "0.9")) == [0.008, 0.012, 0.009]  # none of a column with 1.2 is a share
    assert sds(beside("0.008", "0.012", "0.009", stored=frozenset({"t.csv"}))) == [0.008, 0.012, 0.009]
    with pytest.raises(
        RunsError, match=r"t\.csv, line 2, column 'acc': found the spread '0\.8' beside the mean '61\.7%'"
    ):
        measured(beside("0.8", "0.7", "0.9"), Reading(runs=3))


def test_means_become_stand_ins() -> None:
    table = read(MEANS, runs=3)
    rungs = table.groups[None, "ssl"]
    assert all(isinstance(rung, StandIns) and len(rung) == 3 for rung in rungs.values())
    assert table.summarised == {(None, "scratch"), (None, "ssl")}
    every = [run for runs in table.groups.values() for rung in runs.values() for run in rung]
    assert len(set(every)) == len(every) == 18
    assert min(every)[0] >= FIRST
    assert any(
        "means of 3 runs, with sample standard deviations, as --spread doesn't say otherwise" in x for x in table.notes
    )
    with pytest.raises(RunsError, match="--runs"):
        read(MEANS)


def test_an_arm_of_means_beside_one_of_runs() -> None:
    table = read({"scratch": RISING["scratch"], "ssl": MEANS["ssl"]}, runs=3)
    assert table.summarised == {(None, "ssl")}
    assert [len(rung) for rung in table.groups[None, "scratch"].values()] == [1, 1, 1]


def test_names_and_order_of_arms_move_nothing() -> None:
    first = read(MEANS, runs=3)
    other = read({"z": MEANS["ssl"], "a": MEANS["scratch"]}, runs=3)
    assert first.groups[None, "ssl"] == other.groups[None, "z"]
    assert first.groups[None, "scratch"] == other.groups[None, "a"]


def test_a_mean_is_alone_at_its_rung() -> None:
    both = observed(MEANS)
    twin = Observation("t.csv", "line 9", "acc", None, "ssl", 50, 1, None, None, "70.0")
    with pytest.raises(RunsError, match=r"a mean of 3 runs of arm 'ssl' at n = 50 beside line 9, expected one mean"):
        measured(Observed([*both.rows, twin], (), "acc", draws=False, seeds=False), Reading(runs=3))


def test_every_cell_error_has_its_place() -> None:
    for cell in ("x", "61.7(8)", "nan", "61.7*"):
        with pytest.raises(LabeleffError, match=r"t\.csv, line 3, column 'acc': found"):
            read({"a": ("61.7", cell, "70")})
