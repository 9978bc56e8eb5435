"""Rows as they are meant: of one metric, and names over blocks."""

from __future__ import annotations

import pytest
from support.grids import observed, values

from labeleff.errors import RunsError

TABLE = """
arm | n | metric | value
a | 10 | accuracy | 5
a | 10 | macro_f1 | 6
b | 10 | accuracy | 7
b | 10 | macro_f1 | 8
"""


def test_the_rows_of_one_metric() -> None:
    found = observed(TABLE, metric="macro_f1")
    assert values(found) == [("a", 10, 0, "6"), ("b", 10, 0, "8")]
    assert found.value_name == "macro_f1"
    assert "rows of other metrics left out: accuracy" in found.notes
    with pytest.raises(
        RunsError, match="column 'metric': found 'accuracy', 'macro_f1', expected one metric; give --metric"
    ):
        observed(TABLE)


def test_one_metric_is_named() -> None:
    found = observed("arm | n | metric | value\na | 10 | error | 5\nb | 10 | error | 6")
    assert found.value_name == "error"
    assert observed("arm | n | metric\na | 10 | 5").value_name == "metric"


def test_names_at_the_top_of_blocks_hold_below() -> None:
    found = observed(
        "data set | method | 40 | 400\nsvhn | a | 1 | 2\n | b | 3 | 4\ncifar | a | 5 | 6\n | b | 7 | 8\n | c | 9 | 9"
    )
    assert values(found)[2:4] == [("svhn", "b", 40, 0, "3"), ("svhn", "b", 400, 0, "4")]
    assert values(found)[-1] == ("cifar", "c", 400, 0, "9")
    assert "empty cells take the name above them in data set" in "; ".join(found.notes)


def test_label_counts_too() -> None:
    found = observed("n | method | acc\n40 | a | 0.1\n | b | 0.2\n400 | a | 0.3\n | b | 0.4")
    assert values(found) == [("a", 40, 0, "0.1"), ("b", 40, 0, "0.2"), ("a", 400, 0, "0.3"), ("b", 400, 0, "0.4")]


@pytest.mark.parametrize(
    "rows",
    [
        "a | 40 | 0.1\n | 400 | 0.2\nb | 40 | 0.3\nb | 400 | 0.4",
        "a | 40 | 0.1\na | 400 | 0.2\nb | 40 | 0.3\n | 400 | 0.4",
        " | 40 | 0.1\na | 400 | 0.2\n | 40 | 0.3\nb | 400 | 0.4",
    ],
)
def test_a_slip_is_an_error(rows: str) -> None:
    with pytest.raises(RunsError, match=r"column 'method': found an empty cell, .*; write it in every row"):
        observed(f"method | n | acc\n{rows}")


SECTIONS = """
method | 40 | 400
Random init | |
linear | 31 | 42
tuned | 33 | 54
SimCLR: | |
linear | 35 | 46
tuned | 37 | 58
kNN | 39 | 49
"""


def test_headings_tell_arms_apart_that_are_under_several() -> None:
    found = observed(SECTIONS)
    assert values(found)[::2] == [
        ("Random init: linear", 40, 0, "31"),
        ("Random init: tuned", 40, 0, "33"),
        ("SimCLR: linear", 40, 0, "35"),
        ("SimCLR: tuned", 40, 0, "37"),
        ("kNN", 40, 0, "39"),
    ]
    assert (
        "arms that several headings have are kept apart by heading (Random init, SimCLR): linear, tuned" in found.notes
    )
    assert "left out" not in "; ".join(found.notes)
    assert "empty" not in "; ".join(found.notes)


def test_rows_above_the_first_heading_keep_their_names() -> None:
    found = observed(SECTIONS.replace("Random init | |\n", ""))
    assert [row[0] for row in values(found)[::2]] == ["linear", "tuned", "SimCLR: linear", "SimCLR: tuned", "kNN"]


def test_an_arm_under_headings_is_one_of_each_even_at_other_label_counts() -> None:
    found = observed("method | 40 | 400\nA | |\nx | 1 | 2\ny | 3 |\nB | |\nx | 5 | 6\ny | | 8")
    assert {row[0] for row in values(found)} == {"A: x", "A: y", "B: x", "B: y"}


