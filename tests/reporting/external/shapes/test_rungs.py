"""Label counts as rungs: whole-data rows, pools, and counts within 1 % of each other."""

from __future__ import annotations

import pytest
from support.grids import observed, values

from labeleff.errors import OptionError, RunsError

PUBLISHED = """
 | cifar10_40 | cifar10_250 | svhn_40 | svhn_250 | stl10_40
fullysupervised | 4.6±0.1 | 4.5±0.2 | 2.1±0.1 | 2.1±0.1 | 30.2±1
supervised | 77±2 | 55±2 | 82±2 | 25±2 | 30.2±1
fixmatch | 8±1 | 5±1 | 3±1 | 2±1 | 20.1±1
"""


def at_pool(**pools: int) -> list[tuple[object, ...]]:
    found = observed(PUBLISHED, pools=pools)
    return [row for row in values(found) if row[2] in pools.values()]


def test_the_row_of_all_labels_is_a_rung_of_the_baseline() -> None:
    assert at_pool(cifar10=50_000) == [
        ("cifar10", "supervised", 50_000, 0, "4.6±0.1"), ("cifar10", "supervised", 50_000, 1, "4.5±0.2")
    ]  # fmt: skip
    assert at_pool(svhn=604_388) == [("svhn", "supervised", 604_388, 0, "2.1±0.1")]
    assert at_pool(stl10=5000) == []
    found = observed(PUBLISHED, pools={"cifar10": 50_000, "svhn": 604_388})
    assert "1 cell of fullysupervised like another of the same task: counted once" in found.notes
    assert any(
        "values in several columns of a task are further measurements of one rung" in note for note in found.notes
    )
    assert any("1 value on all labels of stl10 set aside" in note and "--pool stl10=N" in note for note in found.notes)


def test_without_pools_all_labels_are_set_aside_and_said() -> None:
    found = observed(PUBLISHED)
    assert len(found.rows) == 10
    assert any("5 values on all labels of cifar10, svhn, stl10 set aside" in note for note in found.notes)
    long = observed("arm | n | acc\na | 10 | 5\na | full | 9\nb | 10 | 6")
    assert [row.n for row in long.rows] == [10, 10]
    assert "1 value on all labels set aside: their number isn't known; give --pool N" in long.notes
    with pytest.raises(RunsError, match="give --pool N"):
        observed("arm | n | acc\na | all | 5")


def test_the_baseline_of_all_labels_is_the_one_given() -> None:
    text = PUBLISHED.replace("\nsupervised", "\nplain")
    assert any("which arm is the baseline isn't known; give --baseline" in note for note in observed(text).notes)
    found = observed(text, baseline="plain", pools={"cifar10": 50_000})
    assert [row[1] for row in values(found) if row[2] == 50_000] == ["plain", "plain"]


def test_pools_that_fit_nothing() -> None:
    with pytest.raises(OptionError, match="--pool: unknown task 'svnh'; did you mean 'svhn'"):
        observed(PUBLISHED, pools={"svnh": 5})
    with pytest.raises(OptionError, match=r"--pool: nothing in the file is a share .* --label-unit percent"):
        observed("arm | n | acc\na | 10 | 5", pools={None: 5})


def test_other_units_are_said() -> None:
    found = observed("arm | fraction | acc\na | 0.01 | 5\na | 1.0 | 6", pools={None: 500})
    assert "label counts as shares: 0.01 is 5, 1.0 is 500" in found.notes
    assert (
        "label counts per class: 1 is 10, 5 is 50"
        in observed("arm | shots | acc\na | 1 | 5\na | 5 | 6", per_class=10).notes
    )


def test_counts_within_one_percent_are_one_rung() -> None:
    found = observed("arm | n | acc\na | 3000 | 5\na | 3000 | 6\nb | 3002 | 7\nb | 9 | 7")
    assert [row.n for row in found.rows] == [3000, 3000, 3000, 9]
    assert "label counts within 1 % are one rung: 3,002 is read as 3,000" in found.notes
    runs = observed("arm | n | run | acc\na | 3000 | 0 | 5\na | 3002 | 1 | 6\na | 2998 | 2 | 7")
    assert len({row.n for row in runs.rows}) == 1


@pytest.mark.parametrize(
    "text",
    [
        "arm | n | acc\na | 3000 | 5\nb | 3031 | 7",
        "arm | n | acc\na | 100 | 5\na | 101 | 6\nb | 100 | 7\nb | 101 | 7",
        "arm | n | acc\na | 100 | 5\na | 101 | 6\nb | 100 | 7",
        "arm | n | run | acc\na | 100 | 0 | 5\na | 101 | 0 | 6\nb | 100 | 0 | 7",
        "task | arm | n | acc\ns | a | 3000 | 5\nt | b | 3002 | 7",
    ],
)
def test_other_counts_stay_apart(text: str) -> None:
    found = observed(text)
    assert len({row.n for row in found.rows}) == 2
    assert not any("within 1 %" in note for note in found.notes)
