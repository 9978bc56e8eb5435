"""The reference code's utility as a table: its numbers, and that it never looks like the definition's."""

from __future__ import annotations

import pytest

from labeleff.errors import CurveError
from labeleff.reporting.external import reference_code
from labeleff.reporting.external.selfstudy_utility import selfstudy_utility
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.stats.resampling import Runs

PLACE = Place(None)
BASELINE = {n: {(0, 0): value} for n, value in {100: 0.40, 200: 0.60, 400: 0.80}.items()}
BETTER = {100: {(0, 0): 0.5, (1, 0): 0.7}, 200: {(0, 0): 0.70}, 400: {(0, 0): 0.90}}
APART = {150: {(0, 0): 0.5}}


def measured(**arms: Runs) -> Measurements:
    runs = {(PLACE, arm): found for arm, found in {"scratch": BASELINE, **arms}.items()}
    settings = {PLACE: Setting("t", (100, 150, 200, 400))}
    return Measurements(settings, ("scratch", *arms), "scratch", runs, level=0.9, method="pchip", design="")


def test_rows_are_the_points() -> None:
    curves = reference_code.curves(measured(better=BETTER, apart=APART))
    assert [(curve.arm, len(curve.points)) for curve in curves] == [("better", 3), ("apart", 0)]
    frame = reference_code.selfstudy_table(curves).frame()
    assert list(frame.columns) == reference_code.COLUMNS
    points = selfstudy_utility(BASELINE, BETTER)
    assert list(frame.utility) == [point.utility for point in points]
    assert list(frame.ends) == [False, False, True]
    assert set(frame.convention) == {"selfstudy"}
    assert set(frame.baseline) == {"scratch"}


def test_the_section_warns_first() -> None:
    found = measured(better=BETTER, apart=APART)
    title, warning, defects, table, _ = reference_code.section(found).paragraphs
    assert title == "## Utility by the reference code's rules, against scratch"
    assert warning.startswith("**Not the definition's.**")
    assert len(defects.splitlines()) == len(reference_code.DEFECTS)
    header, _, first, second = table.splitlines()
    assert "selfstudy convention" in header
    # Halfway to 200 and to 400 labels: 0.5 and 2, so 1.25 with a deviation of 0.75; 300/200 - 1 = 0.5; then the end,
    # between 0.70 at 200 and 0.90 at 400 labels: 400 / 300, without the -1.
    cells = [cell.strip() for cell in first.strip("|").split("|")]
    assert cells == ["better", "1.25 ± 0.75", "–", "0.50 ± 0.00", "–", "U = 1.33 at n = 300"]
    assert [cell.strip() for cell in second.strip("|").split("|")] == ["apart", *5 * ["–"]]


def test_what_it_cant_divide_by_is_named() -> None:
    never = {n: {(0, 0): 0.0} for n in (100, 200)}
    with pytest.raises(CurveError, match="--convention selfstudy can't be had for t, x: the baseline's best mean"):
        reference_code.curves(measured(scratch=never, x=BETTER))
