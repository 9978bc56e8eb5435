"""Long tables with a row per metric."""

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
