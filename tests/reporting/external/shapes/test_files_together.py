"""Several files as one table."""

from __future__ import annotations

import pytest
from support.grids import observed, values

from labeleff.errors import RunsError

OURS = "arm | n | acc\nscratch | 10 | 5\nscratch | 20 | 6\nsimclr | 10 | 7"
THEIRS = "method | labels | test_acc\nsimclr | 10 | 8\nbyol | 20 | 9"


def test_arms_are_kept_apart_by_file_and_a_baseline_serves_all() -> None:
    found = observed(OURS, THEIRS)
    assert values(found) == [
        ("scratch", 10, 0, "5"),
        ("scratch", 20, 0, "6"),
        ("a: simclr", 10, 0, "7"),
        ("b: simclr", 10, 0, "8"),
        ("byol", 20, 0, "9"),
    ]
    assert "arms that several files have are kept apart by file: simclr" in found.notes
    assert [row.source for row in found.rows] == ["a.csv"] * 3 + ["b.csv"] * 2


def test_a_file_per_arm() -> None:
    assert values(observed("n | acc\n10 | 5", "n | acc\n10 | 6")) == [("a", 10, 0, "5"), ("b", 10, 0, "6")]


def test_files_of_different_things() -> None:
    with pytest.raises(RunsError, match=r"b\.csv, line 1, column 'err': found another measure than 'acc' in a\.csv"):
        observed(OURS, THEIRS.replace("test_acc", "err"))
    sd, se = (f"arm | n | acc | {kind}\n{kind} | 10 | 5 | 1" for kind in ("sd", "se"))
    assert [row.spread_kind for row in observed(sd, se).rows] == ["sd", "se"]


def test_draws_pair_only_where_all_files_have_them() -> None:
    drawn = "arm | n | draw | acc\nscratch | 10 | 0 | 5"
    assert observed(drawn, drawn.replace("scratch", "b")).draws
    assert not observed(drawn, "arm | n | acc\nb | 10 | 5").draws


def test_names_that_look_alike() -> None:
    with pytest.raises(RunsError, match="line 3, column 'method': found 'SimCLR', expected 'simclr' as in line 2"):
        observed("method | n | acc\nsimclr | 10 | 5\nSimCLR | 10 | 6")
