"""What is flagged of curves: falls, formulas that disagree, small test sets; and single formulas as a table."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from labeleff.curves.least_squares import fit_formula
from labeleff.curves.methods import FORMULAS
from labeleff.reporting import csv_tables
from labeleff.reporting.findings import compare_arms, formulas
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.reporting.sections import weak_results
from labeleff.stats.resampling import Runs

PLACE = Place("t")
NS = (20, 50, 100, 200, 500, 1000)
RISING = (0.30, 0.42, 0.51, 0.59, 0.67, 0.72)
NOISE = (-0.006, 0.001, 0.005)


def runs(values: Sequence[float], count: int = 3) -> Runs:
    return {n: {(d, 0): value + NOISE[d] for d in range(count)} for n, value in zip(NS, values, strict=False)}


def seen(arms: Mapping[str, Runs], test_count: int | None = None, method: str = "bayes") -> Measurements:
    return Measurements(
        {PLACE: Setting("t", NS, test_count=test_count)}, tuple(arms), "base",
        {(PLACE, arm): own for arm, own in arms.items()}, level=0.9, method=method, design="",
    )  # fmt: skip


def said(measured: Measurements) -> list[str]:
    return list(weak_results.curve_flags(measured, PLACE, compare_arms(measured)))


def test_nothing_is_said_of_a_good_curve() -> None:
    assert said(seen({"base": runs(RISING), "arm": runs([v + 0.02 for v in RISING])})) == []


def test_formulas_that_disagree_with_what_is_given() -> None:
    found = said(seen({"base": runs(RISING), "arm": runs([0.3, 0.42, 0.51, 0.59, 0.76])}))
    assert not any("Formulas" in text for text in found)
    found = said(seen({"base": runs(RISING, 1), "arm": runs([0.3, 0.42, 0.51, 0.59, 0.77], 1)}))
    text = next(text for text in found if text.startswith("**Formulas disagree**"))
    assert " 500 labels (x" in text
    short = {"base": runs(RISING[:3]), "arm": runs([0.3, 0.42, 0.6])}
    assert said(seen(short)) == []


def test_a_small_test_set_is_flagged_with_both_errors() -> None:
    arms = {"base": runs(RISING), "arm": runs(RISING)}
    [text] = said(seen(arms, 100))
    assert text.startswith("**Test set**: for 12 of 12 means, sampling 100 test examples")
    sampling, of_runs = map(float, re.search(r"\((\S+) points against (\S+)\)", text).groups())  # type: ignore[union-attr]
    assert sampling in [pytest.approx(10 * np.sqrt(v * (1 - v)), abs=0.006) for v in RISING]
    assert 0 < of_runs < 1
    assert said(seen(arms, 10**7)) == []
    assert said(seen({"base": runs(RISING, 1)}, 100)) == []


def test_every_formula_is_a_row() -> None:
    measured = seen({"base": runs(RISING), "arm": runs(RISING)})
    frame = csv_tables.curves(formulas(measured), "base").frame()
    assert list(frame.columns) == csv_tables.CURVES
    assert frame.family.tolist() == list(FORMULAS)
    row = frame.set_index("family").loc["pow3"]
    exact = fit_formula("pow3", NS, [list(rung.values()) for rung in runs(RISING).values()])
    assert json.loads(row.parameters) == pytest.approx(exact.parameters)
    assert json.loads(row.standard_errors) == pytest.approx(exact.standard_errors)
    assert row.residual_max == pytest.approx(np.abs(exact.residuals).max())
    assert row.leave_one_out == pytest.approx(exact.leave_one_out, rel=0.2)
    assert (row.df, row.formula) == (3, exact.text)
    assert 0 < row.p_value <= 1
    assert frame.reason.isna().all()


def test_formulas_of_few_rungs_and_runs() -> None:
    frame = csv_tables.curves(formulas(seen({"base": runs(RISING[:3], 1)})), "base").frame().set_index("family")
    assert frame.loc["mmf4"].reason == "4 parameters, and 3 label counts"
    assert frame.loc["mmf4"][["formula", "rss", "df"]].isna().all()
    assert frame.loc["pow3"][["p_value", "leave_one_out"]].isna().all()
    assert frame.p_value.isna().all()
    assert formulas(seen({"base": runs(RISING[:1])})) == []
    assert formulas(seen({"base": runs([1.2, 1.3, 1.4])}, method="pchip")) == []
