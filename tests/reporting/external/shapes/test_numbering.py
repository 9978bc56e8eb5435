"""Numbers of runs, and rows that are no runs: nothing is numbered that isn't one, and no hint says to."""

from __future__ import annotations

import pytest
from support.grids import observed, values

from labeleff.errors import RunsError


def rows(header: str, cells: str, count: int) -> str:
    """Table of two arms and label counts with `count` rows each; `{at}` is a row's number."""
    lines = [f"{arm} | {n} | {cells.format(at=at)}" for arm in "ab" for n in (10, 20) for at in range(count)]
    return "\n".join([f"arm | n | {header}", *lines])


def test_runs_are_numbered_within_their_arm_and_label_count() -> None:
    found = observed("arm | n | acc\na | 10 | 5\na | 20 | 6\na | 10 | 7\nb | 10 | 8")
    assert values(found) == [("a", 10, 0, "5"), ("a", 20, 0, "6"), ("a", 10, 1, "7"), ("b", 10, 0, "8")]


def test_a_row_keeps_its_number_over_its_label_counts() -> None:
    found = observed("arm | 10 | 20\na | 5 |\na | 6 | 7\nb | 8 | 9")
    assert values(found)[:3] == [("a", 10, 0, "5"), ("a", 10, 1, "6"), ("a", 20, 1, "7")]


@pytest.mark.parametrize(
    ("header", "cells", "numbers"),
    [
        ("seed | acc", "{at}0 | 5", [0, 10]),
        ("fold | acc", "fold {at} | 5", [0, 1]),
        ("run | acc", "{at}.0 | 5", [0, 1]),
        ("trial | fold | acc", "{at} | 3 | 5", [0, 1]),
        ("draw | seed | acc", "{at} | 4 | 5", [0, 1]),
        ("draw | acc", "7 | 5", [0, 1]),
    ],
)
def test_columns_that_number_runs(header: str, cells: str, numbers: list[int]) -> None:
    found = observed(rows(header, cells, 2))
    assert [row.run for row in found.rows] == numbers * 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (rows("run | epoch | acc", "0 | {at} | 5", 3), "found 3 rows of run 0 of arm 'a' at n = 10, one per epoch"),
        (rows("run | acc", "0 | 5", 12), "found 12 rows of run 0 of arm 'a' at n = 10, expected one row per run"),
        (
            rows("trainer/global_step | acc", "{at} | 5", 3),
            "found 3 rows of arm 'a' at n = 10, one per trainer/global_step",
        ),
        (rows("acc", "5", 101), "found 101 rows of arm 'a' at n = 10, and no column run"),
        (rows("acc", "0.5{at}", 9), "each larger (or each smaller) than the one before"),
        (rows("t | acc", "{at} | 5", 60), "'0', '1', '2'"),
    ],
)
def test_rows_per_epoch_are_refused_with_the_way_out(text: str, message: str) -> None:
    with pytest.raises(RunsError) as caught:
        observed(text)
    assert message in str(caught.value)
    assert "keep one row per run: its last one, or the one chosen on validation data" in str(caught.value)
    assert "number the runs" not in str(caught.value)
    assert "run=t" not in str(caught.value)


def test_a_run_that_is_there_twice() -> None:
    with pytest.raises(RunsError, match=r"line 3, column 'run': found run 0 of arm 'a' at n = 10 again \(as in"):
        observed("arm | n | run | acc\na | 10 | 0 | 5\na | 10 | 0 | 6")
    with pytest.raises(RunsError, match="in 'source': keep the rows of one source, or give --column task=source"):
        observed(rows("run | source | acc", "0 | s{at} | 5", 2))
    with pytest.raises(RunsError, match=r"run 0 of arm 'a' at n = 1000 again \(as in line 2\)"):
        observed("arm | n | run | acc\na | 1k | 0 | 5\na | 1000 | 0 | 6")
    with pytest.raises(RunsError, match="column 'seed': found draw 1, seed 2 of arm 'a' at n = 10 again"):
        observed("arm | n | run | draw | seed | acc\na | 10 | 0 | 1 | 2 | 5\na | 10 | 1 | 1 | 2 | 6")


def test_conditions_that_no_column_stands_for() -> None:
    with pytest.raises(RunsError, match="--column arm=lr for arms, --column run=lr for numbers of runs"):
        observed(rows("lr | acc", "0.{at} | 5", 2))
    assert len(observed(rows("lr | acc", "0.1 | 5", 2)).rows) == 8
    assert len(observed(rows("lr | acc", "0.{at} | 5", 2), columns={"task": "lr"}).rows) == 8


def conditions(first: str, one: bool, numbers: str = "r18 vit") -> str:
    """A table with a column backbone that tells apart the rows of all arms, or with `one` of the first alone."""
    names = numbers.split()
    lines = [f"{first} | arm | n | backbone | acc"]
    for arm, own in (("scratch", names), ("simclr", [names[0]] * 2 if one else names)):
        for n in (100, 400, 1600):
            lines += [f"{len(lines) + at} | {arm} | {n} | {backbone} | {n}.{at}" for at, backbone in enumerate(own)]
    return "\n".join(lines)


@pytest.mark.parametrize("one", [False, True])
@pytest.mark.parametrize("first", ["run", "seed", "index"])
def test_conditions_that_a_number_of_all_rows_or_other_arms_hide(first: str, one: bool) -> None:
    with pytest.raises(RunsError) as caught:
        observed(conditions(first, one))
    assert "column 'backbone': found 'r18', 'vit' for arm 'scratch' at n = 100, and n" in str(caught.value)
    assert "--column task=backbone where they are tasks" in str(caught.value)
    assert str(caught.value).endswith("or --column run=row where it makes no difference")
    for columns in ({"task": "backbone"}, {"run": "row"}, *({"run": "backbone"} for _ in range(not one))):
        assert len(observed(conditions(first, one), columns=columns).rows) == 12


