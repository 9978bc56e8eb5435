"""Columns that number runs in long tables."""

from __future__ import annotations

import pytest
from support.grids import observed, values

from labeleff.errors import RunsError

HEADERS = {
    "seeds": "seed0 | seed1",
    "seeds of any number": "seed 42 | seed 1337",
    "a metric and seeds": "acc_seed1 | acc_seed2",
    "a metric's runs": "test_acc_1 | test_acc_2",
    "scikit-learn's splits": "split0_test_score | split1_test_score",
    "short": "s1 | s2",
}


def table(header: str, more: str = "", cells: str = "") -> str:
    return f"method | n | {header}{more}\na | 40 | 0.5 | 0.6{cells}\na | 80 | 0.7 | 0.8{cells}"


@pytest.mark.parametrize("more", ["", " | mean | std"])
@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_each_is_a_run(header: str, more: str) -> None:
    found = values(observed(table(header, more, " | 0.1 | 0.2" if more else "")))
    assert [(row[1], row[3]) for row in found] == [(40, "0.5"), (40, "0.6"), (80, "0.7"), (80, "0.8")]
    assert len({row[2] for row in found}) == 2


def test_the_metric_is_theirs() -> None:
    assert observed(table("err_1 | err_2")).value_name == "err"
    assert observed(table("seed0 | seed1")).value_name == ""


@pytest.mark.parametrize("header", ["acc_1 | acc_5", "top1 | top5", "BLEU-1 | BLEU-2", "F1 | F2"])
def test_ranks_are_no_runs(header: str) -> None:
    try:
        found = observed(table(header))
    except RunsError as error:
        assert "give --column accuracy=" in str(error)  # noqa: PT017
    else:
        assert [row.value for row in found.rows] == ["0.5", "0.7"]


def test_runs_of_two_metrics_ask_for_one() -> None:
    text = "method | n | acc_seed0 | acc_seed1 | f1_seed0 | f1_seed1\na | 40 | 0.5 | 0.6 | 0.3 | 0.4"
    with pytest.raises(RunsError, match=r"found runs of 'acc', 'f1', expected runs of one; give --metric-name acc"):
        observed(text)
    assert [row.value for row in observed(text, metric="f1").rows] == ["0.3", "0.4"]