def test_headings_right_below_each_other_are_one() -> None:
    found = observed("method | 40 | 400\nTop | |\nA | |\nx | 1 | 2\nx | 1 | 3\nB | |\nx | 3 | 4")
    assert values(found)[:3:2] == [("Top, A: x", 40, 0, "1"), ("Top, A: x", 40, 1, "1")]
    assert values(found)[4] == ("B: x", 40, 0, "3")


def test_headings_above_arms_in_the_header() -> None:
    found = observed("n | a | b\nC10 | |\n40 | 1 | 2\n400 | 3 |\nSVHN | |\n40 | 5 | 6\n400 | 7 | 8")
    assert values(found)[-2:] == [("SVHN: a", 400, 0, "7"), ("SVHN: b", 400, 0, "8")]


def test_headings_in_a_column_that_isnt_used() -> None:
    found = observed("block | method | 40 | 400\nA | | |\n | x | 1 | 2\nB | | |\n | x | 3 | 4\nB+ | | |\n | y | 5 | 6")
    assert {row[0] for row in values(found)} == {"A: x", "B: x", "y"}
    assert "1 row of one cell left out (line 6: 'B+')" in found.notes


def test_headings_of_other_names_and_of_runs_are_left_out() -> None:
    found = observed("method | 40 | 400\nA | |\nx | 1 | 2\nB | |\ny | 3 | 4")
    assert [row[0] for row in values(found)[::2]] == ["x", "y"]
    assert "2 rows of one cell left out (line 2: 'A', line 4: 'B')" in found.notes
    found = observed("method | 40 | 400\nSeed 0 | |\nx | 1 | 2\nSeed 1 | |\nx | 3 | 4")
    assert values(found)[::2] == [("x", 40, 0, "1"), ("x", 40, 1, "3")]


def test_a_heading_that_is_there_twice() -> None:
    table = "method | 40 | 400\nA | |\nB | |\nx | 1 | 2\nC | |\nx | 3 | 4\nD | |\nB | |\nx | 5 | 6\nC | |\nx | 7 | 8"
    with pytest.raises(
        RunsError, match=r"^t.csv, line 10: found the heading 'C' again \(as in line 5\), above the same"
    ):
        observed(table)


def test_arms_without_a_value_are_no_headings_but_named() -> None:
    twice = "method | 40 | 400\nx | 1 | 2\ny | |\nz | 3 | 4\nx | 5 | 6\ny | |\nz | 7 | 8"
    found = observed(twice)
    assert values(found)[::2][2:] == [("x", 40, 1, "5"), ("z", 40, 1, "7")]
    assert "arms without any value, left out: y" in found.notes
    assert values(observed(twice + "\ny | 9 |"))[-1] == ("y", 40, 0, "9")
    found = observed("method | arch | 40 | 400\nx | a | 1 | 2\ny | a | |\nz | a | n/a | 4")
    assert {"arms without any value, left out: y", "3 of 6 cells empty: not measured"} <= set(found.notes)


def test_a_run_without_anything_is_no_heading() -> None:
    table = "name | method | n | acc\nq | x | 40 | 1\nr | | |\ns | x | 40 | 2\nt | x | 400 | 3\nu | x | 400 | 4"
    assert {row[0] for row in values(observed(table, skip_empty=True))} == {"x"}


@pytest.mark.parametrize("note", ["* means over 3 seeds", "† ours", "Note: ours", "means over 3 seeds"])
def test_notes_below_a_table(note: str) -> None:
    rows = f"x | 1 | 2\ny | 3 | 4\n{note} | |"
    found = observed(f"method | 40 | 400\n{rows}")
    assert len(found.rows) == 4
    assert f"1 row of one cell left out (line 4: {note!r})" in found.notes
    found = observed(f"method | n | acc\n{rows}")
    assert len(found.rows) == 2
    assert f"1 row of one cell left out (line 4: {note!r})" in found.notes


@pytest.mark.parametrize("rows", ["y | |\nx | 1 | 2", "x | 1 | 2\ny | |", "x | 1 | 2\n* a | |\nx | 3 | 4"])
def test_a_row_without_a_value_in_a_long_table_is_an_error(rows: str) -> None:
    with pytest.raises(RunsError, match=r"column 'acc': found an empty cell"):
        observed(f"method | n | acc\n{rows}")