def test_what_runs_of_one_arm_have_beside_is_no_condition() -> None:
    """Numbers that aren't settings, in one arm alone, are results."""
    text = conditions("index", True, "7 8").replace("backbone", "best_epoch")
    assert len(observed(text).rows) == 12
    every = conditions("run", False, "7 8").replace("backbone", "best_epoch")
    assert len(observed(every).rows) == 12
    with pytest.raises(RunsError, match="column 'lr': found '7', '8'"):
        observed(text.replace("best_epoch", "lr"))


BESIDE = {"gpu": "A100 V100", "user": "ann bob", "month": "May June", "best_lr": "0.1 0.01", "partition": "A B"}


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("one", [False, True])
def test_what_is_no_setting_is_of_its_run_where_runs_have_numbers(name: str, one: bool) -> None:
    found = observed(conditions("run", one, BESIDE[name]).replace("backbone", name))
    assert f"columns not used: {name}" in found.notes


def test_settings_that_differ_from_run_to_run_are_of_the_run() -> None:
    """A learning rate that was chosen for each run isn't there equally often in every rung."""
    lines = [f"{arm} | {n} | {at}" for arm in "ab" for n in (10, 20, 40) for at in range(4)]
    rates = iter("1112 1222 1122 2222 1111 1122".replace(" ", ""))
    text = "\n".join(["arm | n | v | run | lr", *(f"{line} | {at} | {next(rates)}" for at, line in enumerate(lines))])
    assert "columns not used: lr" in observed(text, columns={"accuracy": "v"}).notes
    kept = [line for at, line in enumerate(text.replace("lr", "width").splitlines()) if at != 1]
    crossed = [line.rpartition("|")[0] + f"| {at % 2}" for at, line in enumerate(kept)][1:]
    with pytest.raises(RunsError, match=r"column 'width': found .* arm=width for arms, or --column run=row where"):
        observed("\n".join([kept[0], *crossed]), columns={"accuracy": "v"})


def test_every_row_is_a_run_where_that_is_said() -> None:
    text = rows("user | acc", "ann | 5", 2) + "\n" + rows("user | acc", "bob | 5", 1).partition("\n")[2]
    with pytest.raises(RunsError) as caught:
        observed(text)
    assert "--column run=user" not in str(caught.value)
    found = observed(text, columns={"run": "row"})
    assert [row.run for row in found.rows] == [0, 1] * 4 + [2] * 4
    assert "every row is a run, as given" in found.notes
    own = observed(rows("row | acc", "{at}1 | 5", 2), columns={"run": "row"})
    assert [row.run for row in own.rows] == [1, 11] * 4


def test_rows_that_were_pasted_several_times() -> None:
    once = "a | 10 | 5.1\na | 10 | 6.2\na | 20 | 7.3\nb | 10 | 6.4\nb | 20 | 8.5"
    with pytest.raises(RunsError) as caught:
        observed("\n".join(["arm | n | acc", once, once, once]))
    assert str(caught.value).startswith(
        "t.csv, line 7, column 'acc': found every row of the table 3 times (this one as in line 2), expected one row"
    )
    assert str(caught.value).endswith("or give --column run=row where they are runs that came out the same")
    assert len(observed("\n".join(["arm | n | acc", once, once, once]), columns={"run": "row"}).rows) == 15
    for name in ("", "Unnamed: 0"):
        lines = [f"{at} | {line}" for at, line in enumerate([*once.splitlines()] * 2)]
        with pytest.raises(RunsError, match="every row of the table 2 times"):
            observed("\n".join([f"{name} | arm | n | acc", *lines]))
    wide = "a | 5.1 | 6.2\nb | 5.3 | 6.4\nc | 5.5 | 6.6"
    with pytest.raises(RunsError, match="every row of the table 2 times"):
        observed("\n".join(["method | 10 | 20", wide, wide]))


def test_some_equal_rows_are_further_runs_and_said() -> None:
    found = observed("arm | n | acc\na | 10 | 5.1\na | 10 | 5.1\na | 20 | 7.3\nb | 10 | 6.4\nb | 20 | 8.5")
    assert len(found.rows) == 5
    assert "1 row like another in every column, taken for further runs" in found.notes
    apart = observed("arm | n | acc | t\na | 10 | 5 | 1\na | 10 | 5 | 2\nb | 10 | 6 | 3\nb | 10 | 6 | 4")
    assert not any("like another" in note for note in apart.notes)
    tied = "arm | n | acc\n" + "\n".join(f"{arm} | {n} | 50" for arm in "ab" for n in (10, 20) for _ in range(2))
    assert len(observed(tied).rows) == 8


@pytest.mark.parametrize("cell", ["-1", "x1", "1.5", ""])
def test_numbers_of_runs_that_are_none(cell: str) -> None:
    with pytest.raises(RunsError, match="line 3, column 'run': found"):
        observed(f"arm | n | run | acc\na | 10 | 0 | 5\na | 10 | {cell} | 6")


def test_rows_of_several_splits() -> None:
    split = "arm | n | split | acc\n" + "\n".join(f"{a} | 10 | {s} | 5" for a in "ab" for s in ("train", "test"))
    with pytest.raises(RunsError, match=r"keep the rows of one split, those of the test set$"):
        observed(split)


def test_rows_of_means_among_runs_are_refused() -> None:
    with pytest.raises(RunsError, match=r"line 3, column 'seed': found 'avg', .*; leave rows of means and spreads out"):
        observed("method | n | seed | acc\na | 40 | 0 | 0.1\na | 40 | avg | 0.1")
