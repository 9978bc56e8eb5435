"""Options of `labeleff forecast`: targets, prices and label counts as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from labeleff.errors import OptionError
from labeleff.reporting.external import options as external_options
from labeleff.reporting.forecast import options


def test_targets_may_be_shares_or_percent() -> None:
    assert options.targets(["0.9", "80", "95%", " 0.5 % "]) == (0.9, 80.0, 0.95, 0.005)
    assert options.targets([]) == ()


@pytest.mark.parametrize("text", ["ninety", "", "%", "nan", "nan%", "150%", "-1%", "0,9", "9o%"])
def test_targets_that_are_none(text: str) -> None:
    with pytest.raises(OptionError, match=f"--target: found '{text}', expected an accuracy in 0..1, or in percent"):
        options.targets([text])


def test_label_counts_are_lists() -> None:
    assert options.counts(["1000,5000", " 200 ", "1000"]) == (1000, 5000, 200)
    for text, part in (("1,000", "000"), ("5e3", "5e3"), ("0", "0"), ("", ""), ("-5", "-5"), ("1.5", "1.5")):
        with pytest.raises(OptionError, match=f"--at: found '{part}', expected label counts"):
            options.counts([text])


def test_labelled_ones_are_counted_from_1() -> None:
    table = external_options.Options(path=Path("runs.csv"), out=Path("out"), command=["labeleff"])
    assert options.Options(table, labelled=1).labelled == 1
    with pytest.raises(OptionError, match="--labelled: found 0"):
        options.Options(table, labelled=0)
