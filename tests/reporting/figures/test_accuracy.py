"""Figures: they show what they should, and their bytes don't change."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
from support import factories

from labeleff.reporting.figures import accuracy, style, utility
from labeleff.reporting.figures import style as figures_style
from labeleff.reporting.findings import compare_arms
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.reporting.results import Results, load


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return load(factories.folder(tmp_path))


def test_same_numbers_same_bytes(results: Results) -> None:
    comparisons = compare_arms(results.measured)
    for kind in ("png", "svg"):
        first, second = (style.render(utility.utility(results.measured, comparisons), kind) for _ in range(2))
        assert first == second
    assert b"Matplotlib" not in style.render(accuracy.accuracy(results.measured, results.places[0]), "png")
    assert b"<dc:date>" not in first


def test_accuracy_shows_every_arm_run_and_chance(results: Results) -> None:
    axes = accuracy.accuracy(results.measured, results.places[0]).axes[0]
    labels = axes.get_legend_handles_labels()[1]
    assert labels == [*factories.SAVED, "chance"]
    dots = [line for line in axes.lines if line.get_marker() == "."]
    assert sum(len(line.get_xdata()) for line in dots) == len(results.cells)
    assert len(axes.collections) == 3
    assert axes.get_xscale() == "log"


def test_many_arms_are_told_apart(results: Results) -> None:
    arms = ("scratch/finetune", *(f"rotation/p{i}" for i in range(40)))
    styles = figures_style.styles(dataclasses.replace(results.measured, arms=arms))
    assert len({tuple(style.values()) for style in styles.values()}) == 41


@pytest.mark.parametrize("count", [14, 15, 24, 40])
def test_names_of_many_arms_stay_on_the_page(count: int) -> None:
    place = Place("task")
    names = tuple(f"pretext{number}/finetune" for number in range(count))
    runs = {(place, name): {n: {(0, 0): 0.1 + n / 1000} for n in (10, 100)} for name in names}
    setting = Setting("task", (10, 100), chance=0.1)
    figure = accuracy.accuracy(
        Measurements({place: setting}, names, names[0], runs, level=0.9, method="log", design=""), place
    )
    figure.draw_without_rendering()
    [axes] = figure.axes
    legend = axes.get_legend().get_window_extent()
    assert legend.y0 >= 0
    assert legend.x1 <= figure.bbox.x1
    assert axes.get_window_extent().height > 0.6 * figure.bbox.height


def test_pyplot_stays_out(results: Results) -> None:
    style.render(accuracy.accuracy(results.measured, results.places[0]), "png")
    assert "matplotlib.pyplot" not in sys.modules


def test_names_are_taken_literally() -> None:
    assert [style.label(name) for name in ("a/b", "$x^$", "_a")] == ["a/b", r"\$x^\$", " _a"]
    assert style.label("0123456789" * 9) == "012345678901234567…34567890123456789"
    place = Place("$task_{$")
    names = ("$x^$", "_hidden", "基準", "w" * 300)
    runs = {(place, name): {n: {(0, 0): 0.1 * at + n / 1000} for n in (10, 100)} for at, name in enumerate(names)}
    measured = Measurements(
        {place: Setting("$task_{$" * 30, (10, 100))}, names, names[0], runs, level=0.9, method="log", design=""
    )
    comparisons = compare_arms(measured)
    for figure in (accuracy.accuracy(measured, place), utility.utility(measured, comparisons)):
        assert len(figure.axes[0].get_legend().get_texts()) == 4
        assert style.render(figure, "png")