@pytest.mark.parametrize(
    "table",
    [
        "method | 40 | 400\na | 1 | 2\nmethod | 40 | 400\nb | 3 | 4",
        "method | n | acc\na | 40 | 1\na | 400 | 2\nmethod | n | acc\nb | 40 | 3\nb | 400 | 4",
        "n | a | b\n40 | 1 | 3\nn | a | b\n400 | 2 | 4",
    ],
)
def test_a_header_that_is_there_again_is_left_out(table: str) -> None:
    found = observed(table)
    assert sorted(values(found)) == [("a", 40, 0, "1"), ("a", 400, 0, "2"), ("b", 40, 0, "3"), ("b", 400, 0, "4")]
    assert any(note.startswith("1 row like the header left out (line ") for note in found.notes)


def test_both_rows_of_a_header_are_left_out_again() -> None:
    found = observed("method | svhn_40 | svhn_400\na | 1 | 2\nmethod | svhn | \n | 40 | 400\nb | 3 | 4")
    assert [row[1] for row in values(found)] == ["a", "a", "b", "b"]
    assert "2 rows like the header left out (line 3, line 4)" in found.notes


PLAIN = "method | 40 | 400\nscratch | 20 | 40\nsimclr | 30 | 45"


@pytest.mark.parametrize(
    "row",
    [
        "Δ | +10 | +5",
        "simclr - scratch | +10 | -5",
        "gain | -10 | -5",
        "Improvement (%) | 10 | 5",
        "abs. gain over scratch | 10 | 5",
        "diff | ↑10 | ↓5",
        "DELTA | +10 | +5",
        "Average | 25 | 42.5",
        "Avg. | 25 | 42.5",
        "mean | 25 | 42.5",
        "std | ±5 | ±2.5",
    ],
)
def test_differences_and_averages_are_no_arms(row: str) -> None:
    found = observed(f"{PLAIN}\n{row}")
    assert {row.arm for row in found.rows} == {"scratch", "simclr"}
    name = row.partition(" |")[0]
    assert f"averages and differences of others are left out: {name!r} (line 4)" in found.notes


@pytest.mark.parametrize(
    "row",
    [
        "mean teacher | 25 | 42",
        "average pooling | 25 | 42",
        "DELTA | 25 | 42",
        "Delta tuning | 25 | 42",
        "+ EMA | 25 | 42",
        "ema | +25 | 42",
        "gainer | 25 | 42",
    ],
)
def test_arms_that_are_only_named_like_them_stay(row: str) -> None:
    assert row.partition(" |")[0] in {each.arm for each in observed(f"{PLAIN}\n{row}").rows}


def test_what_has_signs_everywhere_or_is_the_baseline_stays() -> None:
    every = "method | 40 | 400\na | +0.2 | +0.4\nb | +0.1 | +0.3\nc | -0.1 | +0.2"
    assert {row.arm for row in observed(every).rows} == {"a", "b", "c"}
    assert "mean" in {row.arm for row in observed(f"{PLAIN}\nmean | 10 | 10", baseline="mean").rows}
    assert len(observed("method | 40 | 400\nscratch | 20 | 40\nmean | 10 | 10").rows) == 4


def test_arms_that_are_told_as_differences_are_an_error() -> None:
    with pytest.raises(
        RunsError, match=r"line 3, column '40': found '\+10', expected a value without a sign, as those of"
    ):
        observed("method | 40 | 400\nscratch | 20 | 40\nsimclr | +10 | +5\nbyol | +12 | +7")


def test_averages_of_tasks_are_no_task_and_the_other_shapes_do_the_same() -> None:
    rows = [f"{task} | {arm} | 40 | 5" for task in ("svhn", "digits", "Average") for arm in ("a", "b")]
    found = observed("\n".join(["dataset | method | n | acc", *rows]))
    assert {row.task for row in found.rows} == {"svhn", "digits"}
    assert "averages and differences of others are left out: 'Average' (line 6)" in found.notes
    assert {row.arm for row in observed("n | a | b | Δ\n40 | 5 | 6 | +1\n400 | 6 | 8 | +2").rows} == {"a", "b"}
