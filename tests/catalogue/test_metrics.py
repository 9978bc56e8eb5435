"""Units of metrics: scores for curves, values for people."""

from __future__ import annotations

import math

import pytest

from labeleff.catalogue.metrics import METRICS, PUBLISHED, SHARES, Units, metric

ERROR, KAPPA, LOSS = Units(1.0, 0.0), Units(-1.0, 1.0, False), Units(2.6, 0.0, False)


@pytest.mark.parametrize("units", [SHARES, ERROR, KAPPA, LOSS])
def test_there_and_back(units: Units) -> None:
    for score in (0.0, 0.1, 0.5, 0.617, 1.0):
        assert math.isclose(units.score(units.value(score)), score, abs_tol=1e-15)
    assert units.value(1.0) == units.best
    assert units.value(0.0) == units.worst


def test_accuracies_are_their_own_scores() -> None:
    for value in (0.617, 0.1 + 0.2, 1 / 3, 1e-9):
        assert SHARES.value(value) == SHARES.score(value) == SHARES.change(value) == value
    assert SHARES.text(0.6172) == f"{61.72:.1f}"
    assert (SHARES.text(None), SHARES.mark, SHARES.axis, SHARES.over, SHARES.fall) == ("", " %", " (%)", "over", "fall")
    assert SHARES.formula("1 - n^-1") == "1 - n^-1"
    assert (SHARES.points(0.035), SHARES.points(0.001, 1), SHARES.near(0.02)) == (
        "3.5 points",
        "0.10 points",
        "2 points",
    )
    assert (SHARES.exact(0.925), SHARES.short(0.9)) == ("92.5 %", "90 %")


def test_where_less_is_better_ends_change_places() -> None:
    assert ERROR.ends(0.25, 0.75) == (0.25, 0.75)
    assert ERROR.ends(0.25, 0.5) == (0.5, 0.75)
    assert ERROR.changes(0.25, 0.5) == (-0.5, -0.25)
    assert ERROR.ends(None, 0.75) == (0.25, None)
    assert (ERROR.over, ERROR.fall, ERROR.in_order(0.1, 0.2)) == ("under", "rise", (0.2, 0.1))
    assert ERROR.formula("0.9 - 2 n^-1") == "1 - 1 (0.9 - 2 n^-1)"


def test_other_units_have_no_percent() -> None:
    assert (LOSS.text(0.5), LOSS.mark, LOSS.points(0.1)) == ("1.300", "", "0.260")
    assert KAPPA.text(0.75) == "0.500"
    assert Units(140.0, 0.0, False).text(0.5) == "70.0"
    assert Units(0.05, 0.0, False).text(0.5) == "0.02500"


def test_what_is_known_of_metrics() -> None:
    assert {name for name, one in PUBLISHED.items() if one.of_examples} == {"accuracy", "error"}
    assert (PUBLISHED["auroc"].chance, PUBLISHED["kappa"].chance, PUBLISHED["kappa"].worst) == (0.5, 0.0, -1.0)
    assert PUBLISHED["perplexity"].best == 1
    assert PUBLISHED["loss"].worst == math.inf
    assert all(one.lower != one.share or not one.lower for one in PUBLISHED.values())
    assert {name for name in METRICS if METRICS[name].lower} == {"rmse", "mean_absolute_error"}
    assert [metric(name).one for name in ("error", "loss", "auroc", "f1")] == [
        "an error",
        "a loss",
        "an AUROC",
        "an F1",
    ]
    assert metric("dunno").of_examples
