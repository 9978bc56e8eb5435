"""Printed means: what a spread is, how many runs it is of, and what rounding adds."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from scipy import stats

from labeleff.catalogue.metrics import SHARES, Units
from labeleff.errors import RunsError
from labeleff.reporting.external.means import printed, to_means
from labeleff.reporting.external.observations import Observation, Observed
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.values import read_value
from labeleff.stats.stand_ins import Mean

ROW = Observation("t.csv", "line 2", "acc", None, "a", 50, 0, None, None, "61.7±0.8", None, "4")
OBSERVED = Observed([ROW], (), "acc", None, draws=False, seeds=False)


def mean(row: Observation, observed: Observed = OBSERVED, *, units: Units = SHARES, **how: Any) -> Mean:
    one = printed(row, read_value(row.value), observed, Reading(**how), level=0.9, comma=False)
    return to_means([one], 100, units)[0]


def test_rounding_of_both_numbers_counts() -> None:
    found = mean(ROW)
    assert (found.mean, found.runs) == (0.617, 4)
    assert math.isclose(found.sd, math.sqrt(0.008**2 + 0.001**2 / 12))
    assert math.isclose(found.rounding, 0.001**2 / 12)


def test_a_spread_of_zero_is_noise_under_its_last_digit() -> None:
    assert math.isclose(mean(replace(ROW, value="61.7±0.0")).sd, 0.001 / math.sqrt(12))
    assert mean(replace(ROW, value="61.7±0")).sd > mean(replace(ROW, value="61.7±0.00")).sd > 0


def test_zeros_at_the_end_may_be_lost() -> None:
    rows = [replace(ROW, value="61±0.8"), replace(ROW, value="61.72±0.8")]
    ones = [printed(row, read_value(row.value), OBSERVED, Reading(), level=0.9, comma=False) for row in rows]
    assert {one.rounding for one in to_means(ones, 100, SHARES)} == {(0.0001) ** 2 / 12}


@pytest.mark.parametrize(
    ("kind", "factor"),
    [
        ("sd", 1.0),
        ("population-sd", math.sqrt(4 / 3)),
        ("se", 2.0),
        ("ci", 2.0 / stats.t(3).ppf(0.95)),
    ],
)
def test_what_a_spread_may_be(kind: str, factor: float) -> None:
    assert math.isclose(mean(ROW, spread=kind).sd, factor * mean(ROW).sd, rel_tol=1e-6)


def test_an_interval_is_one_of_the_level() -> None:
    found = mean(replace(ROW, value="61.7 [60.9, 62.5]"))
    assert math.isclose(found.sd, 2 * 0.008 / stats.t(3).ppf(0.95), rel_tol=0.01)
    with pytest.raises(RunsError, match=r"found '61.7 \[62.0, 62.5\]', expected an interval around the mean 61.7"):
        mean(replace(ROW, value="61.7 [62.0, 62.5]"))


def test_columns_say_what_they_are() -> None:
    row = replace(ROW, value="61.7", spread="0.8")
    assert mean(row, replace(OBSERVED, spread_kind="se")).sd == mean(row, spread="se").sd
    assert mean(row, replace(OBSERVED, spread_kind="sd"), spread="population-sd").sd > mean(row).sd
    assert mean(replace(row, spread="[60.9, 62.5]")).sd == mean(replace(ROW, value="61.7 [60.9, 62.5]")).sd
    for named, given in (("se", "sd"), ("sd", "se"), ("ci", "sd")):
        with pytest.raises(RunsError, match=f"--spread: found {given} beside a column that is named as"):
            mean(row, replace(OBSERVED, spread_kind=named), spread=given)
    with pytest.raises(RunsError, match="a number alone, as a column beside it has the spread"):
        mean(replace(row, value="61.7±0.8"))
    with pytest.raises(RunsError, match=r"t\.csv, line 2, column 'acc': found 'x', expected in the column of spreads"):
        mean(replace(row, spread="x"))


def test_the_number_of_runs_must_be_known() -> None:
    bare = replace(ROW, count=None)
    assert mean(bare, runs=3).runs == 3
    assert mean(ROW, runs=3).runs == 4  # the table knows better
    with pytest.raises(RunsError, match=r"line 2, column 'acc': found '61.7±0.8', expected .* e.g. --runs 3"):
        mean(bare)
    with pytest.raises(RunsError, match="expected a mean of two runs or more, as one run has no spread"):
        mean(replace(ROW, count="1"))
    for count in ("0", "2.5", "many", "100000"):
        with pytest.raises(RunsError, match=f"found '{count}', expected as the number of runs a whole number"):
            mean(replace(ROW, count=count))


def test_spreads_that_no_runs_can_have() -> None:
    row = replace(ROW, value="0.617±0.8")
    one = printed(row, read_value(row.value), OBSERVED, Reading(), level=0.9, comma=False)
    with pytest.raises(RunsError, match=r"expected a standard deviation of at most .* is the spread on another scale"):
        to_means([one], 1, SHARES)
    assert mean(replace(ROW, value="0.0±0.0")).sd > 0
    assert mean(replace(ROW, value="100.0±0.0")).mean == 1


def test_spreads_in_other_units_are_scaled() -> None:
    one = replace(ROW, value="1.30±0.10")
    found = to_means(
        [printed(one, read_value(one.value), OBSERVED, Reading(), level=0.9, comma=False)], 1, Units(2.0, 0.0, False)
    )[0]
    assert math.isclose(found.mean, 0.35)
    assert math.isclose(found.sd, 0.05, rel_tol=0.01)
    assert math.isclose(found.rounding, 0.005**2 / 12)
