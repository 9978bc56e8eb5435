"""Forest plots: one row per arm, its interval cut at the axis, arrows where a value is a limit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labeleff.reporting.figures import utility
from labeleff.reporting.figures.forest import chosen
from labeleff.reporting.findings import find
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.reporting.place_figures import Material, figures

PLACE = Place("t")
LADDER = (20, 50, 100, 200, 500)


def measured(arms: int) -> Measurements:
    """A baseline and arms that are worth 1, 2, 3, ... times the labels."""
    names = ("base", *(f"arm{number}" for number in range(arms)))
    runs = {
        (PLACE, name): {
            n: {(run, 0): 0.9 - 2.0 * (n * max(1, index)) ** -0.5 + 0.004 * (run - 1) for run in range(3)}
            for n in LADDER
        }
        for index, name in enumerate(names)
    }
    return Measurements({PLACE: Setting("t", LADDER)}, names, "base", runs, level=0.9, method="bayes", design="")


@pytest.mark.parametrize(("rungs", "expected"), [([5], [5]), ([1, 2], [1, 2]), (list(range(9)), [0, 4, 8])])
def test_panels_are_the_ends_of_the_ladder_and_a_rung_between(rungs, expected) -> None:
    assert chosen(rungs) == expected


def test_rows_are_label_ratios_with_the_best_on_top() -> None:
    findings = find(measured(9))
    figure = figures(Material(findings))[PLACE][1].draw()
    mean, *rungs = figure.axes
    assert [axes.get_title("left") for axes in figure.axes] == ["mean over the ladder", "n = 20", "n = 100", "n = 500"]
    assert figure.get_supxlabel().endswith("; hollow: not measured; 3 of 5 label counts")
    assert figures(Material(findings))[PLACE][0].draw().get_supxlabel() == "accuracy (%); 3 of 5 label counts"
    rows = {text.get_text(): int(y) for text, y in zip(mean.get_yticklabels(), mean.get_yticks(), strict=True)}
    assert len(rows) == 9
    means = {item.arm: item.mean.ratio for item in findings.comparisons if item.mean is not None}
    assert sorted(rows, key=lambda arm: -rows[arm]) == sorted(means, key=lambda arm: -means[arm])
    dots = {line.get_ydata()[0]: line.get_xdata()[0] for line in mean.lines if line.get_marker() not in ("None", "x")}
    assert dots == pytest.approx({rows[arm]: ratio for arm, ratio in means.items()})
    low, high = rungs[0].get_xlim()
    assert all(low <= x <= high for axes in figure.axes for line in axes.lines for x in line.get_xdata())
    assert any(line.get_markerfacecolor() == "white" for line in rungs[-1].lines)


def test_arms_asked_for_are_in_their_order() -> None:
    from labeleff.reporting.figures.look import Look

    order = tuple(f"arm{number}" for number in (3, 1, 2, 0, 4, 8, 7, 6, 5))
    findings = find(replace(measured(9), look=Look(arms=order)))
    figure = figures(Material(findings))[PLACE][1].draw()
    texts = figure.axes[0].get_yticklabels()
    assert [text.get_text() for text in texts] == list(order)
    assert utility.utility(findings.measured, findings.only(PLACE, order[:3]).comparisons).axes[0].get_legend()
