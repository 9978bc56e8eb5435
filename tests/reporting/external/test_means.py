"""Printed means: what a spread is, how many runs it is of, and what rounding adds."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from scipy import stats

from labeleff.catalogue.metrics import SHARES, Units
from labeleff.errors import RunsError
from labeleff.reporting.external.means import Writing, printed, to_means
from labeleff.reporting.external.observations import Observation
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.values import read_value
from labeleff.stats.stand_ins import Mean

ROW = Observation("t.csv", "line 2", "acc", None, "a", 50, 0, None, None, "61.7±0.8", None, "4")
WRITING = Writing()


def mean(row: Observation, writing: Writing = WRITING, *, units: Units = SHARES, **how: Any) -> Mean:
    one = printed(row, read_value(row.value), Reading(**how), level=0.9, writing=writing)
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
    ones = [printed(row, read_value(row.value), Reading(), level=0.9, writing=WRITING) for row in rows]
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
    assert mean(replace(row, spread_kind="se")).sd == mean(row, spread="se").sd
    assert mean(replace(row, spread_kind="sd"), spread="population-sd").sd > mean(row).sd
    assert mean(replace(row, spread="[60.9, 62.5]")).sd == mean(replace(ROW, value="61.7 [60.9, 62.5]")).sd
    for named, given in (("se", "sd"), ("sd", "se"), ("ci", "sd")):
        with pytest.raises(RunsError, match=f"--spread: found {given} beside a column that is named as"):
            mean(replace(row, spread_kind=named), spread=given)  # type: ignore[arg-type]
    with pytest.raises(RunsError, match="a number alone, as a column beside it has the spread"):
        mean(replace(row, value="61.7±0.8"))
    with pytest.raises(RunsError, match=r"t\.csv, line 2, column 'acc': found 'x', expected a spread from 0"):
        mean(replace(row, spread="x"))


def test_a_percent_sign_in_one_of_mean_and_spread_alone() -> None:
    plain = mean(replace(ROW, value="61.7%", spread="0.8%"))
    signed, bare = replace(ROW, value="61.7%", spread="0.008"), replace(ROW, value="0.617", spread="0.8%")
    stored, share = Writing(stored=True), Writing(scale="fraction")
    assert math.isclose(mean(signed, stored).sd, plain.sd)
    assert math.isclose(
        mean(replace(ROW, value="61.7%", spread="0.8"), Writing(stored=True, over_one=True)).sd, plain.sd
    )
    one = printed(bare, read_value(bare.value), Reading(scale="fraction"), level=0.9, writing=share)
    assert math.isclose(to_means([one], 1, SHARES)[0].sd, plain.sd)
    kept = printed(bare, read_value(bare.value), Reading(), level=0.9, writing=Writing(stored=True, scale="fraction"))
    assert math.isclose(to_means([kept], 1, SHARES)[0].sd, plain.sd)
    assert mean(replace(bare, value="61.7")).sd == plain.sd  # the means are in percent too
    assert mean(replace(signed, spread="0.8"), scale="percent").sd == plain.sd
    with pytest.raises(
        RunsError, match=r"the spread '0\.008' beside the mean '61\.7%', expected a percent sign in both"
    ):
        mean(signed)
    with pytest.raises(RunsError, match=r"the spread '0\.8%' beside the mean '0\.617', .* or give --scale fraction"):
        mean(bare, share)


def test_percent_in_the_names_of_columns_counts_for_spreads() -> None:
    both = replace(ROW, value="61.7", spread="0.8", percent=True, spread_percent=True)
    plain = mean(replace(ROW, value="61.7%", spread="0.8%"))
    assert mean(both).sd == mean(replace(both, value="61.7%")).sd == plain.sd
    assert mean(replace(both, spread_percent=False)).sd == plain.sd
    share = replace(both, value="0.617", percent=False)
    one = printed(share, read_value("0.617"), Reading(scale="fraction"), level=0.9, writing=Writing(scale="fraction"))
    assert math.isclose(to_means([one], 1, SHARES)[0].sd, plain.sd)


def test_ends_of_an_interval_with_a_sign_that_their_mean_lacks() -> None:
    row = replace(ROW, value="0.617", spread="[60.9%, 62.5%]")
    one = printed(row, read_value(row.value), Reading(), level=0.9, writing=Writing(scale="fraction"))
    assert math.isclose(one.sd, 2 * 0.008 / stats.t(3).ppf(0.95))
    shown = replace(ROW, value="61.7%", spread="[0.609, 0.625]")
    assert math.isclose(mean(shown, Writing(stored=True)).sd, mean(replace(shown, spread="[60.9%, 62.5%]")).sd)


def test_the_number_of_runs_must_be_known() -> None:
    bare = replace(ROW, count=None)
    assert mean(bare, runs=3).runs == 3
    assert mean(ROW, runs=3).runs == 4  # the table knows better
    with pytest.raises(RunsError, match=r"line 2, column 'acc': found '61.7±0.8', expected .* e.g. --runs 3"):
        mean(bare)
    with pytest.raises(RunsError, match="a whole number from 2 to 10,000; leave the spread of a single run out"):
        mean(replace(ROW, count="1"))
    for count in ("0", "2.5", "many", "100000"):
        expected = f"column 'k': found '{count}', expected the number of runs of a mean with a spread, a whole number"
        with pytest.raises(RunsError, match=expected):
            mean(replace(ROW, count=count, count_column="k"))


def test_errors_name_the_column_of_spreads() -> None:
    row = replace(ROW, value="61.7", spread="wide", spread_column="std")
    with pytest.raises(RunsError, match="line 2, column 'std': found 'wide', expected a spread from 0"):
        mean(row)


def test_spreads_that_no_runs_can_have() -> None:
    row = replace(ROW, value="0.617±0.8")
    one = printed(row, read_value(row.value), Reading(), level=0.9, writing=WRITING)
    with pytest.raises(RunsError, match=r"expected a standard deviation of at most .* is the spread on another scale"):
        to_means([one], 1, SHARES)
    assert mean(replace(ROW, value="0.0±0.0")).sd > 0
    assert mean(replace(ROW, value="100.0±0.0")).mean == 1


def test_spreads_in_other_units_are_scaled() -> None:
    one = replace(ROW, value="1.30±0.10")
    found = to_means(
        [printed(one, read_value(one.value), Reading(), level=0.9, writing=WRITING)], 1, Units(2.0, 0.0, False)
    )[0]
    assert math.isclose(found.mean, 0.35)
    assert math.isclose(found.sd, 0.05, rel_tol=0.01)
    assert math.isclose(found.rounding, 0.005**2 / 12)
