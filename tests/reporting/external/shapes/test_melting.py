"""One entry per value, with what stands beside it."""

from __future__ import annotations

from support.grids import observed


def test_numbers_of_runs_that_pandas_wrote_as_decimals() -> None:
    found = observed("method | labels | mean | std | count\na | 40 | 61.1 | 0.5 | 3.0\na | 250 | 71.1 | 0.5 | 2.5")
    assert [row.count for row in found.rows] == ["3", "2.5"]
    assert {(row.column, row.spread_column, row.count_column) for row in found.rows} == {("mean", "std", "count")}
