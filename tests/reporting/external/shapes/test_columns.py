"""Columns of values with a mistake, and columns that hold something else."""

from __future__ import annotations

import pytest
from support.grids import observed

from labeleff.errors import RunsError
from labeleff.reporting.external.measured import measured
from labeleff.reporting.external.observations import Observed
from labeleff.reporting.external.reading import Reading

BY_N = "method | 40 | 250\nsupervised | {} | 5\nsimclr | 6 | 7"
BY_TASK = "method | svhn_40 | svhn_250\nsupervised | {} | 5\nsimclr | 6 | 7"
BY_ARM = "n | supervised | simclr\n40 | {} | 6\n250 | 5 | 7"
LONG = "method | n | acc\nsupervised | 40 | {}\nsupervised | 250 | 5\nsimclr | 40 | 6\nsimclr | 250 | 7"
REPEATS = "method | n | seed0 | seed1\nsupervised | 40 | {} | 5\nsimclr | 40 | 6 | 7"


def read(table: str) -> Observed:
    found = observed(table)
    measured(found, Reading(lower_is_better=False))
    return found


@pytest.mark.parametrize(
    ("table", "column"),
    [(BY_N, "40"), (BY_TASK, "svhn_40"), (BY_ARM, "supervised"), (LONG, "acc"), (REPEATS, "seed0")],
)
@pytest.mark.parametrize("cell", ["OOM", "failed", "†5", "<5", "inf"])
def test_a_cell_that_is_no_value_is_an_error_at_its_place(table: str, column: str, cell: str) -> None:
    with pytest.raises(RunsError, match=rf"t\.csv, line 2, column '{column}': found '{cell}', expected a number"):
        read(table.format(cell))


@pytest.mark.parametrize(
    ("cell", "hint"),
    [("OOM", "leave the cell empty where nothing was measured"), ("†5", "leave footnote marks and units out")],
)
def test_the_error_has_a_way_out(cell: str, hint: str) -> None:
    with pytest.raises(RunsError, match=hint):
        read(BY_N.format(cell))


@pytest.mark.parametrize("cell", ["", "-", "n/a", "–"])
@pytest.mark.parametrize("table", [BY_N, BY_TASK, BY_ARM])
def test_blanks_are_not_measured(table: str, cell: str) -> None:
    assert len(read(table.format(cell)).rows) == 3


def test_of_a_column_named_as_a_label_count_one_value_is_enough() -> None:
    with pytest.raises(RunsError, match="line 3, column '40': found 'OOM'"):
        read("method | 40 | 250\na | 5 | 6\nb | OOM | 7\nc | OOM | 8")


def test_a_spread_that_is_none_is_an_error_too() -> None:
    with pytest.raises(RunsError, match="line 3, column 'std': found 'wide', expected a spread from 0"):
        read("method | n | acc | std | k\na | 40 | 5 | 0.1 | 3\na | 250 | 6 | wide | 3\nb | 40 | 7 | 0.1 | 3")


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("note", ("ours", "2")),
        ("remark", ("3 runs only", "")),
        ("submitted", ("2024-01-02", "unknown")),
        ("library", ("1.0.2", "unreleased")),
        ("library version", ("1.0", "unreleased")),
        ("views", ("ResNet-50", "4-view")),
        ("machine", ("alpha", "beta")),
    ],
)
def test_columns_of_something_else_are_left_out(name: str, cells: tuple[str, str]) -> None:
    found = read(f"n | supervised | simclr | {name}\n40 | 5 | 6 | {cells[0]}\n250 | 6 | 7 | {cells[1]}")
    assert {row.arm for row in found.rows} == {"supervised", "simclr"}
    assert f"columns not used: {name}" in found.notes
